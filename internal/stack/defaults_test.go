package stack

import (
	"fmt"
	"slices"
	"testing"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/profile/profiletest"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// Containers that the defaults are stacked for: their machines and capabilities.
var containers = []struct {
	name    string
	machine profile.Machine
}{
	{"amd64 without capabilities", profile.Machine{Native: syscalls.X86_64, Kernel: profile.Kernel{Major: 6, Minor: 12}}},
	{"amd64 with Podman's", profile.Machine{Native: syscalls.X86_64, Kernel: profile.Kernel{Major: 6, Minor: 12}, Capabilities: []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
		"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}}},
	{"amd64 with an administrator's", profile.Machine{Native: syscalls.X86_64, Kernel: profile.Kernel{Major: 6, Minor: 12}, Capabilities: []string{
		"CAP_AUDIT_WRITE", "CAP_BPF", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_SYS_TIME",
	}}},
	{"arm64 with CAP_SYS_ADMIN", profile.Machine{Native: syscalls.AArch64, Kernel: profile.Kernel{Major: 6, Minor: 12}, Capabilities: []string{"CAP_SYS_ADMIN"}}},
}

// Every engine's default stacked on and held below every other one and itself: every filter is proven, and no result
// that is held below something exceeds it. The defaults hold rules that contradict each other, so they are read strictly.
func TestDefaultsInPairs(t *testing.T) {
	used := map[string]bool{}
	for _, c := range containers {
		t.Run(c.name, func(t *testing.T) {
			profiles := defaultsFor(t, c.machine.Native)
			proven := proofs{}
			for _, base := range profiles {
				used[base.Name] = true
				for _, child := range profiles {
					made := map[string]*ruleset.Set{}
					for name, plan := range map[string]Plan{
						child.Name + " on " + base.Name:    {Layers: [][]*profile.Profile{{base}, {child}}},
						child.Name + " below " + base.Name: {Layers: [][]*profile.Profile{{child}}, Ceilings: [][]*profile.Profile{{base}}},
						child.Name:                         {Layers: [][]*profile.Profile{{child}}},
						base.Name:                          {Layers: [][]*profile.Profile{{base}}},
					} {
						plan.Machine, plan.Overlap = c.machine, ruleset.Strictest
						made[name] = proven.stack(t, name, plan)
					}
					below := made[child.Name+" below "+base.Name]
					for _, limit := range []*profile.Profile{base, child} {
						if ok, witness, err := ruleset.Within(below, made[limit.Name]); !ok || err != nil {
							t.Errorf("%s below %s exceeds %s: %v, %v", child.Name, base.Name, limit.Name, witness, err)
						}
					}
				}
			}
			t.Logf("%d profiles, %d different filters", len(profiles), len(proven))
		})
	}
	if len(used) != 8 {
		t.Errorf("%d of the 8 defaults were stacked: %v", len(used), used)
	}
}

// defaultsFor are the engines' defaults that can be used on a machine.
func defaultsFor(t *testing.T, native syscalls.ABI) []*profile.Profile {
	t.Helper()
	all, err := profiletest.Defaults()
	if err != nil {
		t.Fatal(err)
	}
	var profiles []*profile.Profile
	for _, d := range all {
		p, _, err := profile.Parse(d.Name, d.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Arches) == 0 || slices.Contains(p.Arches, profile.Arch(native.Arch())) {
			profiles = append(profiles, p)
		}
	}
	return profiles
}

// proofs remembers the rules whose filters were proven: many pairs come to the same.
type proofs map[string]bool

// stack builds a stack and proves the filter of what is written of it, which it returns.
func (done proofs) stack(t *testing.T, name string, p Plan) *ruleset.Set {
	t.Helper()
	s, err := p.Build()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	tight, _, err := ruleset.Writable(s.Set)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if ok, witness, err := ruleset.Within(tight, s.Set); !ok || err != nil {
		t.Errorf("%s: what is written is wider: %v, %v", name, witness, err)
	}
	rules, err := tight.Rules(ruleset.Short)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	key := fmt.Sprintf("%v %v %v", tight.Fallback(), tight.ABIs(), rules)
	if done[key] {
		return tight
	}
	done[key] = true
	if _, err := filter.Proven(tight, filter.Options{}); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return tight
}

// What is read of an engine's default is what the engine installs, its rules added as they stand in it.
func TestDefaultsAreReadAsEnginesCompileThem(t *testing.T) {
	compared := 0
	for _, c := range containers {
		for _, p := range defaultsFor(t, c.machine.Native) {
			r, _, err := p.Resolve(c.machine)
			if err != nil {
				t.Fatal(err)
			}
			set, err := r.Set(ruleset.Options{Overlap: ruleset.Strictest})
			if err != nil {
				t.Fatal(err)
			}
			source := r.Source()
			compiled, err := filter.Compile(source.Default, source.Rules, source.ABIs, filter.Options{})
			if err != nil {
				t.Fatalf("%s: %s: %v", c.name, p.Name, err)
			}
			if err := filter.Prove(set, compiled); err != nil {
				t.Errorf("%s: %s: %v", c.name, p.Name, err)
			}
			compared++
		}
	}
	if compared != 26 {
		t.Errorf("%d defaults were compared, want 7 for each of three containers and 5 on arm64", compared)
	}
}
