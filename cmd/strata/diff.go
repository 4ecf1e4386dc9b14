package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/describe"
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
example. The exit code is 0 if they do the same everywhere and 1 if not.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare(&in, args[0], args[1], asJSON, ruleset.Diff, "they do the same for all calls and arguments")
		},
	}
	in.addTo(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
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
code is 0 if it is within B and 1 if not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare(&in, args[0], within, asJSON, ruleset.Excess, "it is nowhere more permissive")
		},
	}
	in.addTo(cmd)
	cmd.Flags().StringVar(&within, "within", "", "the profile that A may not exceed")
	if err := cmd.MarkFlagRequired("within"); err != nil {
		panic(err) // the flag is defined one line above
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// compare prints where two profiles differ in a way of interest.
func compare(in *input, a, b string, asJSON bool, differences func(a, b *ruleset.Set) ([]ruleset.Region, error), none string) error {
	if err := in.prepare(); err != nil {
		return err
	}
	var stacks [2]*stack.Stack
	for i, name := range []string{a, b} {
		var err error
		if stacks[i], err = in.read(name); err != nil {
			return err
		}
	}
	regions, err := differences(stacks[0].Set, stacks[1].Set)
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
		printDifferences(w, a, b, regions)
	}
	if err == nil && len(regions) > 0 {
		err = errNo
	}
	return err
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
	abis    []syscalls.ABI
	what    string // a call, or a call with conditions
	plain   bool   // without conditions
	example string
}

// differencesOf joins what differs in the ABI alone.
func differencesOf(regions []ruleset.Region, colour palette) []*difference {
	var all []*difference
	for _, r := range regions {
		d := &difference{
			way:     way(r),
			actions: colour.action(r.A) + ", not " + colour.action(r.B),
			what:    describe.Rule(r.Syscall, r.Conditions),
			plain:   len(r.Conditions) == 0,
			example: ruleset.Call{ABI: r.ABI, Number: r.Number, Args: r.Example}.String(),
		}
		if r.Others {
			d.what, d.plain = "all that neither mentions", false
		}
		i := slices.IndexFunc(all, func(o *difference) bool { return o.what == d.what && o.actions == d.actions })
		if i < 0 {
			i, all = len(all), append(all, d)
		}
		if !slices.Contains(all[i].abis, r.ABI) {
			all[i].abis = append(all[i].abis, r.ABI)
		}
	}
	return all
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

func printDifferences(w io.Writer, a, b string, regions []ruleset.Region) {
	colour := newPalette(w)
	all := differencesOf(regions, colour)
	for i, title := range []string{a + " is more permissive than " + b, b + " is more permissive than " + a, "as permissive, and different"} {
		ours := slices.DeleteFunc(slices.Clone(all), func(d *difference) bool { return d.way != i })
		if len(ours) == 0 {
			continue
		}
		fmt.Fprintln(w, colour.heading(title))
		for len(ours) > 0 {
			first := ours[0]
			alike := func(d *difference) bool { return d.actions == first.actions && slices.Equal(d.abis, first.abis) }
			printAlike(w, first, slices.DeleteFunc(slices.Clone(ours), func(d *difference) bool { return !alike(d) }))
			ours = slices.DeleteFunc(ours, alike)
		}
	}
}

// printAlike prints differences that have the actions and ABIs in common, those
// without conditions as a list.
func printAlike(w io.Writer, first *difference, alike []*difference) {
	fmt.Fprintf(w, "  %s on %s\n", first.actions, strings.Join(abiNames(first.abis), ", "))
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
