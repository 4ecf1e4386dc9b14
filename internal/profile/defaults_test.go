package profile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/containers/common/pkg/seccomp"

	"strata/internal/profile/profiletest"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// machines are what the defaults are resolved for.
var machines = []struct {
	name string
	Machine
}{
	{"amd64 without capabilities", Machine{syscalls.X86_64, Kernel{6, 12}, nil}},
	{"amd64 with CAP_SYS_ADMIN", Machine{syscalls.X86_64, Kernel{6, 12}, []string{"CAP_SYS_ADMIN"}}},
	{"amd64 with all capabilities", Machine{syscalls.X86_64, Kernel{6, 12}, capabilities}},
	{"amd64 with an old kernel", Machine{syscalls.X86_64, Kernel{4, 4}, nil}},
	{"arm64 without capabilities", Machine{syscalls.AArch64, Kernel{6, 12}, nil}},
}

func eachDefault(t *testing.T, check func(*testing.T, *Profile, []byte)) {
	all, err := profiletest.Defaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		t.Run(d.Name, func(t *testing.T) {
			p, ws, err := Parse(d.Name, d.Data)
			if err != nil {
				t.Fatal(err)
			}
			if err := ws.Strict(); err != nil {
				t.Error(err)
			}
			check(t, p, d.Data)
		})
	}
}

// A default written by us is read by others as the one it was read from.
func TestDefaultsKeepTheirMeaning(t *testing.T) {
	eachDefault(t, func(t *testing.T, p *Profile, original []byte) {
		data, _, err := p.Write(Docker)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := Parse(p.Name, data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, p) {
			t.Errorf("reads back as something else:\n%s", data)
		}
		if again, _, err := back.Write(Docker); err != nil || !bytes.Equal(again, data) {
			t.Errorf("has other bytes when written again: %v", err)
		}
		if got, want := asContainersCommon(t, data), asContainersCommon(t, original); !reflect.DeepEqual(got, want) {
			t.Errorf("containers/common reads it as something else:\n%s", data)
		}
	})
}

// asContainersCommon reads a document with the types of containers/common, which Podman and CRI-O use, and sorts what is a set.
func asContainersCommon(t *testing.T, data []byte) seccomp.Seccomp {
	t.Helper()
	var p seccomp.Seccomp
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	p.DefaultErrno = ""
	slices.Sort(p.Architectures)
	for i := range p.ArchMap {
		slices.Sort(p.ArchMap[i].SubArches)
	}
	for _, r := range p.Syscalls {
		if r.Name != "" {
			r.Name, r.Names = "", append(r.Names, r.Name)
		}
		slices.Sort(r.Names)
		r.Names = slices.Compact(r.Names)
		if e, ok := ParseErrno(r.Errno); ok {
			n := uint(e)
			r.Errno, r.ErrnoRet = "", &n
		}
		if len(r.Args) == 0 {
			r.Args = nil
		}
		for _, list := range [][]string{r.Includes.Caps, r.Includes.Arches, r.Excludes.Caps, r.Excludes.Arches} {
			slices.Sort(list)
		}
	}
	return p
}

// What is resolved fits every format, and reads back as the same rules.
func TestDefaultsResolve(t *testing.T) {
	eachDefault(t, func(t *testing.T, p *Profile, _ []byte) {
		for _, m := range machines {
			r, ws, err := p.Resolve(m.Machine)
			if err != nil || len(ws) > 0 {
				t.Fatalf("%s: %v, %v", m.name, ws, err)
			}
			want := setOf(t, r)
			for _, f := range []Format{OCI, Docker, SPO} {
				flat := r.Profile()
				data, _, err := flat.Write(f)
				if err != nil {
					t.Fatalf("%s as %s: %v", m.name, f, err)
				}
				back, _, err := Parse(p.Name, data)
				if err != nil {
					t.Fatalf("%s as %s: %v", m.name, f, err)
				}
				if f == SPO {
					back.Errno = flat.Errno // which that format cannot say
				}
				again, _, err := back.Resolve(m.Machine)
				if err != nil {
					t.Fatal(err)
				}
				if equal, w, err := ruleset.Equal(want, setOf(t, again)); err != nil || !equal {
					t.Errorf("%s as %s: %v, %v", m.name, f, w, err)
				}
			}
		}
	})
}

