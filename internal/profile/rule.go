package profile

import (
	"fmt"
	"slices"
	"strings"

	"strata/internal/syscalls"
)

// rules reads the list of rules.
func (r *reader) rules(n *node) {
	r.each(n, "syscalls", MaxRules, func(n *node) {
		r.rule++
		r.label = labelOf(n)
		r.readRule(n)
	})
	r.rule, r.label = 0, ""
}

// labelOf is how messages call a rule that is not read yet: its first name.
func labelOf(n *node) string {
	if name, ok := n.get("name"); ok && name.kind == text {
		return clip(name.text)
	}
	names, ok := n.get("names")
	if !ok || names.kind != list || len(names.items) == 0 || names.items[0].kind != text {
		return ""
	}
	label := clip(names.items[0].text)
	if len(names.items) > 1 {
		label += "…"
	}
	return label
}

func (r *reader) readRule(n *node) {
	var rule Rule
	known := fields{
		"names":    func(v *node) { rule.Names = append(rule.Names, r.callNames(v)...) },
		"action":   func(v *node) { rule.Action = r.action(v, "action") },
		"errnoRet": func(v *node) { r.errno(v, "errnoRet", &rule.Errno) },
		"args":     func(v *node) { r.each(v, "args", MaxArgs, func(v *node) { rule.Args = append(rule.Args, r.arg(v)) }) },
	}
	if r.spo {
		known["errnoRet"] = func(v *node) {
			if v.text != "0" { // the operator's API cannot tell 0 from none
				r.errno(v, "errnoRet", &rule.Errno)
			}
		}
	} else {
		known["name"] = func(v *node) {
			if _, both := n.get("names"); both {
				r.fail(v, "name and names are both there: write names")
			}
			rule.Names = append(rule.Names, r.callName(v))
		}
		known["errno"] = func(v *node) { r.errnoName(v, "errno", &rule.Errno) }
		known["comment"] = func(v *node) { rule.Comment = r.comment(v) }
		known["includes"] = func(v *node) { rule.Includes = r.filter(v, "includes") }
		known["excludes"] = func(v *node) { rule.Excludes = r.filter(v, "excludes") }
	}
	before := len(r.errors)
	r.object(n, "the rule", known, "action")
	if len(r.errors) == before {
		r.checkRule(n, &rule)
	}
	r.profile.Rules = append(r.profile.Rules, rule)
}

func (r *reader) callNames(n *node) []string {
	names := make([]string, 0, len(n.items))
	seen := make(map[string]bool, len(n.items))
	r.each(n, "names", MaxNames, func(n *node) {
		name := r.callName(n)
		if seen[name] {
			r.warn(n, Repeated, "name %s is there twice", clip(name))
		}
		seen[name] = true
		names = append(names, name)
	})
	return names
}

// maxName is more than the length of any call's name.
const maxName = 64

// callName reads the name of a call, which need not be known.
func (r *reader) callName(n *node) string {
	name := n.text
	switch {
	case n.kind != text:
		r.fail(n, "a name is %s, not a string", n.kind)
	case name == "" || len(name) > maxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "":
		r.fail(n, "%s cannot be the name of a system call", quote(name))
	default:
		r.names++
		if r.names == MaxNames+1 {
			r.fail(n, "the rules have more than %d names", MaxNames)
		}
		if !syscalls.Known(name) {
			r.warn(n, UnknownCall, "system call %s is unknown: runtimes skip it", quote(name))
		}
	}
	return name
}

// comment is a text for people; it may have several lines.
func (r *reader) comment(n *node) string {
	if n.kind != text {
		r.fail(n, "comment is %s, not a string", n.kind)
	}
	return n.text
}

