package profile

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

func TestResolveRules(t *testing.T) {
	all := Filter{Caps: []string{"CAP_BPF", "CAP_SYS_ADMIN"}}
	for _, c := range []struct {
		name               string
		includes, excludes Filter
		machine            Machine
		holds              bool
	}{
		{"nothing stated", Filter{}, Filter{}, Machine{}, true},
		{"all capabilities", all, Filter{}, Machine{Capabilities: []string{"CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_BPF"}}, true},
		{"one capability of two", all, Filter{}, Machine{Capabilities: []string{"CAP_SYS_ADMIN"}}, false},
		{"no capability", all, Filter{}, Machine{}, false},
		{"one excluded capability of two", Filter{}, all, Machine{Capabilities: []string{"CAP_BPF"}}, false},
		{"no excluded capability", Filter{}, all, Machine{Capabilities: []string{"CAP_CHOWN"}}, true},
		{"one architecture of two", Filter{Arches: []string{"amd64", "arm64"}}, Filter{}, Machine{}, true},
		{"not the native architecture", Filter{Arches: []string{"x86", "x32"}}, Filter{}, Machine{}, false},
		{"other native architecture", Filter{Arches: []string{"arm64"}}, Filter{}, Machine{Native: syscalls.AArch64}, true},
		{"excluded architecture", Filter{}, Filter{Arches: []string{"amd64", "s390x"}}, Machine{}, false},
		{"same kernel", Filter{Kernel: Kernel{5, 10}}, Filter{}, Machine{Kernel: Kernel{5, 10}}, true},
		{"newer minor", Filter{Kernel: Kernel{5, 9}}, Filter{}, Machine{Kernel: Kernel{5, 10}}, true},
		{"newer major", Filter{Kernel: Kernel{5, 9}}, Filter{}, Machine{Kernel: Kernel{6, 1}}, true},
		{"older minor", Filter{Kernel: Kernel{5, 10}}, Filter{}, Machine{Kernel: Kernel{5, 9}}, false},
		{"older major", Filter{Kernel: Kernel{5, 1}}, Filter{}, Machine{Kernel: Kernel{4, 19}}, false},
		{"excluded kernel", Filter{}, Filter{Kernel: Kernel{5, 1}}, Machine{Kernel: Kernel{5, 1}}, false},
		{"older than excluded", Filter{}, Filter{Kernel: Kernel{5, 2}}, Machine{Kernel: Kernel{5, 1}}, true},
		{"included and excluded", all, all, Machine{Capabilities: []string{"CAP_SYS_ADMIN", "CAP_BPF"}}, false},
		{"two conditions, one fits", Filter{Caps: []string{"CAP_BPF"}, Kernel: Kernel{9, 0}}, Filter{}, Machine{Capabilities: []string{"CAP_BPF"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.machine.Native == 0 {
				c.machine.Native = syscalls.X86_64
			}
			p := &Profile{Default: Fail, Rules: []Rule{
				{Names: []string{"read"}, Action: Allow},
				{Names: []string{"bpf"}, Action: Allow, Includes: c.includes, Excludes: c.excludes},
			}}
			r, _, err := p.Resolve(c.machine)
			if err != nil {
				t.Fatal(err)
			}
			if holds := len(r.Rules) == 2; holds != c.holds {
				t.Fatalf("rule holds: %v", holds)
			}
			if r.Profile().Conditional() {
				t.Error("what is resolved still depends on the machine")
			}
			if c.holds && r.Rules[1].Number != 2 {
				t.Errorf("second rule has number %d", r.Rules[1].Number)
			}
		})
	}
}

func TestResolveArchitectures(t *testing.T) {
	archMap := []ArchMap{
		{Arch: "SCMP_ARCH_X86_64", Sub: []Arch{"SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
		{Arch: "SCMP_ARCH_S390X", Sub: []Arch{"SCMP_ARCH_S390"}},
	}
	for _, c := range []struct {
		name     string
		profile  Profile
		native   syscalls.ABI
		arches   []Arch
		abis     []syscalls.ABI
		warnings int
	}{
		{"none stated", Profile{}, syscalls.X86_64, nil, []syscalls.ABI{syscalls.X86_64}, 0},
		{"native", Profile{Arches: []Arch{ArchNative, "SCMP_ARCH_ARM"}}, syscalls.AArch64,
			[]Arch{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}, []syscalls.ABI{syscalls.AArch64, syscalls.ARM}, 0},
		{"native twice", Profile{Arches: []Arch{ArchNative, "SCMP_ARCH_X86_64"}}, syscalls.X86_64,
			[]Arch{"SCMP_ARCH_X86_64"}, []syscalls.ABI{syscalls.X86_64}, 0},
		{"mapped on another machine than the first", Profile{ArchMap: []ArchMap{archMap[0], {Arch: "SCMP_ARCH_AARCH64", Sub: []Arch{"SCMP_ARCH_ARM"}}}}, syscalls.AArch64,
			[]Arch{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}, []syscalls.ABI{syscalls.AArch64, syscalls.ARM}, 0},
		{"native not listed", Profile{Arches: []Arch{"SCMP_ARCH_X86"}}, syscalls.X86_64,
			[]Arch{"SCMP_ARCH_X86"}, []syscalls.ABI{syscalls.X86_64, syscalls.X86}, 0},
		{"without a table", Profile{Arches: []Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_MIPS", "SCMP_ARCH_LOONGARCH64"}}, syscalls.X86_64,
			[]Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_MIPS"}, []syscalls.ABI{syscalls.X86_64}, 2},
		{"mapped", Profile{ArchMap: archMap}, syscalls.X86_64,
			[]Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, []syscalls.ABI{syscalls.X86_64, syscalls.X86, syscalls.X32}, 0},
		{"not mapped", Profile{ArchMap: archMap}, syscalls.AArch64, nil, []syscalls.ABI{syscalls.AArch64}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.profile.Default = Fail
			before := slices.Clone(c.profile.Arches)
			r, ws, err := c.profile.Resolve(Machine{Native: c.native})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Arches, c.arches) || !slices.Equal(r.ABIs, c.abis) || len(ws) != c.warnings {
				t.Errorf("architectures %v, ABIs %v, warnings %v", r.Arches, r.ABIs, ws)
			}
			if !slices.Equal(before, c.profile.Arches) {
				t.Errorf("resolving changed the document: %v", c.profile.Arches)
			}
		})
	}
}

func TestUnresolvable(t *testing.T) {
	if _, _, err := (&Profile{Default: Fail}).Resolve(Machine{}); err == nil {
		t.Error("resolved for no architecture")
	}
	p := &Profile{Default: Fail, Object: &Object{Version: "v1", Name: "web", Disabled: true}}
	if _, _, err := p.Resolve(Machine{Native: syscalls.X86_64}); err == nil {
		t.Error("a disabled profile was resolved")
	}
}

func TestParseRelease(t *testing.T) {
	for release, want := range map[string]Kernel{
		"6.1.0-18-amd64": {6, 1}, "3.12-1-amd64": {3, 12}, "3.12": {3, 12}, "3.12-rc5": {3, 12}, "6.18.44-fc-v669": {6, 18}, "5.14.0+": {5, 14},
	} {
		if k, ok := ParseRelease(release); !ok || k != want {
			t.Errorf("%s reads as %v, %v", release, k, ok)
		}
	}
	for _, release := range []string{"", "6", "six.one", "6.x", ".1", "-1.2"} {
		if k, ok := ParseRelease(release); ok {
			t.Errorf("%q reads as %v", release, k)
		}
	}
}

// The default number of ERRNO and TRACE is EPERM, in the default action as in rules.
func TestSource(t *testing.T) {
	seven := Errno(7)
	p := &Profile{Name: "web", Default: Fail, Rules: []Rule{
		{Names: []string{"bpf"}, Action: Allow, Includes: Filter{Caps: []string{"CAP_BPF"}}},
		{Names: []string{"clone"}, Action: Trace, Errno: &seven, Args: []Arg{{Index: 2, Op: MaskedEqual, Value: 6, Two: 2}}},
		{Names: []string{"read"}, Action: KillThread},
	}}
	r, _, err := p.Resolve(Machine{Native: syscalls.X86_64})
	if err != nil {
		t.Fatal(err)
	}
	want := ruleset.Source{
		Layer: "web", Default: ruleset.Action{Kind: ruleset.Errno, Errno: 1}, ABIs: []syscalls.ABI{syscalls.X86_64},
		Rules: []ruleset.Rule{
			{
				Names: []string{"clone"}, Action: ruleset.Action{Kind: ruleset.Trace, Errno: 7}, Origin: ruleset.Origin{Layer: "web", Rule: 2},
				Conditions: []ruleset.Condition{{Arg: 2, Op: ruleset.MaskedEQ, Value: 6, ValueTwo: 2}},
			},
			{Names: []string{"read"}, Action: ruleset.Action{Kind: ruleset.KillThread}, Origin: ruleset.Origin{Layer: "web", Rule: 3}},
		},
	}
	if got := r.Source(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A document made of a document's rules says the same as that document.
func TestThroughRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := documents(OCI).Draw(t, "profile")
		p.Base, p.Flags, p.ListenerPath, p.ListenerMetadata = "", nil, "", ""
		r, _, err := p.Resolve(Machine{Native: syscalls.X86_64})
		if err != nil {
			t.Fatal(err)
		}
		src := r.Source()
		back := FromRules(p.Name, src.Default, src.ABIs, src.Rules)
		again, _, err := back.Resolve(Machine{Native: syscalls.X86_64})
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Source(); !reflect.DeepEqual(got, src) {
			t.Fatalf("got  %+v\nwant %+v", got, src)
		}
		if _, _, err := back.Write(OCI); err != nil {
			t.Fatal(err)
		}
	})
}

// Every action and operator has a counterpart of its own in the algebra.
func TestVocabularyIsComplete(t *testing.T) {
	for name, a := range actions {
		if meanings[a.is].String() != strings.TrimPrefix(string(a.is), "SCMP_ACT_") {
			t.Errorf("action %s means %v", name, meanings[a.is])
		}
		if meanings[a.is].HasData() != a.numbers {
			t.Errorf("action %s: the algebra disagrees on whether it has a number", name)
		}
	}
	for _, op := range ops {
		if comparisons[op].String() != strings.TrimPrefix(string(op), "SCMP_CMP_") {
			t.Errorf("operator %s means %v", op, comparisons[op])
		}
	}
	for name, number := range map[string]int{
		"CAP_CHOWN": unix.CAP_CHOWN, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_SETFCAP": unix.CAP_SETFCAP,
		"CAP_CHECKPOINT_RESTORE": unix.CAP_LAST_CAP,
	} {
		if slices.Index(capabilities, name) != number {
			t.Errorf("capability %s is not the one of number %d", name, number)
		}
	}
	if len(actionOf) != len(ruleset.Kinds()) || len(opOf) != len(ruleset.Ops()) {
		t.Error("the algebra has actions or operators that documents cannot say")
	}
}

func TestAllowing(t *testing.T) {
	p := allowing("web", map[syscalls.ABI][]string{syscalls.X86: {"socketcall", "read"}, syscalls.X86_64: {"write", "read"}})
	data, _, err := p.Write(OCI)
	if err != nil {
		t.Fatal(err)
	}
	back, ws := mustParse(t, string(data))
	if len(ws) > 0 || !slices.Equal(back.Arches, []Arch{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}) || *back.Errno != 38 ||
		!slices.Equal(back.Rules[0].Names, []string{"read", "socketcall", "write"}) {
		t.Errorf("%v\n%s", ws, data)
	}
	if p := allowing("none", nil); len(p.Rules) != 0 {
		t.Errorf("no calls make rules: %+v", p.Rules)
	}
}

// allowing makes a document that allows the calls of each ABI, whatever their arguments, and lets all others fail with ENOSYS, as
// engines' defaults do, so that libraries fall back as they would on an older kernel. One rule holds for all architectures: a
// call that one of them needs is allowed on the others, too.
func allowing(name string, calls map[syscalls.ABI][]string) *Profile {
	missing := enosys
	p := &Profile{Name: name, Default: Fail, Errno: &missing}
	var names []string
	for _, abi := range slices.Sorted(maps.Keys(calls)) {
		p.Arches = append(p.Arches, Arch(abi.Arch()))
		names = append(names, calls[abi]...)
	}
	if len(names) > 0 {
		p.Rules = []Rule{{Names: names, Action: Allow}}
	}
	p.normalise()
	return p
}
