// Package enforce gives a container the profile that was decided for it, or makes sure that it has it.
//
// The layers are stacked, what libseccomp compiles of the result is proven, and linux.seccomp of the container's
// configuration is replaced by it. A proof takes several times as long as all the rest, so another program makes it
// (prover.go), and what was proven is kept for the next container with the same layers (proven.go).
//
// The package knows decisions and configurations. It must never know who asked, or at which stage of which engine it is
// called.
package enforce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"strata/internal/bundle"
	"strata/internal/policy"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// DefaultState is the state directory of an installed Strata.
const DefaultState = "/run/strata"

// Node is where profiles come from and where what was proven is kept.
type Node struct {
	// State is the directory of what lives as long as the machine runs.
	State string
	// Prover makes and proves what was not proven before.
	Prover Prover
	// Library finds profiles.
	Library stack.Library
}

// On is a node with a state directory and a policy. Trusted says that profiles may name their bases by path.
func On(state string, prover Prover, p *policy.Policy, trusted bool) Node {
	return Node{state, prover, stack.Library{Dirs: p.Profiles.Dirs, SeccompRoot: p.Profiles.SeccompRoot, Trusted: trusted}}
}

// Enforced is what a container runs under.
type Enforced struct {
	// Layers of the stack and profiles that it does not exceed, the undermost first, bases included.
	Layers   []string `json:"layers"`
	Ceilings []string `json:"ceilings,omitempty"`
	// Profile is the value of linux.seccomp, nil for a container without a filter.
	Profile json.RawMessage `json:"profile,omitempty"`
	// Instructions of the proven filter.
	Instructions int `json:"instructions,omitempty"`
	// Notes are for the node's administrator. What was proven before has none: they were there then.
	Notes []string `json:"notes,omitempty"`
}

func (e *Enforced) String() string {
	text := strings.Join(e.Layers, ",")
	if len(e.Ceilings) > 0 {
		text += " below " + strings.Join(e.Ceilings, ",")
	}
	return text
}

// Apply is the configuration with the profile that was decided for its container.
func (n Node) Apply(c *bundle.Config, p *policy.Profile) (*bundle.Config, *Enforced, error) {
	enforced, err := n.stack(c, p)
	if err != nil {
		return nil, nil, err
	}
	c, err = c.WithSeccomp(enforced.Profile)
	return c, enforced, err
}

// ErrNotEnforced is in the chain of errors about containers that would not run under the profile decided for them.
var ErrNotEnforced = errors.New("it is not what the container would run under: " +
	"use Strata's precreate hook (Podman) or make strata-runtime the engine's runtime (CRI-O, containerd, Docker)")

// Verify makes sure that a configuration holds the profile that was decided for its container. It is compared by what
// it means, so an engine that applied the same profile by itself is as good.
func (n Node) Verify(c *bundle.Config, p *policy.Profile) (*Enforced, error) {
	want, err := n.stack(c, p)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(want.Profile, c.Seccomp) {
		return want, nil
	}
	has, err := engines(c)
	if err != nil {
		return nil, err
	}
	difference, err := compare(want, has, machine(c))
	if err != nil {
		return nil, err
	}
	if difference != "" {
		return nil, fmt.Errorf("profile %v: %s: %w", want, difference, ErrNotEnforced)
	}
	return want, nil
}

// compare says what a profile, nil for none, does that is not wanted, or "".
func compare(want *Enforced, has *profile.Profile, m profile.Machine) (string, error) {
	switch {
	case want.Profile == nil && has == nil:
		return "", nil
	case want.Profile == nil:
		return "config.json has a filter", nil
	case has == nil:
		return "config.json has no filter", nil
	}
	wanted, _, err := profile.Parse("the stack", want.Profile)
	if err != nil {
		return "", err
	}
	if !slices.Equal(wanted.Flags, has.Flags) || wanted.ListenerPath != has.ListenerPath || wanted.ListenerMetadata != has.ListenerMetadata {
		return "flags or listener in config.json are others", nil
	}
	var sets [2]*ruleset.Set
	for i, p := range []*profile.Profile{has, wanted} {
		resolved, _, err := p.Resolve(m)
		if err != nil {
			return "", err
		}
		// Rules that contradict each other are refused: which of them holds is up to libseccomp's inner order.
		if sets[i], err = ruleset.Read(resolved.Source(), ruleset.Options{}); errors.Is(err, ruleset.ErrContradiction) {
			return err.Error(), nil
		} else if err != nil {
			return "", err
		}
	}
	equal, witness, err := ruleset.Equal(sets[0], sets[1])
	if err != nil || equal {
		return "", err
	}
	return "by config.json " + witness.String(), nil
}

