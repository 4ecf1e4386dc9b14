// Package describe says rules in words for people: "clone if flags has none of NEWNS, NEWUSER", and which group a call is of.
//
// It knows names of arguments and of their values; it must never decide anything.
package describe

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"strata/internal/ruleset"
)

// Rule says for which calls of that name a rule holds: the name alone, or "NAME if CONDITIONS".
func Rule(call string, conditions []ruleset.Condition) string {
	if len(conditions) == 0 {
		return call
	}
	return call + " if " + When(call, conditions)
}

// Rules says for which calls of that name any of several rules holds. Those that ask one argument for one value are said
// together: "socket if domain is one of UNIX,INET".
func Rules(call string, alternatives [][]ruleset.Condition) []string {
	var lines []string
	var one [ruleset.Arguments][]ruleset.Condition
	for _, a := range alternatives {
		if len(a) == 1 && a[0].Op == ruleset.EQ && a[0].Arg < ruleset.Arguments {
			one[a[0].Arg] = append(one[a[0].Arg], a[0])
			continue
		}
		lines = append(lines, Rule(call, a))
	}
	for index, conditions := range one {
		switch len(conditions) {
		case 0:
		case 1:
			lines = append(lines, Rule(call, conditions))
		default:
			a := argumentOf(call, uint(index), nil)
			lines = append(lines, call+" if "+a.name+" is one of "+a.values.list(conditions))
		}
	}
	return lines
}

// When says the conditions of a rule for calls of that name, all of which have to hold.
func When(call string, conditions []ruleset.Condition) string {
	var parts []string
	for rest := conditions; len(rest) > 0; {
		a := argumentOf(call, rest[0].Arg, conditions)
		unlike := slices.IndexFunc(rest, func(c ruleset.Condition) bool { return c.Arg != rest[0].Arg || c.Op != ruleset.NE })
		if unlike < 0 {
			unlike = len(rest)
		}
		if unlike < 2 {
			parts, rest = append(parts, say(a, rest[0])), rest[1:]
			continue
		}
		parts, rest = append(parts, a.name+" is none of "+a.values.list(rest[:unlike])), rest[unlike:]
	}
	return strings.Join(parts, " and ")
}

// list names the values that conditions compare with.
func (v values) list(conditions []ruleset.Condition) string {
	names := make([]string, len(conditions))
	for i, c := range conditions {
		names[i] = v.exactly(c.Value)
	}
	return strings.Join(names, ",")
}

// comparisons are the words for operators that compare with a number.
var comparisons = map[ruleset.Op]string{
	ruleset.EQ: "is", ruleset.NE: "is not", ruleset.LT: "is below", ruleset.LE: "is at most", ruleset.GE: "is at least", ruleset.GT: "is above",
}

// say is one condition in words.
func say(a argument, c ruleset.Condition) string {
	mask, value := c.Value, c.ValueTwo&c.Value
	switch {
	case c.Op != ruleset.MaskedEQ:
		return a.name + " " + comparisons[c.Op] + " " + a.values.exactly(c.Value)
	case mask == 0:
		return a.name + " is anything"
	case mask == ^uint64(0):
		return a.name + " is " + a.values.exactly(value)
	}
	if field, ok := a.values.field(mask); ok {
		return a.name + "&" + hexadecimal(mask) + " is " + field.exactly(value)
	}
	if len(a.values.flags) == 0 {
		return a.name + "&" + hexadecimal(mask) + " is " + hexadecimal(value)
	}
	set, clear := a.values.bits(value), a.values.bits(mask&^value)
	switch {
	case len(clear) == 0:
		return a.name + " has " + all(set)
	case len(set) == 0:
		return a.name + " has " + none(clear)
	}
	return a.name + " has " + all(set) + " and " + none(clear)
}

func all(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "all of " + strings.Join(names, ",")
}

func none(names []string) string {
	if len(names) == 1 {
		return "no " + names[0]
	}
	return "none of " + strings.Join(names, ",")
}

// value is a value with its name.
type value struct {
	name   string
	number uint64
}

// values are what an argument can be. Those in one are alternatives; those in flags are bits that can be set together, each
// by itself. An argument may have both: a field of bits that hold an alternative, beside flags.
type values struct {
	mask  uint64 // of the bits that hold an alternative; 0 means all
	one   []value
	flags []value
}

// exactly names a whole value.
func (v values) exactly(n uint64) string {
	for _, o := range v.one {
		if o.number == n {
			return o.name
		}
	}
	if len(v.flags) == 0 || n == 0 {
		return figure(n)
	}
	var parts []string
	if rest := n & v.mask; v.mask != 0 && rest != 0 {
		parts = append(parts, values{one: v.one}.exactly(rest))
		n &^= v.mask
	}
	return strings.Join(append(parts, v.bits(n)...), "|")
}

// bits names the flags that are set in n; bits without a name are told as one number.
func (v values) bits(n uint64) []string {
	var names []string
	for _, f := range v.flags {
		if f.number != 0 && n&f.number == f.number {
			names = append(names, f.name)
			n &^= f.number
		}
	}
	if n != 0 {
		names = append(names, figure(n))
	}
	return names
}

// field is the part of the values that a mask selects, if the mask is that of the alternatives.
func (v values) field(mask uint64) (values, bool) {
	return values{one: v.one}, v.mask != 0 && mask == v.mask
}

// figure is a number as people write it: small ones in decimal digits, bits and large ones in hexadecimal.
func figure(n uint64) string {
	if n < 4096 && (n < 256 || bits.OnesCount64(n) > 1) {
		return strconv.FormatUint(n, 10)
	}
	return hexadecimal(n)
}

func hexadecimal(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }
