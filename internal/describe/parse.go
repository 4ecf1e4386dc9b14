package describe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strata/internal/ruleset"
)

// Argument finds the index of a call's argument by what people call it: its name, its number from 0, or that with arg before.
func Argument(call, text string) (uint, bool) {
	for _, a := range arguments[call] {
		if a.name == text {
			return a.index, true
		}
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "arg"), 10, 8)
	return uint(n), err == nil && n < ruleset.Arguments
}

// Arguments lists what the arguments of a call are called, arg0 and so on where they have no name.
func Arguments(call string) []string {
	names := make([]string, ruleset.Arguments)
	for i := range names {
		names[i] = argumentOf(call, uint(i), nil).name
	}
	return names
}

// Values lists the names of values that a call's argument can have. What other arguments are can matter.
func Values(call string, index uint, others ruleset.Args) []string {
	var names []string
	values := argumentOf(call, index, []ruleset.Condition{{Arg: 0, Op: ruleset.EQ, Value: others[0]}}).values
	for _, v := range slices.Concat(values.one, values.flags) {
		names = append(names, v.name)
	}
	return names
}

// Value reads a value of a call's argument: numbers as C writes them and names as rules are described with, with or without the
// prefix that the kernel's headers have (CLONE_NEWUSER), joined by | or commas. A negative number is what a register holds of it. What
// other arguments are can matter for names.
func Value(call string, index uint, text string, others ruleset.Args) (uint64, error) {
	values := argumentOf(call, index, []ruleset.Condition{{Arg: 0, Op: ruleset.EQ, Value: others[0]}}).values
	var whole uint64
	for part := range strings.SplitSeq(strings.ReplaceAll(text, ",", "|"), "|") {
		n, ok := number(part)
		if !ok {
			n, ok = values.named(part)
		}
		if !ok {
			return 0, fmt.Errorf("%.40q is neither a number of 64 bits nor a known value of %s's %s", part, call, argumentOf(call, index, nil).name)
		}
		whole |= n
	}
	return whole, nil
}

func number(text string) (uint64, bool) {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(n), true
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return n, err == nil
}

// named finds a value by its name.
func (v values) named(name string) (uint64, bool) {
	for _, list := range [][]value{v.one, v.flags} {
		for _, known := range list {
			prefix, ok := strings.CutSuffix(name, known.name)
			if ok && (prefix == "" || isPrefix(prefix)) {
				return known.number, true
			}
		}
	}
	return 0, false
}

// isPrefix accepts what headers write before a name, such as CLONE_: one word of capitals.
func isPrefix(text string) bool {
	word, ok := strings.CutSuffix(text, "_")
	return ok && word != "" && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
