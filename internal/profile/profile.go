// Package profile reads, checks and writes seccomp profiles as documents: the JSON of the OCI runtime specification,
// the JSON of Docker and containers/common, and the SeccompProfile YAML of the Security Profiles Operator.
//
// A document is read strictly: what an engine would ignore or misread (an unknown key, an empty object, a second value
// after the first) is an error that names the place. Load follows a profile's bases, Resolve says what a profile means on
// one machine, and Resolved.Set and FromSet pass between documents and the algebra of rules.
//
// The package must never know where profiles are kept, how several become one, or what a kernel makes of them.
package profile

import (
	"cmp"
	"slices"
	"strings"
)

// Limits on a document. They are far above what any engine's default holds (about 25 rules, 450 names).
const (
	MaxSize   = 4 << 20     // bytes
	MaxYAML   = MaxSize / 2 // bytes of YAML; an object in a cluster's etcd has 1.5 MiB at most
	MaxDepth  = 32          // lists and objects inside each other
	MaxValues = 1 << 18     // lists, objects, texts and numbers together
	MaxRules  = 16384
	MaxNames  = 65536 // in all rules together
	MaxArgs   = 64    // in one rule; repeated indices are alternatives
	MaxBases  = 15    // profiles below a profile
)

// Profile is one document, whichever format it came from. Sets (names, architectures, flags, capabilities) are sorted and
// free of duplicates after Parse; rules keep their order, as the first of two contradicting rules is the one that runtimes use.
type Profile struct {
	Name string // what messages call it; no part of the document
	Base string // baseProfileName: the profile that this one stands on

	Default Action
	Errno   *Errno // of Default; nil where the document states none

	Arches  []Arch    // architectures
	ArchMap []ArchMap // archMap, instead of Arches: chosen by the machine's native architecture

	Flags            []Flag
	ListenerPath     string
	ListenerMetadata string

	Rules []Rule

	Object *Object // set where the document is a Kubernetes object
}

// Rule gives calls an action, whatever their arguments or where all of Args hold. Where Args repeats an index, its
// conditions are alternatives, each as a rule by itself, as runtimes read it.
type Rule struct {
	Names    []string
	Action   Action
	Errno    *Errno // of Action; nil where the document states none
	Args     []Arg
	Comment  string
	Includes Filter // the rule holds only where all that is stated here does
	Excludes Filter // the rule does not hold where anything that is stated here does
}

// Errno is the error number that ERRNO returns, or the message that TRACE passes to the tracer.
type Errno uint16

// Arg is a condition on one argument of a call.
type Arg struct {
	Index uint8 // 0 to 5
	Op    Op
	Value uint64 // MaskedEqual: the mask
	Two   uint64 // MaskedEqual: what the masked argument must be; otherwise without meaning
}

// Filter says where a rule holds: Docker's and containers/common's includes and excludes.
type Filter struct {
	Caps   []string // capabilities in the container's bounding set
	Arches []string // native architecture, as libseccomp calls it: amd64, arm64…
	Kernel Kernel   // minKernel: the kernel is at least this
}

func (f Filter) empty() bool { return len(f.Caps) == 0 && len(f.Arches) == 0 && f.Kernel == Kernel{} }

// ArchMap is an entry of archMap: where Arch is native, it and Sub are the profile's architectures.
type ArchMap struct {
	Arch Arch
	Sub  []Arch
}

// Object is what wraps a profile as an object of Kubernetes. What a cluster adds to it (status, uid, times) is not kept.
type Object struct {
	Version     string // of the API: v1 or v1beta1
	Name        string
	Namespace   string
	Labels      map[string]string
	Annotations map[string]string
	Disabled    bool // the operator does not install the profile
}

// Conditional says whether the profile's meaning depends on the machine: such a profile must be resolved before it can be
// written in a format that knows no conditions.
func (p *Profile) Conditional() bool {
	return len(p.ArchMap) > 0 || slices.Contains(p.Arches, ArchNative) ||
		slices.ContainsFunc(p.Rules, func(r Rule) bool { return !r.Includes.empty() || !r.Excludes.empty() })
}

// Format is the format that says all of the document with the least: SPO for a Kubernetes object, Docker where the meaning
// depends on the machine or rules have comments, OCI otherwise.
func (p *Profile) Format() Format {
	switch {
	case p.Object != nil:
		return SPO
	case p.Conditional() || slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Comment != "" }):
		return Docker
	}
	return OCI
}

// Format is one of the formats that documents have.
type Format uint8

// The formats.
const (
	OCI    Format = iota + 1 // linux.seccomp of the OCI runtime specification, JSON
	Docker                   // what Docker, Podman and CRI-O read, JSON: OCI and more
	SPO                      // SeccompProfile of the Security Profiles Operator, YAML
)

var formats = []string{OCI: "oci", Docker: "docker", SPO: "spo"}

// Formats lists the names of all formats.
func Formats() []string { return slices.Clone(formats[1:]) }

// ParseFormat finds a format by its name: oci, docker or spo.
func ParseFormat(name string) (Format, bool) {
	i := slices.Index(formats, name)
	return Format(max(i, 0)), i > 0
}

func (f Format) String() string {
	if f == 0 || int(f) >= len(formats) {
		return "unknown format"
	}
	return formats[f]
}

// normalise sorts what is a set.
func (p *Profile) normalise() {
	p.Arches = set(p.Arches, compareArch)
	for i := range p.ArchMap {
		p.ArchMap[i].Sub = set(p.ArchMap[i].Sub, compareArch)
	}
	p.Flags = set(p.Flags, cmp.Compare[Flag])
	for i := range p.Rules {
		r := &p.Rules[i]
		r.Names = set(r.Names, strings.Compare)
		for _, f := range []*Filter{&r.Includes, &r.Excludes} {
			f.Caps = set(f.Caps, strings.Compare)
			f.Arches = set(f.Arches, strings.Compare)
		}
	}
}

// set sorts a list and drops what is in it twice. An empty list becomes nil.
func set[T comparable](list []T, compare func(a, b T) int) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}

// label is how messages call a rule: its first names.
func (r *Rule) label() string {
	if len(r.Names) == 0 {
		return ""
	}
	if len(r.Names) == 1 {
		return clip(r.Names[0])
	}
	return clip(r.Names[0]) + "…"
}
