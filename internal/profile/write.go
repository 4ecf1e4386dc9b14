package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Write gives the document's bytes in a format. They are the same for the same profile, and read back as it.
//
// What a format cannot say is an error where the result would allow or deny something else; where only comments or the
// number of an error would be lost, it is written and a warning says so.
func (p *Profile) Write(f Format) ([]byte, Warnings, error) {
	w := writer{profile: p}
	var data []byte
	var err error
	switch f {
	case OCI, Docker:
		data, err = w.json(f)
	case SPO:
		data, err = w.yaml()
	default:
		return nil, nil, &Error{Profile: p.Name, Text: "format is unknown (known: " + strings.Join(Formats(), ", ") + ")"}
	}
	if err != nil {
		return nil, nil, err
	}
	if len(w.errors) > 0 {
		return nil, nil, w.errors
	}
	return data, w.warnings, nil
}

type writer struct {
	profile  *Profile
	errors   Errors
	warnings Warnings
}

func (w *writer) fail(rule int, format string, args ...any) {
	e := w.about(rule, format, args...)
	w.errors = append(w.errors, &e)
}

func (w *writer) lost(rule int, format string, args ...any) {
	w.warnings = append(w.warnings, Warning{Lost, w.about(rule, format, args...)})
}

func (w *writer) about(rule int, format string, args ...any) Error {
	e := Error{Profile: w.profile.Name, Rule: rule, Text: fmt.Sprintf(format, args...)}
	if rule > 0 {
		e.Call = w.profile.Rules[rule-1].label()
	}
	return e
}

// The documents' shapes, in the order in which keys are written.
type (
	jsonProfile struct {
		Base             string     `json:"baseProfileName,omitempty"`
		Default          string     `json:"defaultAction"`
		ErrnoRet         *Errno     `json:"defaultErrnoRet,omitempty"`
		Errno            string     `json:"defaultErrno,omitempty"`
		Arches           []Arch     `json:"architectures,omitempty"`
		ArchMap          []jsonArch `json:"archMap,omitempty"`
		Flags            []Flag     `json:"flags,omitempty"`
		ListenerPath     string     `json:"listenerPath,omitempty"`
		ListenerMetadata string     `json:"listenerMetadata,omitempty"`
		Rules            []jsonRule `json:"syscalls"`
	}
	jsonArch struct {
		Arch Arch   `json:"architecture"`
		Sub  []Arch `json:"subArchitectures"`
	}
	jsonRule struct {
		Names    []string    `json:"names" yaml:"names"`
		Action   string      `json:"action" yaml:"action"`
		ErrnoRet *Errno      `json:"errnoRet,omitempty" yaml:"errnoRet,omitempty"`
		Errno    string      `json:"errno,omitempty" yaml:"-"`
		Args     []jsonArg   `json:"args,omitempty" yaml:"args,omitempty"`
		Comment  string      `json:"comment,omitempty" yaml:"-"`
		Includes *jsonFilter `json:"includes,omitempty" yaml:"-"`
		Excludes *jsonFilter `json:"excludes,omitempty" yaml:"-"`
	}
	jsonArg struct {
		Index uint8  `json:"index" yaml:"index"`
		Value uint64 `json:"value" yaml:"value"`
		Two   uint64 `json:"valueTwo,omitempty" yaml:"valueTwo,omitempty"`
		Op    Op     `json:"op" yaml:"op"`
	}
	jsonFilter struct {
		Caps   []string `json:"caps,omitempty"`
		Arches []string `json:"arches,omitempty"`
		Kernel string   `json:"minKernel,omitempty"`
	}

	yamlProfile struct {
		APIVersion string       `yaml:"apiVersion"`
		Kind       string       `yaml:"kind"`
		Metadata   yamlMetadata `yaml:"metadata"`
		Spec       yamlSpec     `yaml:"spec"`
	}
	yamlMetadata struct {
		Name        string                `yaml:"name"`
		Namespace   string                `yaml:"namespace,omitempty"`
		Labels      map[yamlText]yamlText `yaml:"labels,omitempty"`
		Annotations map[yamlText]yamlText `yaml:"annotations,omitempty"`
	}
	yamlSpec struct {
		State            string     `yaml:"state,omitempty"`
		Base             string     `yaml:"baseProfileName,omitempty"`
		Default          string     `yaml:"defaultAction"`
		Arches           []Arch     `yaml:"architectures,omitempty"`
		Flags            []Flag     `yaml:"flags,omitempty"`
		ListenerPath     string     `yaml:"listenerPath,omitempty"`
		ListenerMetadata yamlText   `yaml:"listenerMetadata,omitempty"`
		Rules            []jsonRule `yaml:"syscalls,omitempty"`
	}
)

// yamlText is a text of somebody else's. What is not plain goes between quotation marks: the library writes some texts so
// that it reads them as something else (<<) or not at all (a block that begins with a tab).
type yamlText string

func (t yamlText) MarshalYAML() (any, error) {
	if unquoted(string(t)) { // true and 1 are quoted by the library
		return string(t), nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: string(t)}, nil
}

func unquoted(text string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return text != "" && strings.Contains(first, text[:1]) && strings.Trim(text, first+"._/-") == ""
}

func yamlTexts(texts map[string]string) map[yamlText]yamlText {
	all := make(map[yamlText]yamlText, len(texts))
	for key, text := range texts {
		all[yamlText(key)] = yamlText(text)
	}
	return all
}