// stack makes what is decided, or finds it among what was made and proven before.
func (n Node) stack(c *bundle.Config, p *policy.Profile) (*Enforced, error) {
	if err := refuseOverrides(c); err != nil {
		return nil, err
	}
	prover, err := n.Prover.identity()
	if err != nil {
		return nil, err
	}
	if enforced := n.recall(keyOf(c, p, prover), p); enforced != nil {
		return enforced, nil
	}
	plan, documents, warnings, err := n.plan(c, p)
	if err != nil {
		return nil, err
	}
	enforced, err := n.Prover.stack(plan)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, w := range warnings {
		notes = append(notes, w.String())
	}
	enforced.Notes = append(notes, enforced.Notes...)
	keys := []string{keyOf(c, p, prover)}
	if p.Tighten { // what is restricted already is not changed: that is what Verify asks
		if c, err = c.WithSeccomp(enforced.Profile); err != nil {
			return nil, err
		}
		keys = append(keys, keyOf(c, p, prover))
	}
	for _, key := range keys {
		if err := n.remember(key, proven{documents, enforced}); err != nil {
			enforced.Notes = append(enforced.Notes, fmt.Sprintf("the proof is not kept for the next container: %v", err))
		}
	}
	return enforced, nil
}

// plan reads what is to be stacked. The documents are those of the layers and of the ceiling.
func (n Node) plan(c *bundle.Config, p *policy.Profile) (plan stack.Plan, documents [][]document, warnings profile.Warnings, err error) {
	plan = stack.Plan{Machine: machine(c), Log: p.Log}
	if p.Tighten {
		// Both restrict each other, so what the engine gave may as well be the ceiling: its denials are never logged only.
		given, err := engines(c)
		if err != nil {
			return plan, nil, nil, err
		}
		if given != nil {
			plan.Ceilings = append(plan.Ceilings, []*profile.Profile{given})
			// Engines' own defaults hold rules that contradict each other. Of those the strictest is no less than what the
			// container would have had.
			plan.Overlap = ruleset.Strictest
		}
	}
	for i, r := range references(p) {
		library := n.library(r)
		var read []document
		chain, more, err := profile.Load(r.String(), func(name string) ([]byte, error) {
			data, err := library.Document(name)
			read = append(read, newDocument(name, data))
			return data, err
		})
		isLayer := i < len(p.Layers)
		switch {
		case err != nil && isLayer:
			return plan, nil, nil, err
		case err != nil:
			return plan, nil, nil, fmt.Errorf("ceiling: %w", err)
		case isLayer:
			plan.Layers = append(plan.Layers, chain)
		default:
			plan.Ceilings = append(plan.Ceilings, chain)
		}
		documents, warnings = append(documents, read), append(warnings, more...)
	}
	return plan, documents, warnings, nil
}

// references are the layers, base first, and then the ceiling if there is one.
func references(p *policy.Profile) []reference.Reference {
	if p.Ceiling == nil {
		return p.Layers
	}
	return append(slices.Clone(p.Layers), *p.Ceiling)
}

// library is where a profile and its bases are looked for. Paths are only the policy's or of somebody trusted; what such
// a file names is as good.
func (n Node) library(r reference.Reference) stack.Library {
	library := n.Library
	library.Trusted = library.Trusted || r.Kind == reference.Path
	return library
}

// given is how messages call the profile that the engine gave to a container.
const given = "the engine's profile"

// engines is the profile in a configuration, nil for none. Runtimes take one without a default action and without
// rules for none.
func engines(c *bundle.Config) (*profile.Profile, error) {
	if c.Seccomp == nil {
		return nil, nil
	}
	var shape struct {
		DefaultAction string            `json:"defaultAction"`
		Syscalls      []json.RawMessage `json:"syscalls"`
	}
	if err := json.Unmarshal(c.Seccomp, &shape); err != nil {
		return nil, fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	if shape.DefaultAction == "" && len(shape.Syscalls) == 0 {
		return nil, nil
	}
	p, _, err := profile.Parse(given, c.Seccomp)
	if err != nil {
		return nil, fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	return p, nil
}

// machine is this one, with the container's capabilities.
func machine(c *bundle.Config) profile.Machine {
	m := profile.Machine{Native: syscalls.Host(), Capabilities: c.Bounding}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil { // it fails for a bad address only
		m.Kernel, _ = profile.ParseRelease(unix.ByteSliceToString(name.Release[:])) // a release without a version states none
	}
	return m
}
