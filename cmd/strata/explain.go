package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/describe"
	"strata/internal/filter"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// explainJSON is what `strata explain --json` prints.
type explainJSON struct {
	Call    string      `json:"call"`
	ABI     string      `json:"abi"`
	Number  uint32      `json:"number"`
	Action  string      `json:"action,omitempty"` // with arguments, or the same for all
	Origin  originJSON  `json:"origin"`
	Filter  string      `json:"filter,omitempty"`
	Regions []pieceJSON `json:"regions,omitempty"` // without arguments
}

type pieceJSON struct {
	Conditions []conditionJSON `json:"conditions,omitempty"`
	Action     string          `json:"action"`
	Origin     originJSON      `json:"origin"`
}

func newExplain() *cobra.Command {
	var (
		in      input
		abiName string
		asJSON  bool
	)
	cmd := &cobra.Command{
		Use:   "explain PROFILE SYSCALL [ARGUMENT=VALUE...]",
		Short: "Say what a profile does with a call, and why",
		Long: `Say what a profile does with a system call, which rule of which layer decides it, and
what the filter answers that libseccomp makes of the profile.

Arguments are counted from 0, or called by their names: 0=0x10000000, arg0=CLONE_NEWUSER,
flags=NEWUSER|NEWNS. Those that are not said are 0. Without any, everything that the profile
says about the call is listed.`,
		Example: `  strata explain runtime/default clone
  strata explain runtime/default clone flags=NEWUSER
  strata explain web.json socketcall 0=1 --abi x86`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.prepare(); err != nil {
				return err
			}
			if abiName == "" {
				abiName = in.arch
			}
			call, err := parseCall(args[1], args[2:], abiName)
			if err != nil {
				return err
			}
			s, err := in.read(args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				return explainAll(&in, s.Set, call, asJSON)
			}
			return explainOne(&in, s.Set, call, asJSON)
		},
	}
	in.addTo(cmd)
	cmd.Flags().StringVar(&abiName, "abi", "", "ABI of the call: "+strings.Join(abiNames(syscalls.ABIs()), ", ")+"; the machine's if not said")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// parseCall reads a name or number and arguments.
func parseCall(name string, arguments []string, abiName string) (ruleset.Call, error) {
	abi, err := parseABI(abiName)
	if err != nil {
		return ruleset.Call{}, err
	}
	call := ruleset.Call{ABI: abi}
	number, ok := abi.Number(name)
	if !ok {
		n, err := strconv.ParseUint(name, 0, 32)
		if err != nil {
			return ruleset.Call{}, fmt.Errorf("%v has no system call %q", abi, name)
		}
		number = uint32(n)
	}
	call.Number = number
	values := map[uint]string{}
	for _, argument := range arguments {
		what, value, ok := strings.Cut(argument, "=")
		index, known := describe.Argument(ruleset.Name(abi, number), what)
		if !ok || !known {
			return ruleset.Call{}, fmt.Errorf("%q: write ARGUMENT=VALUE, arguments are 0 to %d", argument, ruleset.Arguments-1)
		}
		if _, twice := values[index]; twice {
			return ruleset.Call{}, fmt.Errorf("argument %d is said twice", index)
		}
		values[index] = value
	}
	for _, index := range slices.Sorted(maps.Keys(values)) { // the names of a later one can depend on an earlier one
		if call.Args[index], err = describe.Value(ruleset.Name(abi, number), index, values[index], call.Args); err != nil {
			return ruleset.Call{}, err
		}
	}
	return call, nil
}

// explainOne answers for given arguments.
func explainOne(in *input, set *ruleset.Set, call ruleset.Call, asJSON bool) error {
	action, origin := set.Why(call.ABI, call.Number, call.Args)
	proof, err := in.prove(set)
	if err != nil {
		return err
	}
	answer, err := proof.Program.Simulate(call)
	if err != nil {
		return err
	}
	w := in.cmd.OutOrStdout()
	if asJSON {
		return writeJSON(w, explainJSON{
			Call: ruleset.Name(call.ABI, call.Number), ABI: call.ABI.String(), Number: call.Number,
			Action: action.String(), Origin: fromOrigin(origin), Filter: answer.String(),
		})
	}
	colour := newPalette(w)
	fmt.Fprintf(w, "%v: %s\n", call, colour.action(action))
	fmt.Fprintf(w, "    decided by %s\n", decidedBy(set, call.ABI, origin))
	fmt.Fprintf(w, "    libseccomp's filter: %s (%d instructions)\n", colour.action(answer), len(proof.Program))
	return unknownNote(in, proof, call)
}

func decidedBy(set *ruleset.Set, abi syscalls.ABI, origin ruleset.Origin) string {
	if !set.Has(abi) {
		return "the filter itself: the profile does not list this architecture"
	}
	return origin.String()
}

// unknownNote says why the filter answers something else than the profile, if it does.
func unknownNote(in *input, proof *filter.Proof, call ruleset.Call) error {
	for _, u := range proof.Unknown {
		if u.ABI == call.ABI && u.Number == call.Number {
			_, err := fmt.Fprintln(in.cmd.OutOrStdout(), "    the installed libseccomp does not know the call, so the default action holds")
			return err
		}
	}
	return nil
}

// explainAll lists what is said about a call.
func explainAll(in *input, set *ruleset.Set, call ruleset.Call, asJSON bool) error {
	name := ruleset.Name(call.ABI, call.Number)
	pieces, err := set.Pieces(call.ABI, call.Number)
	if err != nil {
		return err
	}
	constant := len(pieces) == 0 || len(pieces) == 1 && len(pieces[0].Conditions) == 0
	fallback, origin := set.Why(call.ABI, call.ABI.Max()+1, ruleset.Args{})
	w := in.cmd.OutOrStdout()
	if asJSON {
		out := explainJSON{Call: name, ABI: call.ABI.String(), Number: call.Number, Origin: fromOrigin(origin)}
		for _, p := range pieces {
			out.Regions = append(out.Regions, pieceJSON{conditionsJSON(p.Conditions), p.Action.String(), fromOrigin(p.Origin)})
		}
		if constant {
			action, origin := set.Why(call.ABI, call.Number, ruleset.Args{})
			out.Action, out.Origin = action.String(), fromOrigin(origin)
		}
		return writeJSON(w, out)
	}
	colour := newPalette(w)
	fmt.Fprintf(w, "%s on %v (%d)\n", colour.heading(name), call.ABI, call.Number)
	for _, p := range pieces {
		when := ""
		if len(p.Conditions) > 0 {
			when = " if " + describe.When(name, p.Conditions)
		}
		fmt.Fprintf(w, "    %s%s, by %v\n", colour.action(p.Action), when, p.Origin)
	}
	if len(pieces) == 0 || !constant {
		fmt.Fprintf(w, "    otherwise %s, by %s\n", colour.action(fallback), decidedBy(set, call.ABI, origin))
	}
	return nil
}
