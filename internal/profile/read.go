package profile

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a document in any of the formats: an object of JSON, or YAML. The name is what messages call it. An error is
// an Errors with everything that is wrong; warnings are what is legal and maybe not meant.
func Parse(name string, data []byte) (*Profile, Warnings, error) {
	r := reader{profile: &Profile{Name: name}}
	root, fault := values(data)
	if fault != nil {
		fault.Profile = name
		return nil, nil, Errors{fault}
	}
	r.document(root)
	if len(r.errors) > 0 {
		return nil, nil, r.errors
	}
	r.profile.normalise()
	return r.profile, r.warnings, nil
}

// values reads what is common to all formats.
func values(data []byte) (*node, *Error) {
	if len(data) > MaxSize {
		return nil, &Error{Text: fmt.Sprintf("has %d bytes, more than the %d that a profile may have", len(data), MaxSize)}
	}
	if !utf8.Valid(data) {
		return nil, &Error{Text: "is not UTF-8 text"}
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	if len(start) == 0 {
		return nil, &Error{Text: "is empty: engines may run such a container without seccomp; name a defaultAction"}
	}
	read := parseYAML
	if start[0] == '{' || start[0] == '[' {
		read = parseJSON
	}
	root, fault := read(data)
	return &root, fault
}

// reader turns values into a profile and collects what is wrong with them.
type reader struct {
	profile  *Profile
	errors   Errors
	warnings Warnings

	spo   bool // the document is a Kubernetes object
	names int  // in all rules so far

	rule  int // being read, from 1; 0 outside of rules
	label string
}

// maxErrors is how many errors of one document are told.
const maxErrors = 20

func (r *reader) place(line, column int, format string, args ...any) Error {
	return Error{
		Profile: r.profile.Name, Line: line, Column: column, Rule: r.rule, Call: r.label,
		Text: fmt.Sprintf(format, args...),
	}
}

func (r *reader) fail(n *node, format string, args ...any) {
	if len(r.errors) < maxErrors {
		e := r.place(n.line, n.column, format, args...)
		r.errors = append(r.errors, &e)
	}
}

func (r *reader) warn(n *node, reason Reason, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{reason, r.place(n.line, n.column, format, args...)})
}

// fields says what to do with each key that an object may have.
type fields map[string]func(*node)

// ignore is for keys that are read and mean nothing here.
func ignore(*node) {}

// object reads the keys of an object. A key that is null counts as absent.
func (r *reader) object(n *node, what string, known fields, required ...string) {
	if n.kind != object {
		r.fail(n, "%s is %s, not an object", what, n.kind)
		return
	}
	for i := range n.keys {
		k := &n.keys[i]
		read, ok := known[k.name]
		switch {
		case !ok:
			r.fail(&node{line: k.line, column: k.column}, "%s has an unknown key %s%s", what, quote(k.name), meant(k.name, known))
		case k.value.kind != null:
			read(&k.value)
		}
	}
	for _, name := range required {
		if v, ok := n.get(name); !ok || v.kind == null {
			r.fail(n, "%s has no %s", what, name)
		}
	}
}

// meant finds a known key that differs in case only. Go's JSON reader, and so most engines, would take it for that one.
func meant(name string, known fields) string {
	for k := range known {
		if strings.EqualFold(k, name) {
			return " (write " + k + ")"
		}
	}
	return ""
}

func (r *reader) each(n *node, what string, most int, read func(*node)) {
	switch {
	case n.kind != list:
		r.fail(n, "%s is %s, not a list", what, n.kind)
	case len(n.items) > most:
		r.fail(n, "%s has %d entries, more than %d", what, len(n.items), most)
	default:
		for i := range n.items {
			read(&n.items[i])
		}
	}
}

// string is a text of a reasonable length without control characters.
func (r *reader) string(n *node, what string) string {
	switch {
	case n.kind != text:
		r.fail(n, "%s is %s, not a string", what, n.kind)
	case len(n.text) > maxText:
		r.fail(n, "%s has %d bytes, more than %d", what, len(n.text), maxText)
	case strings.ContainsFunc(n.text, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.fail(n, "%s %s has control characters", what, quote(n.text))
	default:
		return n.text
	}
	return ""
}

// maxText is the length in bytes of the longest text outside of comments.
const maxText = 4096

// number is a whole number from 0 to most.
func (r *reader) number(n *node, what string, most uint64) uint64 {
	if n.kind != number {
		r.fail(n, "%s is %s, not a number", what, n.kind)
		return 0
	}
	v, err := whole(n.text)
	if err != nil || v > most {
		r.fail(n, "%s %s is not a whole number from 0 to %d", what, clip(n.text), most)
		return 0
	}
	return v
}

// whole reads decimal digits, and 0x and 0o as YAML has them. It refuses 010, which is 8 to some readers and 10 to others.
func whole(s string) (uint64, error) {
	base := 10
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x':
			s, base = s[2:], 16
		case 'o':
			s, base = s[2:], 8
		default:
			return 0, strconv.ErrSyntax
		}
	}
	return strconv.ParseUint(s, base, 64)
}

