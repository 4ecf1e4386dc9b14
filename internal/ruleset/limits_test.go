package ruleset

import (
	"errors"
	"slices"
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
	yes, _, err := Within(a, b)
	refused("a walk over two diagrams that makes few nodes", err)
	if yes {
		t.Error("what could not be compared is said to be within")
	}

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

// TestManyValues would take minutes if the values were looked for once for each action.
func TestManyValues(t *testing.T) {
	const values = 2000
	var rules []Rule
	for i := range uint64(values) {
		rules = append(rules, rule(Action{Trace, uint16(i + 1)}, "close", Condition{0, EQ, i * 0x9e3779b97f4a7c15, 0}))
	}
	got, err := must(t, source(eperm, syscalls.X86_64, rules...)).Rules(Short)
	if err != nil || len(got) != values {
		t.Errorf("%d rules, %v", len(got), err)
	}
}

func TestManyRulesWithConditions(t *testing.T) {
	r := rule(allow, "", Condition{Op: EQ})
	r.Names = slices.Repeat([]string{"close"}, maxClauses)
	if _, err := Read(source(eperm, syscalls.X86_64, r, rule(allow, "read")), Options{}); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	if _, err := Read(source(eperm, syscalls.X86_64, r, rule(allow, "read", Condition{Op: EQ})), Options{}); !errors.Is(err, ErrTooComplex) {
		t.Errorf("one more: %v", err)
	}
}
