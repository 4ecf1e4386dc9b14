package ruleset

import (
	"errors"
	"maps"
	"slices"

	"strata/internal/syscalls"
)

// Errors that callers tell apart.
var (
	// ErrContradiction is in the chain of errors about rules of one profile that say different things.
	ErrContradiction = errors.New("rules contradict each other")
	// ErrTooComplex is in the chain of errors about conditions that would need too many rules or too much memory.
	ErrTooComplex = errors.New("the conditions on arguments are too complex")
	// ErrNotWritable is in the chain of errors about sets that no list of rules can say to libseccomp.
	ErrNotWritable = errors.New("no list of rules says this to libseccomp")
	// ErrNoABI means that sets have no ABI in common.
	ErrNoABI = errors.New("no architecture in common")
)

// Set is an immutable function from ABI, system call and arguments to an action, or to nothing where no rule
// speaks; there the set's fallback holds. The zero Set is not usable; see Read.
type Set struct {
	space    *space
	fallback leaf // the default action and where it was written
	abis     []syscalls.ABI
	calls    map[syscalls.ABI]map[uint32]ref // never silent everywhere
}

func newSet(s *space, fallback leaf, abis []syscalls.ABI) *Set {
	set := &Set{space: s, fallback: fallback, abis: sorted(abis), calls: map[syscalls.ABI]map[uint32]ref{}}
	for _, abi := range set.abis {
		set.calls[abi] = map[uint32]ref{}
	}
	return set
}

func sorted(abis []syscalls.ABI) []syscalls.ABI {
	out := slices.Clone(abis)
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Set) put(abi syscalls.ABI, nr uint32, r ref) {
	if r != silent {
		s.calls[abi][nr] = r
	}
}

// with lists the ABIs of the set that have a call of that name.
func (s *Set) with(name string) []syscalls.ABI {
	return slices.DeleteFunc(s.ABIs(), func(abi syscalls.ABI) bool {
		_, ok := abi.Number(name)
		return !ok
	})
}

// Fallback is the action where no rule speaks: the default action of the profile.
func (s *Set) Fallback() Action { return s.fallback.action }

// ABIs lists the ABIs that the set is about, in their order.
func (s *Set) ABIs() []syscalls.ABI { return slices.Clone(s.abis) }

// Numbers lists the system calls of which something is said on an ABI, ascending.
func (s *Set) Numbers(abi syscalls.ABI) []uint32 {
	return slices.Sorted(maps.Keys(s.calls[abi]))
}

// Has reports whether the set is about the ABI.
func (s *Set) Has(abi syscalls.ABI) bool { return slices.Contains(s.abis, abi) }

// Foreign is what libseccomp's filters do with calls of an ABI that they are not about
// (SCMP_FLTATR_ACT_BADARCH, which runc and crun leave alone).
var Foreign = Action{Kind: KillThread}

// At is the action for a call: what a rule says, or the fallback; Foreign on other ABIs.
func (s *Set) At(abi syscalls.ABI, nr uint32, args Args) Action {
	action, _ := s.Why(abi, nr, args)
	return action
}

// Why is At with the origin of the action.
func (s *Set) Why(abi syscalls.ABI, nr uint32, args Args) (Action, Origin) {
	l := leaf{action: Foreign}
	if s.Has(abi) {
		l = s.heard(s.space.at(s.calls[abi][nr], args))
	}
	return l.action, l.origin
}

// Said is what a rule says of a call, and whether one does.
func (s *Set) Said(abi syscalls.ABI, nr uint32, args Args) (Action, bool) {
	if !s.Has(abi) {
		return Action{}, false
	}
	l := s.space.at(s.calls[abi][nr], args)
	return l.action, l.said()
}

// heard is the leaf that holds: the fallback where the diagram is silent.
func (s *Set) heard(l leaf) leaf {
	if l.said() {
		return l
	}
	return s.fallback
}

// Strictest is the most restrictive kind of action that the set has for a call, with any arguments.
func (s *Set) Strictest(abi syscalls.ABI, nr uint32) (Kind, error) {
	if !s.Has(abi) {
		return Foreign.Kind, nil
	}
	strictest := Kind(0)
	each := newSpace().each(s.space, func(l leaf) leaf {
		strictest = max(strictest, s.heard(l).action.Kind)
		return leaf{}
	})
	err := guard(Name(abi, nr), func() { each.apply(s.calls[abi][nr]) })
	return strictest, err
}

// Plain is a set that does the same in its simplest form: without origins, and silent where the fallback is said.
func (s *Set) Plain() (*Set, error) {
	return s.turned("simplify", leaf{action: s.fallback.action}, func(l leaf) leaf {
		if l.action == s.fallback.action {
			return leaf{}
		}
		return leaf{action: l.action}
	})
}

// turned is the set with its leaves rewritten, in a space of its own.
func (s *Set) turned(name string, fallback leaf, turn func(leaf) leaf) (*Set, error) {
	out := newSet(newSpace(), fallback, s.abis)
	turning := out.space.each(s.space, turn)
	err := guard(name, func() {
		for abi, calls := range s.calls {
			for nr, r := range calls {
				out.put(abi, nr, turning.apply(r))
			}
		}
	})
	return out, err
}

// Silence is the set with nothing said of a call.
func (s *Set) Silence(abi syscalls.ABI, nr uint32) *Set {
	out := *s
	out.calls = maps.Clone(s.calls)
	out.calls[abi] = maps.Clone(s.calls[abi])
	delete(out.calls[abi], nr)
	return &out
}

// width is how many bits of an argument a filter compares on the ABI: libseccomp treats x32 as a 32-bit
// architecture (arch-x32.c, ARCH_SIZE_32), so there, too, the low halves decide.
func width(abi syscalls.ABI) int {
	switch abi {
	case syscalls.X86_64, syscalls.AArch64:
		return 64
	}
	return 32
}

// Name is the name of a call for messages: the kernel's, or its number.
func Name(abi syscalls.ABI, nr uint32) string {
	if name, ok := abi.Name(nr); ok {
		return name
	}
	return "#" + itoa(nr)
}
