package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/describe"
	"strata/internal/filter"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// explainJSON is what `strata explain --json` prints.
type explainJSON struct {
	Call      string      `json:"call"`
	ABI       string      `json:"abi"`
	Number    uint32      `json:"number"`
	Action    string      `json:"action,omitempty"` // with arguments, or the same for all
	Origin    originJSON  `json:"origin"`
	Arguments []uint64    `json:"arguments,omitempty"`
	Filter    string      `json:"filter,omitempty"`
	Regions   []pieceJSON `json:"regions,omitempty"` // without arguments
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
flags=NEWUSER,NEWNS. Those that are not said are 0. Without any, everything that the profile
says about the call is listed.

JSON: call, abi, number, origin, and with arguments these, action and filter (what it
answers); without arguments regions (conditions, action, origin, as strata show has them),
and action and filter where they are the same for all arguments.`,
		Example: `  strata explain runtime/default clone
  strata explain runtime/default clone flags=NEWUSER
  strata explain web.json socketcall 0=1 --abi x86`,
		Args: wants(2, unlimited, "a profile and a system call"),
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
				return explainAll(&in, s, call, asJSON)
			}
			return explainOne(&in, s, call, asJSON)
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeExplain
	cmd.Flags().StringVar(&abiName, "abi", "", "ABI of the call: "+strings.Join(abiNames(syscalls.ABIs()), ", ")+"; the machine's if not said")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
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
			return ruleset.Call{}, noCall(abi, name)
		}
		number = uint32(n)
	}
	call.Number = number
	values := map[uint]string{}
	for _, argument := range arguments {
		what, value, ok := strings.Cut(argument, "=")
		index, known := describe.Argument(ruleset.Name(abi, number), what)
		if !ok || !known {
			return ruleset.Call{}, fmt.Errorf("%s: write ARGUMENT=VALUE, arguments of %s are %s", reference.Quote(argument), name,
				strings.Join(describe.Arguments(ruleset.Name(abi, number)), ", "))
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

// answer is what the filter does that libseccomp makes of a stack.
type answer struct {
	*filter.Proof // nil: there is no filter
	set           *ruleset.Set
}

// filterOf makes the filter of a stack. What the installed libseccomp does not know matters for the call in question only.
func (in *input) filterOf(s *stack.Stack) (a answer, err error) {
	if s.Unconfined {
		return answer{set: s.Set}, nil
	}
	if a.set, err = in.writable(s.Set); err == nil {
		a.Proof, err = filter.Proven(a.set, filter.Options{})
	}
	return a, err
}

// does is what happens to a call: what the filter answers or, where there is none, what the set says.
func (a answer) does(call ruleset.Call, set *ruleset.Set) (ruleset.Action, error) {
	if a.Proof == nil {
		return set.At(call.ABI, call.Number, call.Args), nil
	}
	return a.Program.Simulate(call)
}

// knows reports whether libseccomp could be told what to do with a call.
func (a answer) knows(call ruleset.Call) bool {
	return a.Proof == nil || !slices.ContainsFunc(a.Unknown, func(u filter.Unknown) bool { return u.ABI == call.ABI && u.Number == call.Number })
}

// noCall is the error that an ABI has no call of a name. Others may have one.
func noCall(abi syscalls.ABI, name string) error {
	var others []string
	for _, other := range syscalls.ABIs() {
		if _, ok := other.Number(name); ok {
			others = append(others, other.String())
		}
	}
	if len(others) == 0 {
		return fmt.Errorf("no system call %s: say a name or a number", reference.Quote(name))
	}
	return fmt.Errorf("%v has no system call %s, but %s: give --abi", abi, name, strings.Join(others, ", "))
}

// explainOne answers for given arguments.
func explainOne(in *input, s *stack.Stack, call ruleset.Call, asJSON bool) error {
	action, origin := s.Set.Why(call.ABI, call.Number, call.Args)
	made, err := in.filterOf(s)
	if err != nil {
		return err
	}
	does, err := made.does(call, s.Set)
	if err != nil {
		return err
	}
	w := in.cmd.OutOrStdout()
	if asJSON {
		return writeJSON(w, explainJSON{
			Call: ruleset.Name(call.ABI, call.Number), ABI: call.ABI.String(), Number: call.Number, Arguments: call.Args[:],
			Action: action.String(), Origin: fromOrigin(origin), Filter: does.String(),
		})
	}
	colour := newPalette(w)
	fmt.Fprintf(w, "%v: %s\n", call, colour.action(action))
	fmt.Fprintf(w, "    decided by %s\n", decidedBy(s.Set, call.ABI, origin))
	switch {
	case made.Proof == nil:
		fmt.Fprintln(w, "    there is no filter")
	case made.knows(call):
		fmt.Fprintf(w, "    libseccomp's filter: %s (%d instructions)\n", colour.action(does), len(made.Program))
	default:
		fmt.Fprintf(w, "    libseccomp's filter: %s, because the installed libseccomp does not know the call\n", colour.action(does))
	}
	return nil
}

func decidedBy(set *ruleset.Set, abi syscalls.ABI, origin ruleset.Origin) string {
	if !set.Has(abi) {
		return "the filter itself: the profile does not list this architecture"
	}
	return origin.String()
}

// explainAll lists what is said about a call.
func explainAll(in *input, s *stack.Stack, call ruleset.Call, asJSON bool) error {
	name := ruleset.Name(call.ABI, call.Number)
	pieces, err := s.Set.Pieces(call.ABI, call.Number)
	if err != nil {
		return err
	}
	made, err := in.filterOf(s)
	if err != nil {
		return err
	}
	constant := len(pieces) == 0 || len(pieces) == 1 && len(pieces[0].Conditions) == 0
	w := in.cmd.OutOrStdout()
	if asJSON {
		out := allJSON(s.Set, call, pieces, constant)
		if constant {
			does, err := made.does(call, s.Set)
			if err != nil {
				return err
			}
			out.Filter = does.String()
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
	fallback, origin := s.Set.Why(call.ABI, call.ABI.Max()+1, ruleset.Args{})
	switch {
	case len(pieces) == 0:
		fmt.Fprintf(w, "    %s, by %s\n", colour.action(fallback), decidedBy(s.Set, call.ABI, origin))
	case !constant:
		fmt.Fprintf(w, "    otherwise %s, by %s\n", colour.action(fallback), decidedBy(s.Set, call.ABI, origin))
	}
	return sayFilter(w, colour, s, made, call)
}

// sayFilter says whether the filter does with a call what the stack says, for all arguments: that it does what it was
// made for is proven.
func sayFilter(w io.Writer, colour palette, s *stack.Stack, made answer, call ruleset.Call) error {
	text := "the same"
	switch {
	case made.Proof == nil:
		_, err := fmt.Fprintln(w, "    there is no filter")
		return err
	case !made.knows(call):
		text = colour.action(s.Set.Fallback()) + ", because the installed libseccomp does not know the call"
	default:
		tighter, err := ruleset.Diff(s.Set, made.set)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(tighter, func(r ruleset.Region) bool { return r.ABI == call.ABI && r.Number == call.Number }) {
			text = "denies more, see the warning"
		}
	}
	_, err := fmt.Fprintf(w, "    libseccomp's filter: %s (%d instructions)\n", text, len(made.Program))
	return err
}

func allJSON(set *ruleset.Set, call ruleset.Call, pieces []ruleset.Piece, constant bool) explainJSON {
	_, origin := set.Why(call.ABI, call.ABI.Max()+1, ruleset.Args{})
	out := explainJSON{Call: ruleset.Name(call.ABI, call.Number), ABI: call.ABI.String(), Number: call.Number, Origin: fromOrigin(origin)}
	for _, p := range pieces {
		out.Regions = append(out.Regions, pieceJSON{conditionsJSON(p.Conditions), p.Action.String(), fromOrigin(p.Origin)})
	}
	if constant {
		action, origin := set.Why(call.ABI, call.Number, ruleset.Args{})
		out.Action, out.Origin = action.String(), fromOrigin(origin)
	}
	return out
}
