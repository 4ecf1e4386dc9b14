// Package stack makes one profile of several layers.
//
// For every ABI, system call and arguments a layer says an action or nothing. Where
// several say something the most restrictive action holds, so that a base's denial
// stays; where one does, it holds; where none does, the default action of the
// topmost layer. A ceiling is no layer: the result is nowhere more permissive than
// it, as if the kernel had both filters.
//
// The package finds layers by their names (library.go), takes what is not about
// calls together (arches.go, flags.go) and says of every part of the result which
// layer's rule decided it (explain.go). It must never know who asks for a stack or
// how it is enforced.
package stack

import (
	"errors"
	"fmt"
	"strings"

	"strata/internal/profile"
	"strata/internal/ruleset"
)

// Plan says what a stack is made of.
type Plan struct {
	// Layers, base first. Each is a profile with those that it stands on, the
	// undermost first, as Library.Load gives it.
	Layers [][]*profile.Profile
	// Ceilings are profiles that the stack does not exceed, each in the same form.
	Ceilings [][]*profile.Profile
	// Machine that the profiles are resolved for.
	Machine profile.Machine
	// ChildWins lets a layer's action replace those of the layers below it, also
	// with a more permissive one.
	ChildWins bool
	// Log replaces what the layers deny by what they do not: it is logged, and done.
	Log bool
	// Overlap says how layers are read whose rules contradict each other.
	Overlap ruleset.Overlap
}

// Stack is several layers as one profile.
type Stack struct {
	// Set is what the stack says. The origins in it are layers and their rules.
	Set *ruleset.Set
	// Layers and Ceilings are the names of what went in, the undermost first, bases included.
	Layers, Ceilings []string
	// Unconfined says that the stack restricts nothing, and that a container has it
	// by having no filter at all. A filter that allows every call of the listed
	// architectures would kill those of others.
	Unconfined bool
	// Warnings about the layers and ceilings.
	Warnings profile.Warnings

	flags            []profile.Flag
	listenerPath     string
	listenerMetadata string
}

// Build makes the stack.
func (p Plan) Build() (*Stack, error) {
	if len(p.Layers) == 0 {
		return nil, errors.New("a stack has at least one layer")
	}
	s := &Stack{}
	layers, err := p.resolve(s, p.Layers)
	if err != nil {
		return nil, err
	}
	s.Layers = names(layers)
	filters := layers
	if unconfined(layers) {
		filters = nil
	} else if s.Set, err = p.merge(layers); err == nil && p.Log {
		s.Set, err = s.Set.Replace(logged)
	}
	if err != nil {
		return nil, err
	}
	for _, chain := range p.Ceilings {
		ceiling, err := p.resolve(s, [][]*profile.Profile{chain})
		if err != nil {
			return nil, fmt.Errorf("ceiling: %w", err)
		}
		s.Ceilings = append(s.Ceilings, names(ceiling)...)
		if unconfined(ceiling) {
			continue
		}
		filters = append(filters, ceiling...)
		if err := p.restrict(s, ceiling); err != nil {
			return nil, fmt.Errorf("ceiling: %w", err)
		}
	}
	if len(filters) == 0 {
		s.Unconfined = true
		s.Set, err = p.merge(layers)
		return s, err
	}
	if err := p.warnOfDropped(s, layers); err != nil {
		return nil, err
	}
	return s, s.takeFlags(filters)
}

// resolve applies to the profiles what depends on the machine.
func (p Plan) resolve(s *Stack, chains [][]*profile.Profile) ([]*profile.Resolved, error) {
	var all []*profile.Resolved
	for _, chain := range chains {
		for _, document := range chain {
			resolved, warnings, err := document.Resolve(p.Machine)
			if err != nil {
				return nil, err
			}
			all = append(all, resolved)
			s.Warnings = append(s.Warnings, warnings...)
		}
	}
	return all, nil
}

// merge makes one set of layers, on the architectures that they agree on.
func (p Plan) merge(layers []*profile.Resolved) (*ruleset.Set, error) {
	abis, err := commonABIs(layers, p.Machine.Native)
	if err != nil {
		return nil, err
	}
	join := ruleset.Union
	if p.ChildWins {
		join = ruleset.Override
	}
	var merged *ruleset.Set
	for _, layer := range layers {
		source := layer.Source()
		source.ABIs = abis
		set, err := ruleset.Read(source, ruleset.Options{Overlap: p.Overlap})
		if err != nil {
			return nil, err
		}
		if merged == nil {
			merged = set
		} else if merged, err = join(merged, set); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

// restrict puts a ceiling on the stack.
func (p Plan) restrict(s *Stack, ceiling []*profile.Resolved) error {
	p.ChildWins = false
	set, err := p.merge(ceiling)
	if err != nil {
		return err
	}
	if s.Set == nil { // nothing but the ceiling filters
		s.Set = set
		return nil
	}
	s.Set, err = ruleset.Restrict(s.Set, set)
	return err
}

// unconfined reports whether the only layer is the profile that stands for none.
func unconfined(layers []*profile.Resolved) bool {
	return len(layers) == 1 && layers[0].Name == profile.Unconfined
}

// logged makes of a denial an entry in the log. It is asked about what all layers say together: a layer by itself would
// lose a denial that becomes its default.
func logged(a ruleset.Action) ruleset.Action {
	if a.Kind == ruleset.Errno || a.Kind.StricterThan(ruleset.Errno) {
		return ruleset.Action{Kind: ruleset.Log}
	}
	return a
}

func names(layers []*profile.Resolved) []string {
	all := make([]string, len(layers))
	for i, layer := range layers {
		all[i] = layer.Name
	}
	return all
}

// Document makes a profile that says what the stack says. The rules are the set's,
// in the form that was proven.
func (s *Stack) Document(rules []ruleset.Rule) *profile.Profile {
	p := profile.FromRules(strings.Join(s.Layers, "+"), s.Set.Fallback(), s.Set.ABIs(), rules)
	p.Flags = s.flags
	p.ListenerPath, p.ListenerMetadata = s.listenerPath, s.listenerMetadata
	return p
}
