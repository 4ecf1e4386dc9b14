package ruleset

import (
	"errors"
	"testing"

	"strata/internal/syscalls"
)

// Conditions can be such that their diagram, the walk over two of them, or what is written of them grows with a power
// of two. Each ends with an error, and soon: without the limits these tests take hours.
func TestLimits(t *testing.T) {
	abis := []syscalls.ABI{syscalls.X86_64}
	allow := Action{Kind: Allow}
	// meeting allows clone where one of some bits is set in two arguments at once, and argument 5 is last.
	meeting := func(first, end int, last uint64) (*Set, error) {
		var rules []Rule
		for bit := first; bit < end; bit++ {
			rules = append(rules, Rule{Names: []string{"clone"}, Action: allow, Conditions: []Condition{
				{Arg: 0, Op: MaskedEQ, Value: 1 << bit, ValueTwo: 1 << bit},
				{Arg: 1, Op: MaskedEQ, Value: 1 << bit, ValueTwo: 1 << bit},
				{Arg: 5, Op: EQ, Value: last},
			}})
		}
		return Read(Source{Default: Action{Errno, errnoPerm}, ABIs: abis, Rules: rules}, Options{})
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTooComplex) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := meeting(0, 32, 0)
	refused("a diagram", err)

	a, err := meeting(0, 14, 0)
	check(t, err)
	b, err := meeting(14, 28, 1)
	check(t, err)
	_, err = Union(a, b)
	refused("a union", err)
	_, _, err = Within(a, b)
	refused("a walk over two diagrams that makes few nodes", err)

	_, err = a.Rules(Short)
	refused("rules", err)
	_, _, err = Writable(a)
	refused("writable rules", err)
	_, err = a.Pieces(syscalls.X86_64, a.Numbers(syscalls.X86_64)[0])
	refused("pieces", err)
	_, err = Diff(a, b)
	refused("differences", err)
	if within, _, err := Within(a, a); !within || err != nil {
		t.Errorf("a set is within itself, however complex: %v", err)
	}
}
