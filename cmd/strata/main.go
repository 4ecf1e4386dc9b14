// Strata is the operator's command line: it stacks, compares, explains, checks and
// converts seccomp profiles, and checks this node's policy.
//
// There is nothing here but flags and output. What a profile means is decided in the
// rooms below, by the same code that the hooks use.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

//go:generate go test -run ^TestManPages$ . -update

// Exit codes of all commands.
const (
	exitYes   = 0 // it is so, or it was done
	exitNo    = 1 // it is not so
	exitError = 2 // the question or its input is wrong
)

// errNo is returned by commands whose answer, already printed, is no.
var errNo = errors.New("no")

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &printer{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.Execute()
	if out.failed != nil && (err == nil || errors.Is(err, errNo)) {
		err = out.failed // an answer that did not arrive is none
	}
	switch {
	case err == nil:
		return exitYes
	case errors.Is(err, errNo):
		return exitNo
	}
	for _, line := range lines(err) {
		fmt.Fprintf(stderr, "strata: %s\n", line)
	}
	return exitError
}

// lines splits an error that is several into one line each.
func lines(err error) []string {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, one := range several.Unwrap() {
			all = append(all, lines(one)...)
		}
		return all
	}
	return []string{err.Error()}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "strata",
		Short: "Stack, compare, explain and check seccomp profiles",
		Long: `strata works on seccomp profiles: it stacks them exactly, says where two differ,
why a call is allowed or denied, and what libseccomp makes of it.

A profile is named as in annotations and in strata.toml(5): runtime/default (the
default of Podman and CRI-O), unconfined, localhost/NAME (below the kubelet's profile
directory), NAME (in the profile directories), or the path of a file; - is standard
input. Files may be OCI or Docker JSON, or a SeccompProfile of the Security Profiles
Operator.

Profiles can depend on capabilities, architecture and kernel. They are resolved for
this machine and the capabilities that Podman gives by default, unless options say
otherwise.

Exit codes: 0 for yes or done, 1 for no, 2 for a wrong question or input.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		newStack(), newDiff(), newCheck(), newExplain(), newShow(),
		newValidate(), newConvert(), newCompile(), newPolicy(), newEnforced(), newVersion(),
	)
	return root
}
