package policy

import (
	"fmt"
	"slices"
	"strings"

	"strata/internal/reference"
	"strata/internal/request"
)

// Decision is what is to be done with a container.
type Decision struct {
	// Record is nil when the container is not recorded.
	Record *request.Record
	// OnRecordFailure says what becomes of the container if recording fails.
	OnRecordFailure OnFailure
	// Profile is nil when the container keeps the profile that its engine gave it.
	Profile *Profile
	// Reasons say for each part of the decision what it follows from, for logs.
	Reasons []string
}

// Profile says what a container is to run under.
type Profile struct {
	// Layers of the stack, base first; unconfined alone is no profile.
	Layers []reference.Reference
	// Log says that what the stack denies is to be logged and done.
	Log bool
	// Tighten says that the stack restricts the profile that the engine gave, if
	// any, and does not replace it.
	Tighten bool
	// Ceiling is the profile that the result may not exceed, or nil.
	Ceiling *reference.Reference
}

// Decide grants a request or says why not: an error refuses the container.
func (p *Policy) Decide(r *request.Request) (*Decision, error) {
	d := &Decision{OnRecordFailure: p.Record.OnFailure}
	if r.Record != nil {
		if err := p.mayRecord(r.Record, r.Identity); err != nil {
			return nil, err
		}
		d.Record = r.Record
		d.because("record: annotation %s", r.Record.Key)
	}
	if err := p.giveProfile(d, r); err != nil {
		return nil, err
	}
	if d.Profile != nil && p.Profiles.Ceiling != nil {
		d.Profile.Ceiling = p.Profiles.Ceiling
		d.because("ceiling %v: %v", p.Profiles.Ceiling, p.Place("profiles.ceiling"))
	}
	return d, nil
}

func (d *Decision) because(format string, args ...any) {
	d.Reasons = append(d.Reasons, fmt.Sprintf(format, args...))
}

// refused names the annotation and what the administrator can change.
func refused(key, format string, args ...any) error {
	return fmt.Errorf("annotation %s: refused by this node's policy: %s", key, fmt.Sprintf(format, args...))
}

func (p *Policy) mayRecord(r *request.Record, id request.Identity) error {
	const where = Dir + "/" + mainFile
	switch {
	case id.Trust == request.Trusted && !p.Record.Podman:
		return refused(r.Key, "record.podman is false (%v)", p.Place("record.podman"))
	case id.Trust == request.Trusted:
		return nil
	case id.Kubernetes() && !matchAny(p.Record.Namespaces, id.Namespace):
		return refused(r.Key, "pods of namespace %s may not record; list it in record.namespaces of %s", id.Namespace, where)
	case !id.Kubernetes() && !p.Record.Others:
		return refused(r.Key, "containers outside Kubernetes may not record; set record.others in %s, or with Podman install its hook files", where)
	case r.Unconfined && !p.Record.Unconfined:
		return refused(r.Key, "a recorded container keeps its profile; set record.unconfined in %s", where)
	}
	return nil
}

func matchAny(patterns []Pattern, name string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Match(name) })
}

// giveProfile finds the profile: what is asked for, else what the container is bound
// to, else the default.
func (p *Policy) giveProfile(d *Decision, r *request.Request) error {
	bound := p.binding(r.Identity)
	asked := r.Stack
	if r.Record != nil && r.Record.Unconfined {
		if asked != nil {
			return fmt.Errorf("annotations %s and %s disagree: a container that is recorded unconfined has no stack", r.Record.Key, asked.Key)
		}
		asked = &request.Stack{Key: r.Record.Key, Layers: []reference.Reference{{Kind: reference.Unconfined}}}
	} else if asked != nil {
		if err := p.mayName(asked, r.Identity); err != nil {
			return err
		}
	}
	switch {
	case asked != nil:
		if bound != nil && r.Identity.Trust != request.Trusted && !bound.Override && !slices.Equal(bound.Stack, asked.Layers) {
			return refused(asked.Key, "it asks for %s and the container is bound to %s (%v)", names(asked.Layers), names(bound.Stack), bound.Place)
		}
		d.Profile = &Profile{Layers: asked.Layers}
		d.because("stack %s: annotation %s", names(asked.Layers), asked.Key)
	case bound != nil:
		d.Profile = &Profile{Layers: bound.Stack}
		d.because("stack %s: bound at %v", names(bound.Stack), bound.Place)
	case p.Profiles.Default.Profile != nil && !matchAny(p.Profiles.Exempt, r.Identity.Namespace):
		standard := p.Profiles.Default
		d.Profile = &Profile{Layers: []reference.Reference{*standard.Profile}, Log: standard.Log, Tighten: true}
		d.because("stack %v: the default at %v", standard, p.Place("profiles.default"))
	}
	return nil
}

// mayName checks the names that an untrusted request uses.
func (p *Policy) mayName(s *request.Stack, id request.Identity) error {
	if id.Trust == request.Trusted {
		return nil
	}
	rule := p.rule(id.Namespace)
	for _, layer := range s.Layers {
		if layer.Kind == reference.Path || !slices.ContainsFunc(rule.Profiles, func(p Pattern) bool { return matchProfile(p, layer) }) {
			return refused(s.Key, "profile %v is not among those that %s may name (%v: %s)", layer, whose(id), rule.Place, patterns(rule.Profiles))
		}
	}
	return nil
}

func whose(id request.Identity) string {
	if id.Kubernetes() {
		return "namespace " + id.Namespace
	}
	return "containers outside Kubernetes"
}

// rule returns the most specific rule about a namespace's profiles.
func (p *Policy) rule(namespace string) Allow {
	best := allowed
	for _, rule := range p.Allow {
		if rule.Namespace.Match(namespace) && rule.Namespace.rank() >= best.Namespace.rank() {
			best = rule
		}
	}
	return best
}

// binding returns the most specific binding of a container, or nil.
func (p *Policy) binding(id request.Identity) *Bind {
	var best *Bind
	for i := range p.Bind {
		b := &p.Bind[i]
		if b.matches(id.Namespace, id.Image) && (best == nil || b.compare(*best) > 0) {
			best = b
		}
	}
	return best
}

func names(layers []reference.Reference) string {
	texts := make([]string, len(layers))
	for i, layer := range layers {
		texts[i] = layer.String()
	}
	return strings.Join(texts, ",")
}

func patterns(all []Pattern) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = string(p)
	}
	return strings.Join(texts, ", ")
}
