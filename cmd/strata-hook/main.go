// Command strata-hook is the hook that container engines run: see strata-hook(8).
//
// It runs in every recorded container's start, so its arguments are read by the standard library alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"strata/internal/enforce"
	"strata/internal/hook"
	"strata/internal/request"
	"strata/internal/syslog"
	"strata/internal/version"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit codes: sysexits(3) are not used, since engines tell 0 from the rest.
const (
	failed = 1
	usage  = 2
)

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name, h, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		help(stdout)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "strata-hook: %v (strata-hook --help tells more)\n", err)
		return usage
	case name == "version":
		fmt.Fprintln(stdout, "strata-hook", version.String())
		return 0
	}
	h.Stdin, h.Stdout, h.Log = stdin, stdout, syslog.New("strata-hook")
	if self, err := os.Executable(); err == nil { // where it fails, a stack that needs the prover is refused
		h.Prover = enforce.ProverBeside(self)
	}
	for _, stage := range hook.Stages() {
		if stage.Name != name {
			continue
		}
		if err := stage.Run(h); err != nil {
			line := name + ": " + hook.Explain(err)
			h.Log.Error(line)
			fmt.Fprintln(stderr, "strata-hook", line)
			return failed
		}
		return 0
	}
	fmt.Fprintf(stderr, "strata-hook: no stage %.80q (strata-hook --help lists them)\n", name)
	return usage
}

// trusts are the words for how far the annotations' author is believed.
var trusts = map[string]request.Trust{"names": request.Untrusted, "paths": request.Trusted}

// parse reads options and the stage, in any order.
func parse(args []string) (stage string, h *hook.Hook, err error) {
	standard := hook.Default()
	h = &standard
	flags, trust, printVersion := options(h)
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return "", nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		words, args = append(words, flags.Arg(0)), flags.Args()[1:]
	}
	switch {
	case *printVersion:
		return "version", h, nil
	case len(words) == 0:
		return "", nil, errors.New("say a stage")
	case len(words) > 1:
		return "", nil, fmt.Errorf("one stage at a time, not %.80q too", words[1])
	}
	if h.Trust, err = trustOf(*trust); err != nil {
		return "", nil, err
	}
	return words[0], h, nil
}

func trustOf(word string) (request.Trust, error) {
	trust, found := trusts[word]
	if !found {
		return 0, fmt.Errorf("--trust=%.80s: say names or paths", word)
	}
	return trust, nil
}

func options(h *hook.Hook) (flags *flag.FlagSet, trust *string, printVersion *bool) {
	flags = flag.NewFlagSet("strata-hook", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	trust = flags.String("trust", "names", "`WHOM`: what annotations may hold: names, or paths where root alone writes them")
	flags.StringVar(&h.State, "state", h.State, "`DIR` of running recordings")
	flags.StringVar(&h.Recordings, "recordings", h.Recordings, "`DIR` of finished recordings")
	flags.StringVar(&h.Policy, "policy", h.Policy, "`DIR` of the node's policy")
	printVersion = flags.Bool("version", false, "print the version")
	return flags, trust, printVersion
}

func help(w io.Writer) {
	fmt.Fprint(w, "strata-hook records the system calls of containers. Container engines run it.\n\nUsage: strata-hook [OPTION…] STAGE\n\nStages:\n")
	for _, stage := range hook.Stages() {
		fmt.Fprintf(w, "  %-12s %s\n", stage.Name, stage.About)
	}
	fmt.Fprintf(w, "  %-12s %s\n\nOptions:\n", "version", "print the version")
	standard := hook.Default()
	flags, _, _ := options(&standard)
	flags.VisitAll(func(f *flag.Flag) {
		value, about := flag.UnquoteUsage(f)
		if value != "" {
			value = "=" + value
		}
		if f.DefValue != "" && f.DefValue != "false" {
			about += " (" + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  --%-18s %s\n", f.Name+value, about)
	})
	fmt.Fprint(w, "\nThe manual page strata-hook(8) tells of annotations and files.\n")
}
