package profile

import (
	"slices"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// meanings pairs the actions with those of the algebra.
var meanings = map[Action]ruleset.Kind{
	KillProcess: ruleset.KillProcess,
	KillThread:  ruleset.KillThread,
	Trap:        ruleset.Trap,
	Fail:        ruleset.Errno,
	Notify:      ruleset.Notify,
	Trace:       ruleset.Trace,
	Log:         ruleset.Log,
	Allow:       ruleset.Allow,
}

// comparisons pairs the operators with those of the algebra.
var comparisons = map[Op]ruleset.Op{
	NotEqual:       ruleset.NE,
	LessThan:       ruleset.LT,
	LessOrEqual:    ruleset.LE,
	Equal:          ruleset.EQ,
	GreaterOrEqual: ruleset.GE,
	GreaterThan:    ruleset.GT,
	MaskedEqual:    ruleset.MaskedEQ,
}

var (
	actionOf = inverse(meanings)
	opOf     = inverse(comparisons)
)

func inverse[A, B comparable](m map[A]B) map[B]A {
	back := make(map[B]A, len(m))
	for a, b := range m {
		back[b] = a
	}
	return back
}

// means is an action with its number as the algebra has it. Where a document states no number, runtimes use EPERM.
func means(a Action, e *Errno) ruleset.Action {
	out := ruleset.Action{Kind: meanings[a]}
	switch {
	case !actions[a].numbers:
	case e == nil:
		out.Errno = uint16(eperm)
	default:
		out.Errno = uint16(*e)
	}
	return out
}

// said is the reverse of means. The number is always stated.
func said(a ruleset.Action) (Action, *Errno) {
	action := actionOf[a.Kind]
	if !actions[action].numbers {
		return action, nil
	}
	e := Errno(a.Errno)
	return action, &e
}

// Source is what the algebra reads: all rules with their numbers, for the native ABI and those that the profile lists.
func (r *Resolved) Source() ruleset.Source {
	src := ruleset.Source{Layer: r.Name, Default: means(r.Default, r.Errno), ABIs: slices.Clone(r.ABIs)}
	for _, rule := range r.Rules {
		out := ruleset.Rule{
			Names: rule.Names, Action: means(rule.Action, rule.Errno), Origin: ruleset.Origin{Layer: r.Name, Rule: rule.Number},
		}
		for _, a := range rule.Args {
			out.Conditions = append(out.Conditions, ruleset.Condition{
				Arg: uint(a.Index), Op: comparisons[a.Op], Value: a.Value, ValueTwo: a.Two,
			})
		}
		src.Rules = append(src.Rules, out)
	}
	return src
}

// Set is the profile as the algebra knows it.
func (r *Resolved) Set(o ruleset.Options) (*ruleset.Set, error) {
	return ruleset.Read(r.Source(), o)
}

// FromRules makes a document of rules, in their order. Conditions without meaning in a document are the caller's fault: rules
// come from the algebra.
func FromRules(name string, fallback ruleset.Action, abis []syscalls.ABI, rules []ruleset.Rule) *Profile {
	p := &Profile{Name: name}
	p.Default, p.Errno = said(fallback)
	for _, abi := range abis {
		p.Arches = append(p.Arches, Arch(abi.Arch()))
	}
	for _, r := range rules {
		rule := Rule{Names: slices.Clone(r.Names)}
		rule.Action, rule.Errno = said(r.Action)
		for _, c := range r.Conditions {
			rule.Args = append(rule.Args, Arg{Index: uint8(c.Arg), Op: opOf[c.Op], Value: c.Value, Two: c.ValueTwo})
		}
		p.Rules = append(p.Rules, rule)
	}
	p.normalise()
	return p
}
