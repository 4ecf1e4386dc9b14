package filter

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// Disagreement is the error that a program does something else than it should.
type Disagreement struct {
	Witness ruleset.Witness // A is what the rules say, B what the program does
}

func (d *Disagreement) Error() string {
	return fmt.Sprintf("the compiled filter disagrees with the rules: it does %v for %v, not %v",
		d.Witness.B, ruleset.Call{ABI: d.Witness.ABI, Number: d.Witness.Number, Args: d.Witness.Args}, d.Witness.A)
}

// ErrUnenforceable is in the chain of errors about calls that a rule restricts more than the fallback and that the
// installed libseccomp cannot name.
var ErrUnenforceable = errors.New("the installed libseccomp is too old to know the call")

// Prove shows that a program does what a set says, for all calls and arguments of the set's ABIs, and that it
// kills on all other ABIs. Calls that libseccomp did not know are left out of the proof if the fallback, which
// the program must have for them, is no more permissive than their rules, and are an error otherwise. An error
// that the program is wrong is a *Disagreement.
func Prove(set *ruleset.Set, c *Compiled) error {
	meant, err := without(set, c.Unknown)
	if err != nil {
		return err
	}
	l, err := newLifter(c.Program)
	if err != nil {
		return err
	}
	var does *ruleset.Set
	limit := l.build.Guard(func() {
		if does, err = l.lift(set.ABIs()); err == nil {
			err = l.foreign(set)
		}
	})
	if err := errors.Join(limit, err); err != nil {
		return err
	}
	equal, witness, err := ruleset.Equal(meant, does)
	if err != nil {
		return err
	}
	if !equal {
		return &Disagreement{witness}
	}
	return nil
}

// without is the set with nothing said of the unknown calls.
func without(set *ruleset.Set, unknown Unknowns) (*ruleset.Set, error) {
	for _, u := range unknown {
		strictest, err := set.Strictest(u.ABI, u.Number)
		if err != nil {
			return nil, err
		}
		if strictest.StricterThan(set.Fallback().Kind) {
			return nil, fmt.Errorf("%v: a rule says %v where the default is %v: %w",
				u, strictest, set.Fallback(), ErrUnenforceable)
		}
		set = set.Silence(u.ABI, u.Number)
	}
	return set, nil
}

// noCall is the number that a tracer sets to skip a call (-1). No ABI has such a call, so it does not matter that
// libseccomp takes it for none of x32.
const noCall = ^uint32(0)

// foreign tests that calls of ABIs that the set is not about kill.
func (l *lifter) foreign(set *ruleset.Set) error {
	kill := l.build.Always(ruleset.Foreign)
	for _, abi := range syscalls.ABIs() {
		if set.Has(abi) {
			continue
		}
		for _, nr := range slices.Concat(known(abi), l.beyond(abi)) {
			if seen(abi, nr) == noCall {
				continue
			}
			call := ruleset.Call{ABI: abi, Number: nr}
			if node := l.call(call); node != kill {
				does, _ := l.build.Action(node)
				return &Disagreement{ruleset.Witness{
					ABI: abi, Number: nr, Syscall: ruleset.Name(abi, nr), A: ruleset.Foreign, B: does,
				}}
			}
		}
	}
	if l.masks {
		return errMasks
	}
	return nil
}

// Proof is a program that is proven to do what a set says, and the rules that it was compiled from.
type Proof struct {
	Compiled
	Rules []ruleset.Rule
	Style ruleset.Style
}

// Proven writes a set as rules, compiles them and proves the program. Where libseccomp errs (before 2.6.1 it can
// merge 64-bit comparisons wrongly, GHSA-4q85-33p6-j5g6), or the program is too long, the rules are written in
// other styles; the first whose programs are proven in both layouts (see Options) is the result. If there is none the error says why for each.
func Proven(set *ruleset.Set, o Options) (*Proof, error) {
	var failed failures
	for _, style := range ruleset.Styles() {
		proof, err := proven(set, style, o)
		if err == nil {
			return proof, nil
		}
		failed = append(failed, err)
		if errors.Is(err, ErrUnenforceable) {
			break
		}
	}
	return nil, fmt.Errorf("no proven filter: %w", failed)
}

// failures are why the styles, in their order, gave no proven program; they are said in one line.
type failures []error

func (f failures) Error() string {
	var text []string
	for i, err := range f {
		if i == 0 || err.Error() != f[i-1].Error() {
			text = append(text, fmt.Sprintf("rules %v: %v", ruleset.Styles()[i], err))
		}
	}
	return strings.Join(text, "; ")
}

func (f failures) Unwrap() []error { return f }

func proven(set *ruleset.Set, style ruleset.Style, o Options) (*Proof, error) {
	rules, err := set.Rules(style)
	if err != nil {
		return nil, err
	}
	layouts := []Options{o}
	if !o.OneLayout {
		layouts = append(layouts, Options{Linear: !o.Linear})
	}
	compiled, failed := make([]*Compiled, len(layouts)), make([]error, len(layouts))
	var each sync.WaitGroup // side by side, as libseccomp takes its time and a container waits
	for i, layout := range layouts {
		each.Go(func() { compiled[i], failed[i] = compileAndProve(set, rules, layout) })
	}
	each.Wait()
	if err := cmp.Or(failed...); err != nil {
		return nil, err
	}
	return &Proof{*compiled[0], rules, style}, nil
}

// AsTheyStand shows that libseccomp compiles rules rightly in the order and form in which they stand, in both layouts, as
// engines have it do. The set is what they mean. Rules that Proven writes need no such test.
func AsTheyStand(set *ruleset.Set, rules []ruleset.Rule) error {
	for _, o := range []Options{{}, {Linear: true}} {
		if _, err := compileAndProve(set, rules, o); err != nil {
			return err
		}
	}
	return nil
}

func compileAndProve(set *ruleset.Set, rules []ruleset.Rule, o Options) (*Compiled, error) {
	compiled, err := Compile(set.Fallback(), rules, set.ABIs(), o)
	if err != nil {
		return nil, err
	}
	if err := Prove(set, compiled); err != nil {
		return nil, fmt.Errorf("%s: %w", o.layout(), err)
	}
	return compiled, nil
}
