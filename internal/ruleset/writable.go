package ruleset

import (
	"fmt"

	"strata/internal/syscalls"
)

// Change is a call that had to be denied more than was asked, because libseccomp cannot be told what was asked.
type Change struct {
	ABI     syscalls.ABI
	Number  uint32
	Syscall string
	Action  Action // what all calls of it get now
}

func (c Change) String() string {
	return fmt.Sprintf("%s on %v: all calls get %v, because libseccomp adds rules of its own for the calls behind it",
		c.Syscall, c.ABI, c.Action)
}

// Writable is the set as rules can say it, nowhere more permissive, and what it changes. It concerns the multiplexers
// of x86 only: where the rules for calls behind socketcall or ipc make libseccomp say something of these that the
// set does not, the multiplexer gets one unconditional rule with the most restrictive action that the set has for
// it. As a rule that says the fallback is dropped by the engines, such a rule says another errno, or a more
// restrictive action. A 32-bit program then has to use the direct calls, which Linux has since 4.3 and 5.1.
func Writable(set *Set) (*Set, []Change, error) {
	if !set.Has(syscalls.X86) {
		return set, nil, nil
	}
	w, err := newWriter(set, Short)
	if err != nil {
		return nil, nil, err
	}
	all, err := w.direct()
	if err != nil {
		return nil, nil, err
	}
	var changes []Change
	for _, name := range multiplexers {
		nr, _ := syscalls.X86.Number(name)
		if w.sayable(nr, all) {
			continue
		}
		action, err := set.denial(nr)
		if err != nil {
			return nil, nil, err
		}
		if set, err = set.with(syscalls.X86, nr, action); err != nil {
			return nil, nil, err
		}
		changes = append(changes, Change{syscalls.X86, nr, name, action})
	}
	return set, changes, nil
}

// sayable reports whether what is wanted of a multiplexer can be said beside the rules for the calls behind it.
func (w *writer) sayable(nr uint32, all []written) bool {
	wanted := w.calls[syscalls.X86][nr]
	if wanted != silent && w.space.isLeaf(wanted) {
		return true
	}
	implied, err := w.implied(nr, all)
	if err == nil {
		_, err = w.missing(implied, wanted)
	}
	return err == nil
}

// denial is an action that is nowhere more permissive than the set's for a call of x86, and not the fallback.
func (s *Set) denial(nr uint32) (Action, error) {
	strictest, err := s.Strictest(syscalls.X86, nr)
	if err != nil {
		return Action{}, err
	}
	candidates := []Action{{Errno, errnoNoSys}, {Errno, errnoPerm}}
	for _, kind := range []Kind{Trap, KillThread, KillProcess} {
		candidates = append(candidates, Action{Kind: kind})
	}
	for _, a := range candidates {
		if a != s.fallback.action && !strictest.StricterThan(a.Kind) {
			return a, nil
		}
	}
	return Action{}, fmt.Errorf("%s on x86: libseccomp allows calls behind it that the default %v has to deny: %w",
		Name(syscalls.X86, nr), s.fallback.action, ErrNotWritable)
}

// with is the set with one action for all calls of a number.
func (s *Set) with(abi syscalls.ABI, nr uint32, a Action) (*Set, error) {
	out := newSet(newSpace(), s.fallback, s.abis)
	copying := out.space.copying(s.space)
	err := guard("copy", func() {
		for abi, calls := range s.calls {
			for nr, r := range calls {
				out.put(abi, nr, copying.apply(r))
			}
		}
		out.put(abi, nr, out.space.leaf(leaf{action: a, origin: Origin{Layer: "strata", Rule: -1}}))
	})
	return out, err
}
