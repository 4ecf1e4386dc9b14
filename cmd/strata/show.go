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

// showJSON is what `strata show --json` prints.
type showJSON struct {
	Layers  []string     `json:"layers"`
	ABIs    []string     `json:"abis"`
	Default string       `json:"default"`
	Regions []regionJSON `json:"regions"`
}

func newShow() *cobra.Command {
	var (
		in     input
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "show PROFILE",
		Short: "Print a profile so that a person can read it",
		Long: `Print what a profile does, by action and by group of calls, with conditions on
arguments in words.

JSON: layers, abis, default (the action), and regions: calls (none: all others), abis,
conditions, action, origin. All conditions of a region hold; each has argument, op (EQ, NE,
LT, LE, GE, GT, or MASKED_EQ with the mask in value), value and valueTwo. An origin is a
layer and the number of its rule, or a layer alone where its default action holds.`,
		Args: wants(1, 1, "one profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.prepare(); err != nil {
				return err
			}
			s, err := in.read(args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				regions, err := stack.Explain(s.Set)
				if err != nil {
					return err
				}
				return writeJSON(w, showJSON{s.Layers, abiNames(s.Set.ABIs()), s.Set.Fallback().String(), toJSON(regions)})
			}
			plain, err := s.Set.Plain() // a person reads what is done; which rule does it is for explain
			if err != nil {
				return err
			}
			regions, err := stack.Explain(plain)
			if err != nil {
				return err
			}
			printProfile(w, s, regions)
			return nil
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(1)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
	return cmd
}

func printProfile(w io.Writer, s *stack.Stack, regions []stack.Region) {
	colour := newPalette(w)
	all := s.Set.ABIs()
	fmt.Fprintf(w, "%s on %s\n", colour.heading(strings.Join(s.Layers, " < ")), strings.Join(abiNames(all), ", "))
	for _, action := range actionsOf(regions) {
		fmt.Fprintf(w, "\n%s\n", colour.action(action))
		for _, group := range describe.Groups() {
			calls := callsOf(regions, action, group.Name, all)
			if len(calls) == 0 {
				continue
			}
			fmt.Fprintf(w, "  %s\n", colour.heading(group.Title))
			printCalls(w, calls)
		}
		if action == s.Set.Fallback() {
			fmt.Fprintln(w, "  everything else")
		}
	}
}

// actionsOf lists the actions that a profile has, the most permissive first.
func actionsOf(regions []stack.Region) []ruleset.Action {
	var all []ruleset.Action
	for _, r := range regions {
		if !slices.Contains(all, r.Action) {
			all = append(all, r.Action)
		}
	}
	slices.SortStableFunc(all, func(a, b ruleset.Action) int { return int(a.Kind) - int(b.Kind) })
	return all
}

// callsOf describes the calls of a group that have an action.
func callsOf(regions []stack.Region, action ruleset.Action, group string, all []syscalls.ABI) []string {
	type place struct{ name, where string }
	found := map[place][][]ruleset.Condition{}
	for _, r := range regions {
		if r.Action != action {
			continue
		}
		for _, name := range r.Names {
			if describe.GroupOf(name) == group {
				p := place{name, somewhere(r.ABIs, all)}
				found[p] = append(found[p], r.Conditions)
			}
		}
	}
	var calls []string
	for p, alternatives := range found {
		for _, call := range describe.Rules(p.name, alternatives) {
			calls = append(calls, call+p.where)
		}
	}
	slices.Sort(calls)
	return calls
}

// somewhere says on which ABIs a region is, if not on all.
func somewhere(abis, all []syscalls.ABI) string {
	if len(abis) == len(all) {
		return ""
	}
	return " (" + strings.Join(abiNames(abis), ", ") + ")"
}

// printCalls fills lines with plain names and gives conditions a line each.
func printCalls(w io.Writer, calls []string) {
	var plain []string
	for _, call := range calls {
		if !strings.Contains(call, " ") {
			plain = append(plain, call)
		}
	}
	if len(plain) > 0 {
		printWords(w, plain)
	}
	for _, call := range calls {
		if strings.Contains(call, " ") {
			fmt.Fprintln(w, "    "+call)
		}
	}
}
