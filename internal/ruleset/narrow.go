package ruleset

import (
	"fmt"
	"slices"
)

// A rule of a profile holds for the calls of its name on all ABIs, and on a 32-bit one it compares the low half of
// what it compares on a 64-bit one. So no rules can say of clone(2) that flags 17 are denied and 1<<32 + 17 are not:
// on a 32-bit ABI the second would be the first. Such differences arise where conditions on whole values meet masks.
// They are about arguments that hardly any program passes, so here they are given up, towards denial.

// narrow gives a call rules that say the same on all ABIs of the set, nowhere more permissive: where ABIs differ, the
// more restrictive action for the low halves. If that is not enough, and the fallback is as restrictive as all that is
// said of the call, it keeps what is said for arguments that fit 32 bits only. Otherwise high halves are not looked at:
// for a low half the most restrictive action holds that any high half has.
func (s *Set) narrow(name string) (*Set, Change, error) {
	out, err := s.copied()
	if err != nil {
		return nil, Change{}, err
	}
	n := narrowing{out.space, out.fallback}
	err = guard(name, func() {
		same := n.strictestOf(out, name)
		if n.say(out, name, same); !out.sayable(name) {
			n.say(out, name, n.below32(same))
		}
	})
	if err != nil {
		return nil, Change{}, err
	}
	_, witness, err := Equal(out, s)
	return out, Change{
		Syscall: name, ABIs: out.with(name),
		Effect: fmt.Sprintf("more is denied, such as %v", witness),
		Reason: "a rule says the same on all ABIs, and compares low halves on the 32-bit ones",
	}, err
}

// sayable reports whether rules can say what is said of the call of that name.
func (s *Set) sayable(name string) bool {
	w, err := newWriter(s, Short)
	if err == nil {
		_, err = w.name(name)
	}
	return err == nil
}

type narrowing struct {
	*space
	fallback leaf
}

// strictestOf is the most restrictive of what is said of a call on each ABI.
func (n narrowing) strictestOf(set *Set, name string) ref {
	var all []ref
	for _, abi := range set.with(name) {
		nr, _ := abi.Number(name)
		all = append(all, set.calls[abi][nr])
	}
	return n.strictest().fold(all)
}

// say puts r in place of what is said of a call on each ABI.
func (n narrowing) say(set *Set, name string, r ref) {
	for _, abi := range set.with(name) {
		nr, _ := abi.Number(name)
		delete(set.calls[abi], nr)
		if width(abi) == wordBits {
			set.put(abi, nr, r)
		} else {
			set.put(abi, nr, n.withoutHigh(r, low))
		}
	}
}

// strictest joins diagrams to the more restrictive of their actions.
func (n narrowing) strictest() *both {
	kind := func(r ref) Kind {
		if r == silent {
			return n.fallback.action.Kind
		}
		return n.value(r).action.Kind
	}
	return n.both(func(a, b ref) ref {
		if kind(b).StricterThan(kind(a)) {
			return b
		}
		return a
	})
}

// below32 is r with nothing said that depends on the high half of an argument, but that it is 0.
func (n narrowing) below32(r ref) ref {
	args, strictest := n.highHalves(r)
	if strictest.StricterThan(n.fallback.action.Kind) {
		return n.withoutHigh(r, n.strictest().apply)
	}
	r = n.withoutHigh(r, low)
	keep := n.both(func(fits, r ref) ref {
		if fits == silent {
			return silent
		}
		return r
	})
	for _, arg := range args {
		fits := n.test(Condition{Arg: arg, Op: LT, Value: 1 << 32}, wordBits, n.leaf(n.fallback), silent)
		r = keep.apply(fits, r)
	}
	return r
}

// highHalves are the arguments of which r tests the high half, and the most restrictive kind of action in r.
func (n narrowing) highHalves(r ref) (args []uint, strictest Kind) {
	seen := map[ref]bool{}
	var walk func(ref)
	walk = func(r ref) {
		if seen[r] {
			return
		}
		seen[r] = true
		node := n.nodes[r]
		if node.level == leafLevel {
			strictest = max(strictest, n.leaves[node.lo].action.Kind)
			return
		}
		if isHigh(node.level) {
			args = append(args, levelArg(node.level))
		}
		walk(node.lo)
		walk(node.hi)
	}
	walk(r)
	slices.Sort(args)
	return slices.Compact(args), strictest
}

func isHigh(l uint16) bool { return levelBit(l) >= wordBits/2 }

// low is the outcome of a test for arguments whose high half is 0.
func low(lo, _ ref) ref { return lo }

// withoutHigh is r without tests of high halves: their outcomes are joined.
func (n narrowing) withoutHigh(r ref, join func(lo, hi ref) ref) ref {
	done := map[ref]ref{}
	var walk func(ref) ref
	walk = func(r ref) ref {
		if out, ok := done[r]; ok {
			return out
		}
		node := n.nodes[r]
		out := r
		switch {
		case node.level == leafLevel:
		case isHigh(node.level):
			out = join(walk(node.lo), walk(node.hi))
		default:
			out = n.node(node.level, walk(node.lo), walk(node.hi))
		}
		done[r] = out
		return out
	}
	return walk(r)
}
