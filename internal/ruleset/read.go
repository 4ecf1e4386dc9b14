package ruleset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"strata/internal/syscalls"
)

// Source is what a profile says, its conditions on the container and machine resolved.
type Source struct {
	Layer   string // the profile's name, for messages and provenance
	Default Action
	ABIs    []syscalls.ABI
	Rules   []Rule
}

// Overlap says what is made of conditional rules of one profile that overlap and say different actions.
//
// What the engines make of them is up to libseccomp's inner order: it tries the comparisons of one argument
// sorted by kind of operator (==, != and masks before <, <= before >, >=) and then by value, the greater first,
// whatever the order in which rules were added, and the first that holds decides (_db_chain_lt in db.c). Some
// profiles rely on it without knowing: CRI-O's default says ERRNO for socket(40, …) and ALLOW where the family
// is not 16, and gets ERRNO for 40 only because 40 is greater than 16. With other numbers the denial is dead, or
// libseccomp refuses the rule with EEXIST. So a contradiction is an error unless the caller chooses a reading,
// and who chooses one has the filter proven against it.
type Overlap uint8

const (
	// Refuse makes overlapping rules with different actions an error that names both.
	Refuse Overlap = iota
	// Strictest lets the most restrictive of them hold.
	Strictest
	// First lets the rule that comes first hold.
	First
)

// Options say how rules are read.
type Options struct {
	Overlap Overlap
}

// Read gives rules the meaning that runc and crun give them through libseccomp 2.4 and later:
//
//   - A rule whose action equals the default is dropped before anything else, wherever it applies.
//   - A rule that names an argument twice means any of its conditions.
//   - An unconditional rule for a call holds whatever conditional ones say, before or after it. Of several
//     unconditional ones the first holds.
//   - A name that an ABI lacks is ignored there.
//   - On 32-bit ABIs (x32 is one to libseccomp) the low halves of arguments and values are compared.
//   - On x86 rules for socket and IPC calls speak of socketcall and ipc, too (multiplex.go).
func Read(src Source, o Options) (*Set, error) {
	if err := src.valid(); err != nil {
		return nil, err
	}
	set := newSet(newSpace(), leaf{src.Default, Default(src.Layer)}, src.ABIs)
	for _, abi := range set.abis {
		if err := set.readABI(abi, src.Rules, o); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (src Source) valid() error {
	if err := src.Default.Valid(); err != nil {
		return fmt.Errorf("%v: %w", Default(src.Layer), err)
	}
	if len(src.ABIs) == 0 {
		return fmt.Errorf("profile %q: no architecture to read it for", src.Layer)
	}
	for _, abi := range src.ABIs {
		if !abi.Valid() {
			return fmt.Errorf("profile %q: architecture %v has no table of system calls", src.Layer, abi)
		}
	}
	for _, rule := range src.Rules {
		if err := rule.valid(); err != nil {
			return err
		}
	}
	return nil
}

// spoken are the clauses about one system call with the rules that they come from.
type spoken struct {
	clause
	rule *Rule
}

// maxClauses bounds the rules with conditions that are read for an ABI, each name and alternative counted. The engines'
// default profiles have about twenty, and a filter has 4096 instructions.
const maxClauses = 1 << 14

func (set *Set) readABI(abi syscalls.ABI, rules []Rule, o Options) error {
	conditional := 0
	byNumber := map[uint32][]spoken{}
	for i := range rules {
		rule := &rules[i]
		if rule.Action == set.fallback.action {
			continue
		}
		for _, conditions := range rule.Alternatives() {
			if len(conditions) > 0 {
				conditional += len(rule.Names)
			}
			if conditional > maxClauses {
				return fmt.Errorf("%v: more than %d rules with conditions, each name and alternative counted: %w",
					rule.Origin, maxClauses, ErrTooComplex)
			}
			for _, name := range rule.Names {
				for _, c := range clauses(abi, name, conditions) {
					byNumber[c.number] = append(byNumber[c.number], spoken{c, rule})
				}
			}
		}
	}
	for _, nr := range slices.Sorted(maps.Keys(byNumber)) {
		all := byNumber[nr]
		var r ref
		var err error
		what := Name(abi, nr) + " on " + abi.String()
		limit := guard(what, func() { r, err = set.space.read(all, width(abi), o.Overlap) })
		if limit != nil {
			return limit
		}
		if c := (*contradiction)(nil); errors.As(err, &c) {
			return c.explain(abi, nr, all)
		}
		set.put(abi, nr, r)
	}
	return nil
}

// contradiction is a call for which two rules say different actions.
type contradiction struct {
	args Args
}

func (*contradiction) Error() string { return ErrContradiction.Error() }

func (c *contradiction) explain(abi syscalls.ABI, nr uint32, all []spoken) error {
	var first *Rule
	for _, s := range all {
		if !s.holds(c.args) {
			continue
		}
		if first == nil {
			first = s.rule
		} else if first.Action != s.rule.Action {
			hint := "make their conditions exclude each other"
			if s.implied {
				hint = "add an unconditional rule for " + Name(abi, nr) + ", which libseccomp gives a rule for each of these"
			}
			return fmt.Errorf("%s on %v: %v and %v: %w, as for %s; %s",
				Name(abi, nr), abi, first, s.rule, ErrContradiction, c.args.call(abi, nr), hint)
		}
	}
	return fmt.Errorf("%s on %v: %w, as for %s", Name(abi, nr), abi, ErrContradiction, c.args.call(abi, nr))
}

func (s spoken) holds(args Args) bool {
	for _, c := range s.conditions {
		if !c.Holds(args) {
			return false
		}
	}
	return true
}

// read makes the diagram of one system call.
func (s *space) read(all []spoken, width int, o Overlap) (ref, error) {
	if i := slices.IndexFunc(all, func(c spoken) bool { return len(c.conditions) == 0 }); i >= 0 {
		return s.leaf(leaf{all[i].rule.Action, all[i].rule.Origin}), nil
	}
	clash := leaf{action: Action{Kind: 255}}
	clashed := false
	union := s.both(func(a, b ref) ref {
		la, lb := s.value(a), s.value(b)
		switch {
		case !la.said():
			return b
		case !lb.said() || la.action == lb.action || o == First:
			return a
		case o == Strictest && la.action.Kind != lb.action.Kind:
			if la.action.Kind.StricterThan(lb.action.Kind) {
				return a
			}
			return b
		case o == Strictest:
			return a
		}
		clashed = true
		return s.leaf(clash)
	})
	parts := make([]ref, len(all))
	for i, c := range all {
		r := s.leaf(leaf{c.rule.Action, c.rule.Origin})
		for j := len(c.conditions) - 1; j >= 0; j-- {
			r = s.test(c.conditions[j], width, r, silent)
		}
		parts[i] = r
	}
	whole := union.fold(parts)
	if clashed {
		args := s.find(whole, func(l leaf) bool { return l == clash })
		return silent, &contradiction{args}
	}
	return whole, nil
}

// call gives a call as a person writes it: socket(0x28, 0, 0x9, 0, 0, 0).
func (args Args) call(abi syscalls.ABI, nr uint32) string {
	text := Name(abi, nr) + "("
	for i, a := range args {
		if i > 0 {
			text += ", "
		}
		if a == 0 {
			text += "0"
		} else {
			text += "0x" + strconv.FormatUint(a, 16)
		}
	}
	return text + ")"
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
