package stack

import (
	"slices"
	"testing"
)

// Engines drop a denial that is the default action anyway: it does not stay when a child allows the call.
func TestDroppedDenialsAreWarnedOf(t *testing.T) {
	const child = "ERRNO/38; mount,read ALLOW; personality ALLOW 0 EQ 8"
	const mount = `profile "a": rule 2 (mount): it says the profile's default action, so it says nothing, and "b" allows mount`
	for _, c := range []struct {
		name string
		plan Plan
		want []string
	}{
		{"one denial", Plan{Layers: chains(t, 'a', "ERRNO/1; write ALLOW; mount,umount2 ERRNO/1", child)}, []string{mount}},
		{"more", Plan{Layers: chains(t, 'a', "ERRNO/1; write ALLOW; mount,personality,read ERRNO/1", child)}, []string{
			`profile "a": rule 2 (mount): it says the profile's default action, so it says nothing, and "b" allows read, personality, mount`}},
		{"of some arguments", Plan{Layers: chains(t, 'a', "KILL_PROCESS; personality KILL_PROCESS 0 EQ 8; read KILL_PROCESS 0 EQ 7", child)}, []string{
			`profile "a": rule 1 (personality): it says the profile's default action, so it says nothing, and "b" allows personality`,
			`profile "a": rule 2 (read): it says the profile's default action, so it says nothing, and "b" allows read`}},
		{"another number stays", Plan{Layers: chains(t, 'a', "ERRNO/1; mount ERRNO/38", child)}, nil},
		{"allowed twice", Plan{Layers: chains(t, 'a', "ALLOW; mount ALLOW", child)}, nil},
		{"not allowed", Plan{Layers: chains(t, 'a', "ERRNO/1; reboot ERRNO/1", child)}, nil},
		{"another layer denies it", Plan{Layers: chains(t, 'a', "ERRNO/1; write ALLOW; mount ERRNO/1", child, "ERRNO/38; mount TRAP")}, nil},
		{"a ceiling denies it", Plan{Layers: chains(t, 'a', "ERRNO/1; write ALLOW; mount ERRNO/1", child), Ceilings: chains(t, 'x', "ALLOW; mount ERRNO/1")}, nil},
		{"the child's own", Plan{Layers: chains(t, 'a', "ERRNO/1; mount ALLOW", "ERRNO/1; mount ERRNO/1")}, nil},
		{"the child wins", Plan{Layers: chains(t, 'a', "ERRNO/1; mount ERRNO/1", child), ChildWins: true}, nil},
	} {
		c.plan.Machine = amd64
		s, err := c.plan.Build()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, w := range s.Warnings {
			got = append(got, w.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
