package ruleset

import (
	"errors"
	"fmt"
	"strings"

	"strata/internal/syscalls"
)

// Change says which calls had to be denied more than was asked, because libseccomp cannot be told what was asked.
type Change struct {
	Syscall string
	ABIs    []syscalls.ABI
	Effect  string // what happens to which calls of it now
	Reason  string
}

func (c Change) String() string {
	return fmt.Sprintf("%s on %s: %s, because %s", c.Syscall, listed(c.ABIs), c.Effect, c.Reason)
}

func listed(abis []syscalls.ABI) string {
	names := make([]string, len(abis))
	for i, abi := range abis {
		names[i] = abi.String()
	}
	return strings.Join(names, ", ")
}

// Writable is the set as rules can say it, nowhere more permissive, and what it changes: where ABIs need different
// rules under one name (narrow.go), and where libseccomp adds rules of its own for the multiplexers of x86. There
// the multiplexer gets one unconditional rule with the most restrictive action that the set has for it. As a rule
// that says the fallback is dropped by the engines, such a rule says another errno, or a more restrictive action. A
// 32-bit program then has to use the direct calls, which Linux has since 4.3 and 5.1.
func Writable(set *Set) (*Set, []Change, error) {
	w, err := newWriter(set, Short)
	if err != nil {
		return nil, nil, err
	}
	var changes []Change
	all, err := w.direct()
	if errors.Is(err, ErrNotWritable) {
		if set, changes, err = w.narrowed(set); err != nil {
			return nil, nil, err
		}
		if w, err = newWriter(set, Short); err == nil {
			all, err = w.direct()
		}
	}
	if err != nil || !set.Has(syscalls.X86) {
		return set, changes, err
	}
	for _, name := range multiplexers {
		nr, _ := syscalls.X86.Number(name)
		if w.sayableBehind(nr, all) {
			continue
		}
		action, err := set.denial(nr)
		if err != nil {
			return nil, nil, err
		}
		if set, err = set.answering(syscalls.X86, nr, action); err != nil {
			return nil, nil, err
		}
		changes = append(changes, Change{
			Syscall: name, ABIs: []syscalls.ABI{syscalls.X86},
			Effect: fmt.Sprintf("all calls get %v", action), Reason: "libseccomp adds rules of its own for the calls behind it",
		})
	}
	return set, changes, nil
}

// narrowed is the set with those calls narrowed that need different rules under one name.
func (w *writer) narrowed(set *Set) (*Set, []Change, error) {
	var changes []Change
	for _, name := range w.names() {
		_, err := w.name(name)
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrNotWritable) {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		var change Change
		if set, change, err = set.narrow(name); err != nil {
			return nil, nil, err
		}
		changes = append(changes, change)
	}
	return set, changes, nil
}

// sayableBehind reports whether what is wanted of a multiplexer can be said beside the rules for the calls behind it.
func (w *writer) sayableBehind(nr uint32, all []written) bool {
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

// answering is the set with one action for all calls of a number.
func (s *Set) answering(abi syscalls.ABI, nr uint32, a Action) (*Set, error) {
	out, err := s.copied()
	if err != nil {
		return nil, err
	}
	err = guard("copy", func() {
		out.put(abi, nr, out.space.leaf(leaf{action: a, origin: Origin{Layer: "strata", Rule: -1}}))
	})
	return out, err
}

// copied is the set in a space of its own, where it may be changed.
func (s *Set) copied() (*Set, error) {
	return s.turned("copy", s.fallback, func(l leaf) leaf { return l })
}
