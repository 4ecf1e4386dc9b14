package ruleset

import (
	"fmt"
	"slices"

	"strata/internal/syscalls"
)

// Witness is one call for which two sets act differently.
type Witness struct {
	ABI     syscalls.ABI
	Number  uint32
	Syscall string // the call's name, or #NUMBER
	Args    Args
	Others  bool // the call stands for all that neither set says anything of
	A, B    Action
}

// String gives the witness for a message: socket(0x28, 0, 0, 0, 0, 0) on x86_64: ALLOW, not ERRNO(EPERM).
func (w Witness) String() string {
	return fmt.Sprintf("%s on %v: %v, not %v", w.Args.call(w.ABI, w.Number), w.ABI, w.A, w.B)
}

// Region is a part of a call's arguments where two sets act differently, each in one way. Regions exclude each
// other. All conditions of a region hold, and one argument can have several.
type Region struct {
	ABI        syscalls.ABI
	Number     uint32
	Syscall    string // the call's name, or #NUMBER
	Others     bool   // the region is all calls that neither set says anything of
	Conditions []Condition
	A, B       Action
	FromA      Origin // where A's action was written
	FromB      Origin
	Example    Args
}

// pair is how two sets differ.
type pair struct{ a, b leaf }

// comparison walks two sets over all calls. Its diagrams have leaves that number the pairs of interest.
type comparison struct {
	a, b  *Set
	space *space
	both  *both
	pairs []pair
	index map[pair]ref
}

func compare(a, b *Set, interesting func(a, b Action) bool) *comparison {
	c := &comparison{a: a, b: b, space: newSpace(), index: map[pair]ref{}}
	c.both = c.space.both(func(x, y ref) ref {
		p := pair{c.space.value(x), c.space.value(y)}
		if !interesting(p.a.action, p.b.action) {
			return silent
		}
		r, ok := c.index[p]
		if !ok {
			c.pairs = append(c.pairs, p)
			r = c.space.leaf(leaf{origin: Origin{Layer: "pair", Rule: len(c.pairs)}})
			c.index[p] = r
		}
		return r
	})
	return c
}

func (c *comparison) pair(l leaf) pair { return c.pairs[l.origin.Rule-1] }

// each visits the calls that differ in a way of interest, by ABI and number, and last what stands for all calls
// that neither set speaks of. It stops when visit returns false.
func (c *comparison) each(origins bool, visit func(abi syscalls.ABI, nr uint32, others bool, r ref) bool) error {
	full := func(set *Set) *each {
		return c.space.each(set.space, func(l leaf) leaf {
			l = set.heard(l)
			if !origins {
				l.origin = Origin{}
			}
			return l
		})
	}
	fromA, fromB := full(c.a), full(c.b)
	foreign := c.space.leaf(leaf{action: Foreign})
	side := func(set *Set, from *each, abi syscalls.ABI, nr uint32) ref {
		if !set.Has(abi) {
			return foreign
		}
		return from.apply(set.calls[abi][nr])
	}
	return guard("compare", func() {
		for _, abi := range sorted(append(c.a.ABIs(), c.b.ABIs()...)) {
			mentioned := numbers(c.a, c.b, abi)
			for _, nr := range mentioned {
				r := c.both.apply(side(c.a, fromA, abi, nr), side(c.b, fromB, abi, nr))
				if r != silent && !visit(abi, nr, false, r) {
					return
				}
			}
			nr := unmentioned(abi, mentioned)
			r := c.both.apply(side(c.a, fromA, abi, nr), side(c.b, fromB, abi, nr))
			if r != silent && !visit(abi, nr, true, r) {
				return
			}
		}
	})
}

// unmentioned is a call that is not listed: one with a name if there is one, else a number beyond the table.
func unmentioned(abi syscalls.ABI, mentioned []uint32) uint32 {
	for nr := range abi.Max() + 1 {
		if _, named := abi.Name(nr); named {
			if _, listed := slices.BinarySearch(mentioned, nr); !listed {
				return nr
			}
		}
	}
	return abi.Max() + 1
}

// Equal reports whether two sets do the same with every call, and a witness if not. Origins, and whether an
// action is said or is the fallback, make no difference.
func Equal(a, b *Set) (bool, Witness, error) {
	return none(a, b, func(a, b Action) bool { return a != b })
}

// Within reports whether a is nowhere more permissive than b, and a witness if it is. Actions of one kind are
// equally permissive, whatever number they carry.
func Within(a, b *Set) (bool, Witness, error) {
	return none(a, b, func(a, b Action) bool { return b.Kind.StricterThan(a.Kind) })
}

func none(a, b *Set, interesting func(a, b Action) bool) (bool, Witness, error) {
	c := compare(a, b, interesting)
	equal, w := true, Witness{}
	err := c.each(false, func(abi syscalls.ABI, nr uint32, others bool, r ref) bool {
		var at leaf
		args := c.space.find(r, func(l leaf) bool { at = l; return l != leaf{} })
		p := c.pair(at)
		equal, w = false, Witness{abi, nr, Name(abi, nr), args, others, p.a.action, p.b.action}
		return false
	})
	return equal && err == nil, w, err
}

// Diff lists where two sets act differently.
func Diff(a, b *Set) ([]Region, error) {
	return differences(a, b, func(a, b Action) bool { return a != b })
}

// Excess lists where a is more permissive than b.
func Excess(a, b *Set) ([]Region, error) {
	return differences(a, b, func(a, b Action) bool { return b.Kind.StricterThan(a.Kind) })
}

func differences(a, b *Set, interesting func(a, b Action) bool) ([]Region, error) {
	c := compare(a, b, interesting)
	var out []Region
	var failed error
	err := c.each(true, func(abi syscalls.ABI, nr uint32, others bool, r ref) bool {
		regions, err := c.space.cover(r, width(abi), Words)
		if err != nil {
			failed = fmt.Errorf("%s on %v: %w", Name(abi, nr), abi, err)
			return false
		}
		for _, g := range regions {
			p := c.pair(g.leaf)
			out = append(out, Region{
				ABI: abi, Number: nr, Syscall: Name(abi, nr), Others: others, Conditions: g.conditions,
				A: p.a.action, B: p.b.action, FromA: p.a.origin, FromB: p.b.origin,
				Example: example(g.conditions),
			})
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return out, err
}

// example are arguments for which conditions that cover writes hold.
func example(conditions []Condition) Args {
	var args Args
	for _, c := range conditions {
		if holds(conditions, c.Arg, args) {
			continue
		}
		// They hold for 0, for an end of a span, or beside a value that is left out.
		for _, d := range conditions {
			for _, v := range []uint64{d.Value, d.Value + 1, d.ValueTwo} {
				if d.Arg == c.Arg && !holds(conditions, c.Arg, args) {
					args[c.Arg] = v
				}
			}
		}
	}
	return args
}

// holds reports whether all conditions on one argument hold.
func holds(conditions []Condition, arg uint, args Args) bool {
	return !slices.ContainsFunc(conditions, func(c Condition) bool { return c.Arg == arg && !c.Holds(args) })
}