func setOf(t *testing.T, r *Resolved) *ruleset.Set {
	t.Helper()
	set, err := r.Set(ruleset.Options{Overlap: ruleset.Strictest})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Which rules do not hold, as moby v0.2.3 and containers/common v0.64.2 find by their own code, which agree, on amd64 with Linux 6.18.
func TestResolvesAsEngines(t *testing.T) {
	dropped := map[string]map[string][]int{
		"containers-common": {
			"":                        {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 36, 38, 40},
			"CAP_SYS_ADMIN":           {8, 9, 12, 13, 14, 17, 18, 20, 22, 24, 26, 28, 30, 36, 37, 38, 39, 40},
			"CAP_AUDIT_WRITE CAP_BPF": {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 33, 34, 35, 37, 39, 40},
		},
		"podman-common": {
			"":                        {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 36, 38, 40},
			"CAP_SYS_ADMIN":           {8, 9, 12, 13, 14, 17, 18, 20, 22, 24, 26, 28, 30, 36, 37, 38, 39, 40},
			"CAP_AUDIT_WRITE CAP_BPF": {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 33, 34, 35, 37, 39, 40},
		},
		"moby": {
			"":                        {11, 12, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33},
			"CAP_SYS_ADMIN":           {11, 12, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33},
			"CAP_AUDIT_WRITE CAP_BPF": {11, 12, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 33},
		},
		"crio": {
			"":                        {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 36, 38, 40, 41},
			"CAP_SYS_ADMIN":           {8, 9, 12, 13, 14, 17, 18, 20, 22, 24, 26, 28, 30, 36, 37, 38, 39, 40, 43, 44},
			"CAP_AUDIT_WRITE CAP_BPF": {8, 9, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 33, 34, 35, 37, 40, 41},
		},
	}
	compared := 0
	eachDefault(t, func(t *testing.T, p *Profile, _ []byte) {
		for caps, want := range dropped[p.Name] {
			compared++
			r, _, err := p.Resolve(Machine{syscalls.X86_64, Kernel{6, 18}, strings.Fields(caps)})
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for i := range p.Rules {
				if !slices.ContainsFunc(r.Rules, func(k ResolvedRule) bool { return k.Number == i+1 }) {
					got = append(got, i+1)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("with %q: rules %v are dropped, want %v", caps, got, want)
			}
			if want := []Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}; !slices.Equal(r.Arches, want) {
				t.Errorf("architectures %v, want %v", r.Arches, want)
			}
		}
	})
	if compared != 12 {
		t.Errorf("%d comparisons, want 12", compared)
	}
}

// A document made of a default's set says the same as the default.
func TestDefaultsThroughSets(t *testing.T) {
	eachDefault(t, func(t *testing.T, p *Profile, _ []byte) {
		for _, m := range machines {
			r, _, err := p.Resolve(m.Machine)
			if err != nil {
				t.Fatal(err)
			}
			set := setOf(t, r)
			rules, err := set.Rules(ruleset.Short)
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			data, _, err := FromRules(p.Name, set.Fallback(), set.ABIs(), rules).Write(OCI)
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := Parse(p.Name, data)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := back.Resolve(m.Machine)
			if err != nil {
				t.Fatal(err)
			}
			other, err := again.Set(ruleset.Options{})
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			equal, w, err := ruleset.Equal(set, other)
			if err != nil || !equal {
				t.Errorf("%s: %v, %v", m.name, w, err)
			}
		}
	})
}

func TestRuntimeDefaultIsTheLibrarys(t *testing.T) {
	data, err := json.Marshal(seccomp.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := Parse(RuntimeDefault, data)
	if err != nil {
		t.Fatal(err)
	}
	builtin, ok := Builtin(RuntimeDefault)
	if !ok {
		t.Fatal("not built in")
	}
	got, ws, err := Parse(RuntimeDefault, builtin)
	if err != nil || len(ws) > 0 {
		t.Fatal(ws, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the built-in default is not the library's")
	}
}