func (r *reader) boolean(n *node, what string) bool {
	if n.kind != boolean {
		r.fail(n, "%s is %s, not true or false", what, n.kind)
	}
	return n.text == "true"
}

// word is a text out of a vocabulary.
func (r *reader) word(n *node, what string, known func(string) bool) (string, bool) {
	before := len(r.errors)
	s := r.string(n, what)
	if len(r.errors) == before && !known(s) {
		r.fail(n, "%s %s is unknown", what, quote(s))
	}
	return s, len(r.errors) == before
}

// texts reads a list of texts out of a vocabulary and warns of those that are there twice.
func texts[T ~string](r *reader, n *node, what string, known func(string) bool) []T {
	var all []T
	r.each(n, what+" list", MaxNames, func(n *node) {
		s, ok := r.word(n, what, known)
		if ok && slices.Contains(all, T(s)) {
			r.warn(n, Repeated, "%s %s is there twice", what, s)
		}
		all = append(all, T(s))
	})
	return all
}

// document reads the outermost object.
func (r *reader) document(root *node) {
	_, hasKind := root.get("kind")
	_, hasVersion := root.get("apiVersion")
	switch {
	case root.kind == object && (hasKind || hasVersion):
		r.spo = true
		r.kubernetes(root)
	case root.kind == object && len(root.keys) == 0:
		r.fail(root, "is an empty object: engines would run the container without seccomp, silently; name a defaultAction")
	default:
		r.body(root, "the profile", r.jsonFields(), nil)
	}
	if len(r.errors) == 0 {
		r.check(root)
	}
}

// jsonFields are what Docker and containers/common add to the OCI format.
func (r *reader) jsonFields() fields {
	p := r.profile
	return fields{
		"defaultErrnoRet": func(n *node) { r.errno(n, "defaultErrnoRet", &p.Errno) },
		"defaultErrno":    func(n *node) { r.errnoName(n, "defaultErrno", &p.Errno) },
		"archMap":         func(n *node) { r.each(n, "archMap", len(arches), r.archMap) },
	}
}

// body reads what a profile says, which is the same in all formats but for the fields in also.
func (r *reader) body(n *node, what string, also fields, required []string) {
	p := r.profile
	known := fields{
		"baseProfileName": func(n *node) { p.Base = r.string(n, "baseProfileName") },
		"defaultAction":   func(n *node) { p.Default = r.action(n, "defaultAction") },
		"architectures":   func(n *node) { p.Arches = r.archList(n) },
		"flags": func(n *node) {
			p.Flags = texts[Flag](r, n, "flag", func(s string) bool { return slices.Contains(flags, Flag(s)) })
		},
		"listenerPath":     func(n *node) { p.ListenerPath = r.string(n, "listenerPath") },
		"listenerMetadata": func(n *node) { p.ListenerMetadata = r.string(n, "listenerMetadata") },
		"syscalls":         r.rules,
	}
	for name, read := range also {
		known[name] = read
	}
	r.object(n, what, known, append(required, "defaultAction")...)
}

func (r *reader) action(n *node, what string) Action {
	s, ok := r.word(n, what, func(s string) bool { _, known := actions[Action(s)]; return known })
	if !ok {
		return ""
	}
	return actions[Action(s)].is
}

func (r *reader) archList(n *node) []Arch {
	return texts[Arch](r, n, "architecture", func(s string) bool { return archIndex(Arch(s)) >= 0 })
}

func (r *reader) archMap(n *node) {
	var m ArchMap
	r.object(n, "an entry of archMap", fields{
		"architecture": func(n *node) {
			s, _ := r.word(n, "architecture", func(s string) bool { return archIndex(Arch(s)) > 0 })
			m.Arch = Arch(s)
		},
		"subArchitectures": func(n *node) { m.Sub = r.archList(n) },
	}, "architecture")
	if slices.ContainsFunc(r.profile.ArchMap, func(o ArchMap) bool { return o.Arch == m.Arch }) {
		r.fail(n, "archMap has two entries for %s", clip(string(m.Arch)))
	}
	r.profile.ArchMap = append(r.profile.ArchMap, m)
}

// errno reads a number that goes with an action. A name that stands beside it must mean the same.
func (r *reader) errno(n *node, what string, to **Errno) {
	r.setErrno(n, what, Errno(r.number(n, what, 65535)), to)
}

func (r *reader) errnoName(n *node, what string, to **Errno) {
	s := r.string(n, what)
	e, ok := ParseErrno(s)
	switch {
	case ok:
		r.setErrno(n, what, e, to)
	case n.kind == text && s != "": // containers/common writes "" for none
		r.fail(n, "%s %s is unknown", what, quote(s))
	}
}

func (r *reader) setErrno(n *node, what string, e Errno, to **Errno) {
	if *to != nil && **to != e {
		r.fail(n, "%s %s and the number beside it, %s, disagree", what, e, **to)
	}
	*to = &e
}
