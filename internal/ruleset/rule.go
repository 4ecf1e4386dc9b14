package ruleset

import (
	"fmt"
	"slices"
	"strings"
)

// Op compares an argument with a condition's values.
type Op uint8

// The operators of the OCI runtime specification. The zero Op is none.
const (
	EQ       Op = iota + 1 // argument == Value
	NE                     // argument != Value
	LT                     // argument <  Value
	LE                     // argument <= Value
	GE                     // argument >= Value
	GT                     // argument >  Value
	MaskedEQ               // argument & Value == ValueTwo & Value
)

var opNames = [...]string{EQ: "EQ", NE: "NE", LT: "LT", LE: "LE", GE: "GE", GT: "GT", MaskedEQ: "MASKED_EQ"}

var opSigns = [...]string{EQ: "==", NE: "!=", LT: "<", LE: "<=", GE: ">=", GT: ">"}

// Ops lists every operator.
func Ops() []Op { return []Op{EQ, NE, LT, LE, GE, GT, MaskedEQ} }

func (o Op) String() string {
	if o.Valid() {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Valid reports whether o is one of the operators.
func (o Op) Valid() bool { return o >= EQ && o <= MaskedEQ }

// Arguments is how many arguments a system call has for seccomp.
const Arguments = 6

// Args are the six arguments of a call as seccomp sees them. On the 32-bit ABIs a filter looks at the low halves only.
type Args [Arguments]uint64

// Condition compares one argument, unsigned, as in the OCI runtime specification: for MaskedEQ Value is the mask
// and ValueTwo the datum; every other operator uses Value alone.
type Condition struct {
	Arg      uint
	Op       Op
	Value    uint64
	ValueTwo uint64
}

// Holds reports whether the condition is true of the arguments.
func (c Condition) Holds(args Args) bool {
	v := args[c.Arg]
	switch c.Op {
	case EQ:
		return v == c.Value
	case NE:
		return v != c.Value
	case LT:
		return v < c.Value
	case LE:
		return v <= c.Value
	case GE:
		return v >= c.Value
	case GT:
		return v > c.Value
	case MaskedEQ:
		return v&c.Value == c.ValueTwo&c.Value
	}
	return false
}

// String gives the condition as a formula: arg0 == 0x28, arg0&0x7e020000 == 0x0.
func (c Condition) String() string {
	if c.Op == MaskedEQ {
		return fmt.Sprintf("arg%d&%#x == %#x", c.Arg, c.Value, c.ValueTwo)
	}
	if !c.Op.Valid() {
		return fmt.Sprintf("arg%d %v %#x", c.Arg, c.Op, c.Value)
	}
	return fmt.Sprintf("arg%d %s %#x", c.Arg, opSigns[c.Op], c.Value)
}

// Formula gives conditions that all hold: arg0 == 0x28 and arg1 < 0x10, or nothing.
func Formula(conditions []Condition) string { return joined(conditions, " and ") }

func joined(conditions []Condition, word string) string {
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = c.String()
	}
	return strings.Join(parts, word)
}

func (c Condition) valid() error {
	switch {
	case c.Arg >= Arguments:
		return fmt.Errorf("argument index %d: a system call has arguments 0 to %d", c.Arg, Arguments-1)
	case !c.Op.Valid():
		return fmt.Errorf("argument %d: no operator %v", c.Arg, c.Op)
	}
	return nil
}

// Origin says where an action was written: a layer's name and a rule of it, counted as the layer's reader
// counts. A negative Rule is the layer's default action.
type Origin struct {
	Layer string
	Rule  int
}

// Default marks the default action of a layer as the origin.
func Default(layer string) Origin { return Origin{Layer: layer, Rule: -1} }

func (o Origin) String() string {
	what := fmt.Sprintf("rule %d", o.Rule)
	if o.Rule < 0 {
		what = "default action"
	}
	if o.Layer == "" {
		return what
	}
	return fmt.Sprintf("%s of %q", what, o.Layer)
}

// Rule is one rule of a profile: the action for the named system calls where all conditions hold. A rule that
// names one argument twice means any of its conditions instead, which is what runc and crun make of it.
type Rule struct {
	Names      []string
	Action     Action
	Conditions []Condition
	Origin     Origin
}

// String gives the rule as one line, for messages: rule 3 of "web" (ERRNO(EPERM) if arg0 == 0x28).
func (r Rule) String() string {
	text := fmt.Sprintf("%v (%v", r.Origin, r.Action)
	if len(r.Conditions) > 0 {
		word := " and "
		if r.repeatsArgument() {
			word = " or "
		}
		text += " if " + joined(r.Conditions, word)
	}
	return text + ")"
}

func (r Rule) repeatsArgument() bool {
	var seen [Arguments]bool
	for _, c := range r.Conditions {
		if seen[c.Arg] {
			return true
		}
		seen[c.Arg] = true
	}
	return false
}

func (r Rule) valid() error {
	if len(r.Names) == 0 {
		return fmt.Errorf("%v: names no system call", r.Origin)
	}
	if err := r.Action.Valid(); err != nil {
		return fmt.Errorf("%v: %w", r.Origin, err)
	}
	for _, c := range r.Conditions {
		if err := c.valid(); err != nil {
			return fmt.Errorf("%v (%s): %w", r.Origin, r.Names[0], err)
		}
	}
	return nil
}

// Alternatives are the alternatives of the rule's conditions, each with at most one condition per argument, in
// the order of the arguments.
func (r Rule) Alternatives() [][]Condition {
	if r.repeatsArgument() {
		each := make([][]Condition, len(r.Conditions))
		for i, c := range r.Conditions {
			each[i] = []Condition{c}
		}
		return each
	}
	all := slices.Clone(r.Conditions)
	slices.SortFunc(all, func(a, b Condition) int { return int(a.Arg) - int(b.Arg) })
	return [][]Condition{all}
}
