package recording

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"strata/internal/profile"
	"strata/internal/syscalls"
	"strata/profiles"
)

// bases are the runtimes with a measured base.
var bases = []string{"runc", "crun"}

// baseOf lists the calls that a runtime needs to start a container: those of all runtimes if it is not known which one
// it is, since a profile that starts no container is no use.
func baseOf(runtime string) ([]string, error) {
	of := bases
	if slices.Contains(bases, runtime) {
		of = []string{runtime}
	}
	var names []string
	for _, name := range of {
		data, found := profiles.Base(name)
		if !found {
			return nil, fmt.Errorf("runtime base %s is missing from this binary", name)
		}
		var base struct {
			Syscalls []struct{ Names []string }
		}
		if err := json.Unmarshal(data, &base); err != nil {
			return nil, fmt.Errorf("runtime base %s: %w", name, err)
		}
		for _, rule := range base.Syscalls {
			names = append(names, rule.Names...)
		}
	}
	return sorted(names), nil
}

// document is the profile: what was seen and what the runtime needs, on top of the input if there is one. The same
// metadata always gives the same bytes.
func (m *Metadata) document(input *Input) ([]byte, error) {
	errno := profile.Errno(unix.ENOSYS)
	p := &profile.Profile{Default: profile.Fail, Errno: &errno}
	if input != nil {
		given, err := input.parse()
		if err != nil {
			return nil, err
		}
		if denies(given.Default) {
			p.Default, p.Errno = given.Default, given.Errno
		}
		given.Default, given.Errno = p.Default, p.Errno
		p = given
	}
	names := m.names()
	m.Kept = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !limited(p, name) })
	fresh := slices.DeleteFunc(names, func(name string) bool { return named(p, name) })
	if len(fresh) > 0 {
		p.Rules = append(p.Rules, profile.Rule{Names: fresh, Action: profile.Allow})
	}
	if len(p.ArchMap) == 0 {
		p.Arches = once(append(p.Arches, m.architectures()...))
	}
	data, _, err := p.Write(p.Format())
	return data, err
}

// parse reads the input. Its bases are not followed: what they block is not known here.
func (in *Input) parse() (*profile.Profile, error) {
	p, _, err := profile.Parse(filepath.Base(in.Path), in.Profile)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", in.Path, err)
	}
	if p.Base != "" {
		return nil, fmt.Errorf("input %s: it stands on %q: join them first (strata stack)", in.Path, p.Base)
	}
	p.Object = nil
	return p, nil
}

// denies says whether calls do not run under an action.
func denies(action profile.Action) bool {
	return slices.Contains([]profile.Action{profile.Fail, profile.Trap, profile.KillThread, profile.KillProcess}, action)
}

// named says whether a profile has a rule for a call. Such a call keeps its rules: what they block stays blocked.
func named(p *profile.Profile, name string) bool {
	return slices.ContainsFunc(p.Rules, func(r profile.Rule) bool { return slices.Contains(r.Names, name) })
}

// limited says whether a profile has rules for a call and none of them allows it whatever its arguments.
func limited(p *profile.Profile, name string) bool {
	return named(p, name) && !slices.ContainsFunc(p.Rules, func(r profile.Rule) bool {
		return slices.Contains(r.Names, name) && r.Action == profile.Allow && len(r.Args) == 0
	})
}

// names are all calls that the profile allows.
func (m *Metadata) names() []string {
	names := slices.Clone(m.Base)
	for _, call := range m.Calls {
		if call.Name != "" {
			names = append(names, call.Name)
		}
	}
	return sorted(names)
}

// architectures lists those that were used, and no others.
func (m *Metadata) architectures() []profile.Arch {
	var list []profile.Arch
	for _, abi := range syscalls.ABIs() {
		if slices.ContainsFunc(m.Calls, func(c Call) bool { return c.ABI == abi.String() }) {
			list = append(list, profile.Arch(abi.Arch()))
		}
	}
	return list
}

// once leaves out what is in the list already and keeps its order.
func once(list []profile.Arch) []profile.Arch {
	var kept []profile.Arch
	for _, arch := range list {
		if !slices.Contains(kept, arch) {
			kept = append(kept, arch)
		}
	}
	return kept
}
