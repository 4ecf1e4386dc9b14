package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/describe"
	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// differenceJSON is a part of the calls that two profiles treat differently.
type differenceJSON struct {
	Call       string          `json:"call,omitempty"` // none: all others
	ABI        string          `json:"abi"`
	Conditions []conditionJSON `json:"conditions,omitempty"`
	A          string          `json:"a"`
	B          string          `json:"b"`
	FromA      originJSON      `json:"fromA"`
	FromB      originJSON      `json:"fromB"`
	Example    string          `json:"example"`
}

// comparisonJSON is what `strata diff --json` and `strata check --json` print.
type comparisonJSON struct {
	Answer      bool             `json:"answer"` // equal, or within
	Differences []differenceJSON `json:"differences"`
}

func newDiff() *cobra.Command {
	var (
		in     input
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say where two profiles differ",
		Long: `Say for which calls and arguments two profiles do something else, each with an
example. The exit code is 0 if they do the same everywhere and 1 if not.

JSON: answer (whether they do the same), and differences: call (none: all that neither
mentions), abi, conditions as strata show has them, a and b (the actions), fromA and fromB
(the origins; empty where the architecture is not listed), and example.`,
		Args: wants(2, 2, "two profiles"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare(&in, args[0], args[1], asJSON, ruleset.Diff, "they do the same for all calls and arguments")
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(2)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
	return cmd
}

func newCheck() *cobra.Command {
	var (
		in     input
		within string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "check A --within B",
		Short: "Say whether a profile is nowhere more permissive than another",
		Long: `Say whether A is nowhere more permissive than B, and where it is if not. The exit
code is 0 if it is within B and 1 if not.

JSON: as of strata diff; the answer is whether A is within B.`,
		Args: wants(1, 1, "one profile, and the other with --within"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare(&in, args[0], within, asJSON, ruleset.Excess, "it is nowhere more permissive")
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(1)
	cmd.Flags().StringVar(&within, "within", "", "the profile that A may not exceed")
	if err := cmd.MarkFlagRequired("within"); err != nil {
		panic(err) // the flag is defined one line above
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
	return cmd
}

// compare prints where two profiles differ in a way of interest.
func compare(in *input, a, b string, asJSON bool, differences func(a, b *ruleset.Set) ([]ruleset.Region, error), none string) error {
	if err := in.prepare(); err != nil {
		return err
	}
	setA, setB, err := in.readBoth(a, b)
	if err != nil {
		return err
	}
	regions, err := differences(setA, setB)
	if err != nil {
		return err
	}
	w := in.cmd.OutOrStdout()
	switch {
	case asJSON:
		err = writeJSON(w, comparisonJSON{len(regions) == 0, differencesJSON(regions)})
	case len(regions) == 0:
		_, err = fmt.Fprintln(w, none)
	default:
		printDifferences(w, side{a, setA}, side{b, setB}, regions)
	}
	if err == nil && len(regions) > 0 {
		err = errNo
	}
	return err
}

// readBoth reads two profiles to compare. Where there is no filter, calls of all ABIs that the other lists are allowed.
func (in *input) readBoth(a, b string) (*ruleset.Set, *ruleset.Set, error) {
	first, err := in.read(a)
	if err != nil {
		return nil, nil, err
	}
	second, err := in.read(b)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range []*stack.Stack{first, second} {
		if s.Unconfined {
			everywhere := ruleset.Source{Layer: profile.Unconfined, Default: s.Set.Fallback(), ABIs: append(first.Set.ABIs(), second.Set.ABIs()...)}
			if s.Set, err = ruleset.Read(everywhere, ruleset.Options{}); err != nil {
				return nil, nil, err
			}
		}
	}
	return first.Set, second.Set, nil
}

func differencesJSON(regions []ruleset.Region) []differenceJSON {
	out := make([]differenceJSON, len(regions))
	for i, r := range regions {
		out[i] = differenceJSON{
			ABI: r.ABI.String(), Conditions: conditionsJSON(r.Conditions),
			A: r.A.String(), B: r.B.String(), FromA: fromOrigin(r.FromA), FromB: fromOrigin(r.FromB),
			Example: ruleset.Call{ABI: r.ABI, Number: r.Number, Args: r.Example}.String(),
		}
		if !r.Others {
			out[i].Call = r.Syscall
		}
	}
	return out
}

// difference is what a person reads as one: the same for several ABIs or calls.
type difference struct {
	way     int // which of the two is more permissive
	actions string
	foreign string // why calls of these ABIs are killed, if no rule does it
	abis    []syscalls.ABI
	what    string // a call, or a call with conditions
	plain   bool   // without conditions
	example string
}

// differencesOf joins what differs in the ABI alone.
func differencesOf(a, b side, regions []ruleset.Region, colour palette) []*difference {
	var all []*difference
	for _, r := range regions {
		d := &difference{
			way:     way(r),
			actions: inWords(r, colour),
			foreign: foreign(r.ABI, a, b),
			what:    describe.Rule(r.Syscall, r.Conditions),
			plain:   len(r.Conditions) == 0,
			example: ruleset.Call{ABI: r.ABI, Number: r.Number, Args: r.Example}.String(),
		}
		if r.Others {
			d.what, d.plain = "all that neither mentions", false
		}
		i := slices.IndexFunc(all, func(o *difference) bool { return o.way == d.way && o.what == d.what && o.heading() == d.heading() })
		if i < 0 {
			i, all = len(all), append(all, d)
		}
		if !slices.Contains(all[i].abis, r.ABI) {
			all[i].abis = append(all[i].abis, r.ABI)
		}
	}
	return all
}

// side is one of the profiles that are compared.
type side struct {
	name string
	set  *ruleset.Set
}

// foreign names the side that does not list an ABI.
func foreign(abi syscalls.ABI, sides ...side) string {
	for _, s := range sides {
		if !s.set.Has(abi) {
			return ", which " + s.name + " does not list"
		}
	}
	return ""
}

// heading is what differences that are printed together have in common, besides their ABIs.
func (d *difference) heading() string { return d.actions + d.foreign }

// inWords says what the more permissive side does, or A, and the other one does not.
func inWords(r ruleset.Region, colour palette) string {
	does, not := r.A, r.B
	if way(r) == 1 {
		does, not = not, does
	}
	return colour.action(does) + ", not " + colour.action(not)
}

// way says which profile is more permissive in a region: 0 for A, 1 for B, 2 for neither.
func way(r ruleset.Region) int {
	switch {
	case r.B.Kind.StricterThan(r.A.Kind):
		return 0
	case r.A.Kind.StricterThan(r.B.Kind):
		return 1
	}
	return 2
}

func printDifferences(w io.Writer, a, b side, regions []ruleset.Region) {
	colour := newPalette(w)
	all := differencesOf(a, b, regions, colour)
	for i, title := range []string{a.name + " is more permissive than " + b.name, b.name + " is more permissive than " + a.name, "as permissive, and different"} {
		ours := slices.DeleteFunc(slices.Clone(all), func(d *difference) bool { return d.way != i })
		if len(ours) == 0 {
			continue
		}
		fmt.Fprintln(w, colour.heading(title))
		for len(ours) > 0 {
			first := ours[0]
			alike := func(d *difference) bool { return d.heading() == first.heading() && slices.Equal(d.abis, first.abis) }
			printAlike(w, first, slices.DeleteFunc(slices.Clone(ours), func(d *difference) bool { return !alike(d) }))
			ours = slices.DeleteFunc(ours, alike)
		}
	}
}

// printAlike prints differences that have the actions and ABIs in common, those
// without conditions as a list.
func printAlike(w io.Writer, first *difference, alike []*difference) {
	fmt.Fprintf(w, "  %s on %s%s\n", first.actions, strings.Join(abiNames(first.abis), ", "), first.foreign)
	var plain []string
	for _, d := range alike {
		if d.plain {
			plain = append(plain, d.what)
		}
	}
	if len(plain) > 0 {
		slices.Sort(plain)
		printWords(w, plain)
	}
	for _, d := range alike {
		if !d.plain {
			fmt.Fprintf(w, "    %s, as %s\n", d.what, d.example)
		}
	}
}
