package ruleset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strata/internal/syscalls"
)

// Rules writes the set as rules that runc, crun and youki read alike, and that mean the set again when Read reads
// them for the same ABIs and fallback: no argument twice in a rule, no action equal to the fallback, rules for one
// call that exclude each other. Unconditional rules come first, because on x86 libseccomp refuses what it makes of
// conditional rules for socket and IPC calls unless it already has an unconditional one for the multiplexer.
// The order is the same for equal sets. The rules' origins count from 0.
//
// A rule holds for every ABI of a profile. Where ABIs need different rules under one name, or the multiplexers of
// x86 something else than libseccomp gives them, the error says so (ErrNotWritable); see Writable.
func (s *Set) Rules(style Style) ([]Rule, error) {
	w, err := newWriter(s, style)
	if err != nil {
		return nil, err
	}
	rules, err := w.rules()
	if err != nil {
		return nil, err
	}
	for i := range rules {
		rules[i].Origin.Rule = i
	}
	return rules, nil
}

// A writer holds what is to be written in its simplest form.
type writer struct {
	*Set
	style Style
	wrote map[[2]ref][]region // by the diagrams of 64-bit and 32-bit ABIs
}

func newWriter(set *Set, style Style) (*writer, error) {
	plain, err := set.Plain()
	return &writer{Set: plain, style: style, wrote: map[[2]ref][]region{}}, err
}

// written are the regions of one name.
type written struct {
	name    string
	regions []region
}

func (w *writer) rules() ([]Rule, error) {
	all, err := w.direct()
	if err != nil {
		return nil, err
	}
	if w.Has(syscalls.X86) {
		if all, err = w.multiplexers(all); err != nil {
			return nil, err
		}
	}
	return group(all), nil
}

