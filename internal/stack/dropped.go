package stack

import (
	"fmt"
	"slices"
	"strings"

	"strata/internal/profile"
	"strata/internal/ruleset"
)

// warnOfDropped warns of denials in layers that do not hold in the stack because they say what is their profile's default
// action anyway. Engines drop such rules, so they say nothing, and a layer above may allow the calls. Somebody who wrote
// the denial down may have meant it to stay.
func (p Plan) warnOfDropped(s *Stack, layers []*profile.Resolved) error {
	if p.ChildWins || p.Log {
		return nil
	}
	for _, layer := range layers[:len(layers)-1] {
		source := layer.Source()
		source.Rules = slices.DeleteFunc(source.Rules, func(r ruleset.Rule) bool {
			return r.Action != source.Default || ruleset.Errno.StricterThan(r.Action.Kind)
		})
		if len(source.Rules) == 0 {
			continue
		}
		source.ABIs = s.Set.ABIs()
		source.Default = ruleset.Action{Kind: ruleset.Allow} // as if the rules alone were there
		denials, err := ruleset.Read(source, ruleset.Options{Overlap: p.Overlap})
		if err != nil {
			return err
		}
		allowed, err := ruleset.Excess(s.Set, denials)
		if err != nil {
			return err
		}
		for _, rule := range source.Rules {
			if names, by := overruled(rule, allowed); len(names) > 0 {
				s.Warnings = append(s.Warnings, profile.Warning{Reason: profile.NoEffect, Error: profile.Error{
					Profile: layer.Name, Rule: rule.Origin.Rule, Call: rule.Names[0],
					Text: fmt.Sprintf("it says the profile's default action, so it says nothing, and %q allows %s", by, strings.Join(names, ", ")),
				}})
			}
		}
	}
	return nil
}

// overruled are the calls of a rule that something else decides about in one of the regions, and the layer of the first.
func overruled(rule ruleset.Rule, regions []ruleset.Region) (names []string, by string) {
	for _, r := range regions {
		if r.FromB == rule.Origin && slices.Contains(rule.Names, r.Syscall) && !slices.Contains(names, r.Syscall) {
			if names = append(names, r.Syscall); by == "" {
				by = r.FromA.Layer
			}
		}
	}
	return names, by
}
