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
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/reference"
	"strata/internal/version"
)

//go:generate go test -run ^TestManPages$ . -update

// Exit codes of all commands.
const (
	exitYes   = 0 // it is so, or it was done
	exitNo    = 1 // it is not so
	exitError = 2 // the question or its input is wrong
)

// errUnconfined says that there is nothing to write.
var errUnconfined = errors.New("the profile restricts nothing, so there is no filter: run the container unconfined")

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
	completeValues(root)
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

Exit codes: 0 for yes or done, 1 for no, 2 for a wrong question or input.

With --json an answer is one JSON value on standard output, whose fields each command's
page names. Errors and warnings are lines on standard error, also then. Colours are used on
terminals only, and not if NO_COLOR is set.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version.String(),
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newStack(), newDiff(), newCheck(), newExplain(), newShow(),
		newValidate(), newConvert(), newCompile(), newPolicy(), newEnforced(), newVersion(),
	)
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				return errors.Join(err, unknownCommand(found, rest))
			}
		}
	}
	return root
}

// unknownCommand refuses what is left of a command line where a command should be.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if alike := cmd.SuggestionsFor(args[0]); len(alike) > 0 {
		hint = "did you mean " + strings.Join(alike, " or ") + "?"
	}
	return fmt.Errorf("no command %s: %s", reference.Quote(args[0]), hint)
}

// unlimited is how many arguments there can be at most where there is no limit.
const unlimited = -1

// wants accepts a number of arguments and says what they should be if there are others.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most != unlimited && len(args) > most {
			return fmt.Errorf("%s takes %s: see %s --help", cmd.Name(), what, cmd.CommandPath())
		}
		return nil
	}
}