func (w *writer) json(f Format) ([]byte, error) {
	p := w.profile
	doc := jsonProfile{
		Base: p.Base, Default: p.Default.written(), ErrnoRet: p.Errno, Arches: p.Arches, Flags: p.Flags,
		ListenerPath: p.ListenerPath, ListenerMetadata: p.ListenerMetadata, Rules: w.rules(f),
	}
	if f == Docker {
		doc.Errno = errnoName(p.Errno)
		for _, m := range p.ArchMap {
			doc.ArchMap = append(doc.ArchMap, jsonArch{m.Arch, slices.Concat([]Arch{}, m.Sub)})
		}
	} else {
		w.unconditional("an OCI profile")
		if slices.Contains(p.Arches, ArchNative) {
			w.fail(0, "an OCI profile cannot say %s: resolve the profile first", ArchNative)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	err := e.Encode(doc)
	return b.Bytes(), err
}

// errnoName goes beside the number: containers/common prefers the name, other engines know the number only.
func errnoName(e *Errno) string {
	if e == nil {
		return ""
	}
	return e.Name()
}

// unconditional refuses what depends on the machine.
func (w *writer) unconditional(what string) {
	p := w.profile
	if len(p.ArchMap) > 0 {
		w.fail(0, "%s cannot say archMap: resolve the profile first", what)
	}
	for i, r := range p.Rules {
		if !r.Includes.empty() || !r.Excludes.empty() {
			w.fail(i+1, "%s cannot say includes or excludes: resolve the profile first", what)
		}
	}
}

func (w *writer) rules(f Format) []jsonRule {
	rules := make([]jsonRule, 0, len(w.profile.Rules))
	for i, r := range w.profile.Rules {
		if f != Docker && r.Comment != "" {
			w.lost(i+1, "the comment is left out: format %s has none", f)
		}
		out := jsonRule{Names: r.Names, Action: r.Action.written(), ErrnoRet: r.Errno}
		if f == Docker {
			out.Errno, out.Comment = errnoName(r.Errno), r.Comment
			out.Includes, out.Excludes = r.Includes.json(), r.Excludes.json()
		}
		for _, args := range r.split(f) {
			out.Args = nil
			for _, a := range args {
				out.Args = append(out.Args, jsonArg{a.Index, a.Value, a.Two, a.Op})
			}
			rules = append(rules, out)
		}
	}
	return rules
}

// maxAPIArgs is how many conditions the operator's API lets a rule have.
const maxAPIArgs = 6

// split gives the conditions of a rule as the rules to write. More than six repeat an index, so they are alternatives, and one
// rule for each says the same.
func (r *Rule) split(f Format) [][]Arg {
	if f != SPO || len(r.Args) <= maxAPIArgs {
		return [][]Arg{r.Args}
	}
	return slices.Collect(slices.Chunk(r.Args, 1))
}

func (f Filter) json() *jsonFilter {
	if f.empty() {
		return nil
	}
	return &jsonFilter{f.Caps, f.Arches, f.Kernel.String()}
}

func (w *writer) yaml() ([]byte, error) {
	p := w.profile
	w.unconditional("a SeccompProfile")
	w.fitsAPI()
	o := p.objectFor()
	if o.Name == "" {
		w.fail(0, "a SeccompProfile needs a name of letters and digits")
	}
	doc := yamlProfile{
		APIVersion: apiGroup + o.Version,
		Kind:       apiKind,
		Metadata:   yamlMetadata{o.Name, o.Namespace, yamlTexts(o.Labels), yamlTexts(o.Annotations)},
		Spec: yamlSpec{
			Base: p.Base, Default: p.Default.written(), Arches: p.Arches, Flags: p.Flags,
			ListenerPath: p.ListenerPath, ListenerMetadata: yamlText(p.ListenerMetadata), Rules: w.rules(SPO),
		},
	}
	if o.Disabled {
		doc.Spec.State = "Disabled"
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	err := e.Close()
	return b.Bytes(), err
}

// listenerDir is where the operator's API wants listeners to be.
const listenerDir = "/var/run/security-profiles-operator/"

// fitsAPI finds what the operator's API cannot say or refuses.
func (w *writer) fitsAPI() {
	p := w.profile
	if p.Errno != nil && *p.Errno != eperm {
		w.lost(0, "a SeccompProfile cannot say which error is the default: calls that no rule names will fail with EPERM, not %s", *p.Errno)
	}
	for _, a := range p.Arches {
		if !arches[archIndex(a)].spo {
			w.fail(0, "a SeccompProfile cannot name architecture %s", a)
		}
	}
	if p.ListenerPath != "" && !strings.HasPrefix(p.ListenerPath, listenerDir) {
		w.lost(0, "the operator refuses listenerPath %s: it must be below %s", quote(p.ListenerPath), listenerDir)
	}
	for i, r := range p.Rules {
		if r.Errno != nil && *r.Errno == 0 {
			w.fail(i+1, "a SeccompProfile cannot say errnoRet 0")
		}
		for _, a := range r.Args {
			if a.Value > math.MaxInt64 || a.Two > math.MaxInt64 {
				w.fail(i+1, "a SeccompProfile cannot hold values above %d", math.MaxInt64)
			}
		}
	}
}

// Error numbers by name: eperm is what ERRNO returns where a profile states none.
const (
	eperm  Errno = 1
	enosys Errno = 38
)

// objectName makes a name for an object of Kubernetes (RFC 1123 label) from a document's name, which may be a path.
func objectName(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	for _, suffix := range []string{".json", ".yaml", ".yml"} {
		name = strings.TrimSuffix(name, suffix)
	}
	name = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '-'
	}, name)
	const longest = 63
	return strings.Trim(name[:min(len(name), longest)], "-")
}
