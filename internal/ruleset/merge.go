package ruleset

import (
	"maps"
	"slices"

	"strata/internal/syscalls"
)

// Union stacks a child on a base: where both say something the more restrictive action holds (the child's where
// they are of one kind), where one does it holds, and where none does the child's fallback. It is about the ABIs
// that both are about.
func Union(base, child *Set) (*Set, error) {
	return merge("union", base, child, child.fallback, func(b, c leaf) leaf {
		if !b.said() || c.said() && !b.action.Kind.StricterThan(c.action.Kind) {
			return c
		}
		return b
	})
}

// Override stacks a child on a base as Union does, but where both say something the child's action holds.
func Override(base, child *Set) (*Set, error) {
	return merge("override", base, child, child.fallback, func(b, c leaf) leaf {
		if c.said() {
			return c
		}
		return b
	})
}

// Restrict is what the kernel does when the ceiling is installed first and the set on top of it: for each call
// the more restrictive of both actions, the fallbacks included, and the set's where they are of one kind. It is about
// the ABIs that both are about: calls of another get Foreign, which kills the thread also where one of both would kill
// the process, as no profile can say what a filter does on ABIs that it does not list.
func Restrict(set, ceiling *Set) (*Set, error) {
	stricter := func(s, c leaf) leaf {
		if c.action.Kind.StricterThan(s.action.Kind) {
			return c
		}
		return s
	}
	return merge("restrict", set, ceiling, stricter(set.fallback, ceiling.fallback), func(s, c leaf) leaf {
		if !s.said() && !c.said() {
			return leaf{}
		}
		return stricter(set.heard(s), ceiling.heard(c))
	})
}

// Replace is the set with other actions, the fallback included. Who wrote what stays as it is.
func (s *Set) Replace(turn func(Action) Action) (*Set, error) {
	replace := func(l leaf) leaf {
		if l.said() {
			l.action = turn(l.action)
		}
		return l
	}
	return s.turned("replace", replace(s.fallback), replace)
}

// On is the set for those of its ABIs that are listed, which are fewer or the same.
func (s *Set) On(abis []syscalls.ABI) (*Set, error) {
	kept := slices.DeleteFunc(s.ABIs(), func(a syscalls.ABI) bool { return !slices.Contains(abis, a) })
	if len(kept) == 0 {
		return nil, ErrNoABI
	}
	out := newSet(s.space, s.fallback, kept)
	for _, abi := range kept {
		out.calls[abi] = s.calls[abi]
	}
	return out, nil
}

// merge joins two sets point by point into a new space. The join of two silent leaves must be silent.
func merge(name string, a, b *Set, fallback leaf, join func(a, b leaf) leaf) (*Set, error) {
	abis := slices.DeleteFunc(a.ABIs(), func(abi syscalls.ABI) bool { return !b.Has(abi) })
	if len(abis) == 0 {
		return nil, ErrNoABI
	}
	s := newSpace()
	out := newSet(s, fallback, abis)
	fromA, fromB := s.copying(a.space), s.copying(b.space)
	joined := s.both(func(x, y ref) ref { return s.leaf(join(s.value(x), s.value(y))) })
	err := guard(name, func() {
		for _, abi := range abis {
			for _, nr := range numbers(a, b, abi) {
				out.put(abi, nr, joined.apply(fromA.apply(a.calls[abi][nr]), fromB.apply(b.calls[abi][nr])))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// numbers are the calls of which either set says something on an ABI, ascending.
func numbers(a, b *Set, abi syscalls.ABI) []uint32 {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a.calls[abi])), maps.Keys(b.calls[abi]))
	slices.Sort(all)
	return slices.Compact(all)
}
