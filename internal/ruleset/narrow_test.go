package ruleset

import (
	"errors"
	"testing"

	"strata/internal/syscalls"
)

// What a mask and a whole value leave on a 64-bit ABI no rules can say beside a 32-bit one.
func TestNarrowing(t *testing.T) {
	abis := []syscalls.ABI{syscalls.X86_64, syscalls.X86}
	allow, log, trap := Action{Kind: Allow}, Action{Kind: Log}, Action{Kind: Trap}
	perm, noSys := Action{Errno, errnoPerm}, Action{Errno, errnoNoSys}
	when := func(action Action, op Op, value, two uint64) Rule {
		return Rule{Names: []string{"clone"}, Action: action, Conditions: []Condition{{Op: op, Value: value, ValueTwo: two}}}
	}
	source := func(fallback Action, rules ...Rule) *Set {
		return must(t, Source{Default: fallback, ABIs: abis, Rules: append(rules, Rule{Names: []string{"close"}, Action: trap})})
	}
	const newNS, high = 0x20000, 1 << 32
	for name, c := range map[string]struct {
		set, ceiling *Set
		want         map[uint64]Action // by argument 0
	}{
		"what one ABI denies the other does": {
			source(noSys, when(allow, NE, 17, 0)),
			source(noSys, when(allow, MaskedEQ, newNS, 0)),
			map[uint64]Action{0: allow, 1: allow, 17: noSys, newNS: noSys, high: allow, high | 17: noSys, high | newNS: noSys},
		},
		"what is allowed fits 32 bits": {
			source(noSys, when(allow, LE, 16, 0), when(log, GT, 16, 0)),
			source(noSys, when(allow, MaskedEQ, newNS, 0)),
			map[uint64]Action{0: allow, 16: allow, 17: log, newNS: noSys, high: noSys, high | 17: noSys, high | newNS: noSys},
		},
		"what is denied is so with any high half": {
			source(allow, when(trap, EQ, 17, 0)),
			source(allow, when(perm, MaskedEQ, 0xff, 17)),
			map[uint64]Action{0: allow, 1: allow, 17: trap, 0x1011: perm, high: allow, high | 17: trap, high | 0x1011: perm},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Restrict(c.set, c.ceiling)
			check(t, err)
			if _, err := set.Rules(Short); !errors.Is(err, ErrNotWritable) {
				t.Fatalf("the set is writable as it is: %v", err)
			}
			writable, changes, err := Writable(set)
			check(t, err)
			const change = "clone on x86_64, x86: more is denied, such as clone(0x1000000"
			if len(changes) != 1 || changes[0].String()[:len(change)] != change {
				t.Errorf("changes: %v", changes)
			}
			within(t, "a writable set is within the set", writable, set)
			for _, abi := range abis {
				nr, _ := abi.Number("clone")
				for arg, want := range c.want {
					if abi == syscalls.X86 {
						want = c.want[arg%high]
					}
					if got := writable.At(abi, nr, Args{arg}); got != want {
						t.Errorf("%s: %v, want %v", Args{arg}.call(abi, nr), got, want)
					}
				}
			}
			rules, err := writable.Rules(Short)
			check(t, err)
			again, err := Read(Source{Default: set.Fallback(), ABIs: abis, Rules: rules}, Options{})
			check(t, err)
			same(t, "what is written", again, writable)
		})
	}
}
