package stack

import (
	"slices"
	"testing"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/profile/profiletest"
	"strata/internal/ruleset"
)

// Every engine's default stacked on and held below every other one, for containers
// with and without capabilities: the result is proven, and within its ceiling. The
// defaults hold rules that contradict each other, so they are read strictly.
func TestDefaultsInPairs(t *testing.T) {
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
		if len(p.Arches) == 0 || slices.Contains(p.Arches, profile.Arch(amd64.Native.Arch())) {
			profiles = append(profiles, p)
		}
	}
	if len(profiles) < 5 {
		t.Fatalf("only %d defaults", len(profiles))
	}
	for i, capabilities := range [][]string{nil, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_NET_ADMIN"}} {
		machine := amd64
		machine.Capabilities = capabilities
		for a, base := range profiles {
			for b, child := range profiles {
				stacked := Plan{Layers: [][]*profile.Profile{{base}, {child}}, Machine: machine, Overlap: ruleset.Strictest}
				below := Plan{Layers: [][]*profile.Profile{{child}}, Ceilings: [][]*profile.Profile{{base}}, Machine: machine, Overlap: ruleset.Strictest}
				// A proof takes a while, so each pair is proven in one of six ways.
				provenStack(t, stacked, (a+b+3*i)%6 == 0)
				limited := provenStack(t, below, (a+b+3*i)%6 == 3)
				if limited == nil {
					continue
				}
				ceiling, err := Plan{Layers: [][]*profile.Profile{{base}}, Machine: machine, Overlap: ruleset.Strictest}.Build()
				if err != nil {
					t.Fatal(err)
				}
				if ok, witness, err := ruleset.Within(limited.Set, ceiling.Set); !ok || err != nil {
					t.Errorf("%s below %s: %v, %v", child.Name, base.Name, witness, err)
				}
			}
		}
	}
}

// provenStack builds a stack and may have its filter proven.
func provenStack(t *testing.T, p Plan, prove bool) *Stack {
	t.Helper()
	s, err := p.Build()
	if err != nil {
		t.Errorf("%v: %v", plan(p), err)
		return nil
	}
	tight, _, err := ruleset.Writable(s.Set)
	if err != nil {
		t.Errorf("%v: %v", plan(p), err)
		return s
	}
	if ok, witness, err := ruleset.Within(tight, s.Set); !ok || err != nil {
		t.Errorf("%v: what is written is wider: %v, %v", plan(p), witness, err)
	}
	if prove {
		if _, err := filter.Proven(tight, filter.Options{}); err != nil {
			t.Errorf("%v: %v", plan(p), err)
		}
	}
	return s
}

// plan names a plan for messages.
func plan(p Plan) string {
	text := ""
	for _, l := range p.Layers {
		text += l[0].Name + " "
	}
	for _, c := range p.Ceilings {
		text += "below " + c[0].Name
	}
	return text
}