func (r *reader) arg(n *node) Arg {
	var a Arg
	required := []string{"index", "value", "op"}
	if r.spo {
		required = []string{"index", "op"} // the operator's API leaves a value of 0 out
	}
	r.object(n, "the condition", fields{
		"index":    func(v *node) { a.Index = uint8(r.number(v, "argument index", 5)) },
		"value":    func(v *node) { a.Value = r.number(v, "value", 1<<64-1) },
		"valueTwo": func(v *node) { a.Two = r.number(v, "valueTwo", 1<<64-1) },
		"op": func(v *node) {
			s, _ := r.word(v, "operator", func(s string) bool { return slices.Contains(ops, Op(s)) })
			a.Op = Op(s)
		},
	}, required...)
	switch {
	case a.Op == MaskedEqual && a.Two&^a.Value != 0:
		r.warn(n, NoEffect, "the condition never holds: valueTwo %#x has bits outside of the mask, value %#x", a.Two, a.Value)
	case a.Op != MaskedEqual && a.Op != "" && a.Two != 0:
		r.warn(n, NoEffect, "valueTwo has no meaning with %s", a.Op)
	}
	return a
}

func (r *reader) filter(n *node, what string) Filter {
	var f Filter
	r.object(n, what, fields{
		"caps": func(v *node) {
			f.Caps = texts[string](r, v, "capability", func(s string) bool { return slices.Contains(capabilities, s) })
		},
		"arches": func(v *node) { f.Arches = texts[string](r, v, "architecture", knownNative) },
		"minKernel": func(v *node) {
			s := r.string(v, "minKernel")
			if s == "" {
				return // none, as moby reads it
			}
			k, ok := parseKernel(s)
			if !ok {
				r.fail(v, `minKernel %s is not a version such as "5.11"`, quote(s))
			}
			f.Kernel = k
		},
	})
	return f
}

// checkRule looks at what the parts of a rule mean together.
func (r *reader) checkRule(n *node, rule *Rule) {
	if len(rule.Names) == 0 {
		r.fail(n, "the rule names no system call")
	}
	if fault := errnoFault(rule.Action, rule.Errno, "errnoRet"); fault != "" {
		r.fail(n, "%s", fault)
	}
	if rule.Action == Notify && slices.Contains(rule.Names, "write") {
		// runc would wait for its own write to be answered by the listener that it has not told yet.
		r.fail(n, "write cannot have action %s: the runtime itself needs it to hand over the listener", Notify)
	}
	var repeated []string
	for i := range rule.Args {
		first := slices.IndexFunc(rule.Args, func(a Arg) bool { return a.Index == rule.Args[i].Index })
		if first < i && !slices.Contains(repeated, fmt.Sprint(rule.Args[i].Index)) {
			repeated = append(repeated, fmt.Sprint(rule.Args[i].Index))
		}
	}
	if len(repeated) > 0 {
		r.warn(n, RepeatedIndex, "two conditions on argument %s make all conditions of the rule alternatives (say them as rules of their own)",
			strings.Join(repeated, " and on argument "))
	}
}

// errnoFault says what is wrong with an error number beside an action.
func errnoFault(a Action, e *Errno, what string) string {
	switch known := actions[a]; {
	case e == nil:
	case !known.numbers:
		return fmt.Sprintf("%s is there, but action %s returns none: leave it out", what, a)
	case uint64(*e) > known.max:
		return fmt.Sprintf("%s %d is above %d, the highest that %s can have", what, *e, known.max, a)
	}
	return ""
}

// check looks at what the parts of a profile mean together.
func (r *reader) check(n *node) {
	p := r.profile
	if p.Default == Notify {
		r.fail(n, "the default action cannot be %s: name the calls that are to be notified", Notify)
	}
	if fault := errnoFault(p.Default, p.Errno, "defaultErrnoRet"); fault != "" {
		r.fail(n, "%s", fault)
	}
	if len(p.Arches) > 0 && len(p.ArchMap) > 0 {
		r.fail(n, "architectures and archMap are both there: write one of them")
	}
	if p.ListenerMetadata != "" && p.ListenerPath == "" {
		r.fail(n, "listenerMetadata is there without a listenerPath")
	}
	notifies := slices.ContainsFunc(p.Rules, func(rule Rule) bool { return rule.Action == Notify })
	switch {
	case notifies && p.ListenerPath == "":
		r.warn(n, NoEffect, "rules notify, but there is no listenerPath: runtimes refuse to start the container")
	case !notifies && p.ListenerPath != "":
		r.warn(n, NoEffect, "listenerPath has no effect: no rule notifies")
	}
}
