package profile

import (
	"slices"

	"strata/internal/syscalls"
)

// Machine is what a profile's meaning can depend on.
type Machine struct {
	Native       syscalls.ABI
	Kernel       Kernel
	Capabilities []string // the container's bounding set, as CAP_…
}

// Resolved is what a profile says on one machine: no includes or excludes, no archMap.
type Resolved struct {
	Name    string
	Default Action
	Errno   *Errno

	Arches []Arch         // as stated, ArchNative replaced; nil where the profile states none
	ABIs   []syscalls.ABI // to evaluate: the native one, which every filter is about, and those of Arches

	Flags            []Flag
	ListenerPath     string
	ListenerMetadata string

	Rules []ResolvedRule
}

// ResolvedRule is a rule that holds on the machine.
type ResolvedRule struct {
	Rule
	Number int // in the document, from 1, as errors count
}

// Resolve applies what depends on the machine, in the way of moby and containers/common: a rule with includes holds where all
// capabilities, one of the architectures and the kernel fit; one with excludes does not hold where a capability, an
// architecture or the kernel fits. Architectures are compared with the native one, capabilities with the bounding set.
// (containers/common does not look at minKernel; moby does, and so do we.)
func (p *Profile) Resolve(m Machine) (*Resolved, Warnings, error) {
	if !m.Native.Valid() {
		return nil, nil, &Error{Profile: p.Name, Text: "cannot be resolved: this machine's architecture has no table of system calls"}
	}
	if p.Object != nil && p.Object.Disabled {
		return nil, nil, &Error{Profile: p.Name, Text: "is disabled: set spec.state to Enabled to use it"}
	}
	r := &Resolved{
		Name: p.Name, Default: p.Default, Errno: p.Errno, Flags: p.Flags,
		ListenerPath: p.ListenerPath, ListenerMetadata: p.ListenerMetadata,
		Arches: p.archesOn(m.Native), ABIs: []syscalls.ABI{m.Native},
	}
	var ws Warnings
	for _, a := range r.Arches {
		abi, ok := a.ABI()
		if !ok {
			ws = append(ws, Warning{NotEvaluated, Error{Profile: p.Name, Text: "architecture " + string(a) + " is kept, but what the profile says there is not evaluated"}})
			continue
		}
		r.ABIs = append(r.ABIs, abi)
	}
	slices.Sort(r.ABIs)
	r.ABIs = slices.Compact(r.ABIs)
	for i, rule := range p.Rules {
		if rule.Includes.includes(m) && !rule.Excludes.excludes(m) {
			rule.Includes, rule.Excludes = Filter{}, Filter{}
			r.Rules = append(r.Rules, ResolvedRule{rule, i + 1})
		}
	}
	return r, ws, nil
}

// archesOn are the architectures that a profile states on a machine.
func (p *Profile) archesOn(machine syscalls.ABI) []Arch {
	stated := p.Arches
	for _, m := range p.ArchMap {
		if m.Arch == Arch(machine.Arch()) {
			stated = slices.Concat([]Arch{m.Arch}, m.Sub)
		}
	}
	stated = slices.Clone(stated)
	for i, a := range stated {
		if a == ArchNative {
			stated[i] = Arch(machine.Arch())
		}
	}
	return set(stated, compareArch)
}

func (f Filter) includes(m Machine) bool {
	missing := func(c string) bool { return !slices.Contains(m.Capabilities, c) }
	return !slices.ContainsFunc(f.Caps, missing) &&
		(len(f.Arches) == 0 || slices.Contains(f.Arches, native(m.Native))) &&
		(f.Kernel == Kernel{} || m.Kernel.AtLeast(f.Kernel))
}

func (f Filter) excludes(m Machine) bool {
	held := func(c string) bool { return slices.Contains(m.Capabilities, c) }
	return slices.ContainsFunc(f.Caps, held) ||
		slices.Contains(f.Arches, native(m.Native)) ||
		f.Kernel != Kernel{} && m.Kernel.AtLeast(f.Kernel)
}

// Profile is a document that says the same on every machine of the kind. Every format can say it.
func (r *Resolved) Profile() *Profile {
	p := &Profile{
		Name: r.Name, Default: r.Default, Errno: r.Errno, Arches: r.Arches, Flags: r.Flags,
		ListenerPath: r.ListenerPath, ListenerMetadata: r.ListenerMetadata,
	}
	for _, rule := range r.Rules {
		p.Rules = append(p.Rules, rule.Rule)
	}
	return p
}