// direct are the regions of all calls but the multiplexers of x86.
func (w *writer) direct() ([]written, error) {
	var all []written
	for _, name := range w.names() {
		regions, err := w.name(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if len(regions) > 0 {
			all = append(all, written{name, regions})
		}
	}
	return all, nil
}

// names are the names of the calls of which something is said, sorted, without the multiplexers of x86.
func (w *writer) names() []string {
	var out []string
	for _, abi := range w.abis {
		for nr := range w.calls[abi] {
			if name := Name(abi, nr); !slices.Contains(multiplexers, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// name writes the regions of the call of that name, which have to say the right thing on every ABI.
func (w *writer) name(name string) ([]region, error) {
	var long, short ref // the diagrams of the 64-bit and 32-bit ABIs
	var longABI, shortABI syscalls.ABI
	for _, abi := range w.abis {
		nr, ok := abi.Number(name)
		if !ok {
			continue
		}
		r, seen, seenABI := w.calls[abi][nr], &short, &shortABI
		if width(abi) == wordBits {
			seen, seenABI = &long, &longABI
		}
		if *seenABI != 0 && *seen != r {
			return nil, notWritable(*seenABI, abi)
		}
		*seen, *seenABI = r, abi
	}
	if longABI == 0 {
		return w.cover(short, shortABI)
	}
	if shortABI == 0 {
		return w.cover(long, longABI)
	}
	key := [2]ref{long, short}
	if done, ok := w.wrote[key]; ok {
		return done, nil
	}
	regions, err := w.cover(long, longABI)
	if err != nil {
		return nil, err
	}
	if again, err := w.again(shortABI, regions); err != nil || again != short {
		return nil, notWritable(longABI, shortABI)
	}
	w.wrote[key] = regions
	return regions, nil
}

func notWritable(a, b syscalls.ABI) error {
	return fmt.Errorf("%v and %v need different rules under one name, and a 32-bit ABI compares low halves only: %w",
		a, b, ErrNotWritable)
}

func (w *writer) cover(r ref, abi syscalls.ABI) ([]region, error) {
	return w.space.cover(r, width(abi), w.style)
}

// again is what regions written for a 64-bit ABI mean on a 32-bit one, or an error where that depends on their
// order, which is not theirs to choose.
func (w *writer) again(abi syscalls.ABI, regions []region) (r ref, err error) {
	all := make([]spoken, len(regions))
	for i, region := range regions {
		all[i] = spoken{clause{conditions: effective(abi, region.conditions)}, &Rule{Action: region.leaf.action}}
		if len(all[i].conditions) == 0 && region.leaf != regions[0].leaf {
			return silent, ErrNotWritable
		}
	}
	limit := guard("write", func() { r, err = w.space.read(all, width(abi), Refuse) })
	return r, cmp.Or(limit, err)
}

// multiplexers adds what has to be said of socketcall and ipc besides what libseccomp makes of the rules for the
// calls behind them.
func (w *writer) multiplexers(all []written) ([]written, error) {
	for _, name := range multiplexers {
		nr, _ := syscalls.X86.Number(name)
		wanted := w.calls[syscalls.X86][nr]
		if wanted != silent && w.space.isLeaf(wanted) {
			all = append(all, written{name, []region{{leaf: w.space.value(wanted)}}})
			continue
		}
		implied, err := w.implied(nr, all)
		if err != nil {
			return nil, err
		}
		missing, err := w.missing(implied, wanted)
		if err != nil {
			return nil, fmt.Errorf("%s on x86: %w", name, err)
		}
		if missing != silent {
			regions, err := w.cover(missing, syscalls.X86)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, written{name, regions})
		}
	}
	slices.SortFunc(all, func(a, b written) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}

// implied is what libseccomp says of a multiplexer because of rules for the calls behind it.
func (w *writer) implied(multiplexer uint32, all []written) (ref, error) {
	var companions []spoken
	for _, call := range all {
		for _, r := range call.regions {
			for _, c := range clauses(syscalls.X86, call.name, r.conditions) {
				if c.implied && c.number == multiplexer {
					companions = append(companions, spoken{c, &Rule{Action: r.leaf.action}})
				}
			}
		}
	}
	var r ref
	var err error
	limit := guard("write", func() { r, err = w.space.read(companions, width(syscalls.X86), Refuse) })
	if limit != nil {
		return silent, limit
	}
	if err != nil {
		return silent, fmt.Errorf("%s on x86: libseccomp refuses what it makes of the rules for the calls behind it: %w",
			Name(syscalls.X86, multiplexer), ErrNotWritable)
	}
	return r, nil
}

// missing is what is wanted beyond what is implied, which must not say anything else.
func (w *writer) missing(implied, wanted ref) (ref, error) {
	other := false
	rest := w.space.both(func(i, v ref) ref {
		switch {
		case i == v:
			return silent
		case i != silent:
			other = true
		}
		return v
	})
	var r ref
	if err := guard("write", func() { r = rest.apply(implied, wanted) }); err != nil {
		return silent, err
	}
	if other {
		return silent, fmt.Errorf("libseccomp gives it rules of its own for the calls behind it: %w", ErrNotWritable)
	}
	return r, nil
}

// group makes rules, with names that have the same regions in one.
func group(all []written) []Rule {
	var rules []Rule
	byKey := map[string]int{}
	for _, call := range all {
		key := fmt.Sprint(call.regions)
		at, ok := byKey[key]
		if !ok {
			at = len(rules)
			byKey[key] = at
			for _, r := range call.regions {
				rules = append(rules, Rule{Action: r.leaf.action, Conditions: r.conditions})
			}
		}
		for i := range call.regions {
			rules[at+i].Names = append(rules[at+i].Names, call.name)
		}
	}
	slices.SortStableFunc(rules, func(a, b Rule) int {
		return cmp.Or(
			cmp.Compare(min(len(a.Conditions), 1), min(len(b.Conditions), 1)),
			cmp.Compare(a.Action.Kind, b.Action.Kind),
			cmp.Compare(a.Action.Errno, b.Action.Errno),
			strings.Compare(a.Names[0], b.Names[0]),
		)
	})
	return rules
}
