package stack

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// amd64 is the machine that the tests are about, whichever they run on.
var amd64 = profile.Machine{Native: syscalls.X86_64, Kernel: profile.Kernel{Major: 6, Minor: 1}}

// parse reads a profile of the form `DEFAULT [ARCH…]; NAMES ACTION [INDEX OP VALUE [TWO]]; …`, so that tests can be read.
func parse(t testing.TB, name, text string) *profile.Profile {
	t.Helper()
	p, _, err := profile.Parse(name, []byte(document(text)))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func document(text string) string {
	parts := strings.Split(text, ";")
	head := strings.Fields(parts[0])
	var fields, rules []string
	fields = append(fields, action("defaultAction", "defaultErrnoRet", head[0]))
	if len(head) > 1 {
		var arches []string
		for _, a := range head[1:] {
			arches = append(arches, `"SCMP_ARCH_`+a+`"`)
		}
		fields = append(fields, `"architectures": [`+strings.Join(arches, ",")+`]`)
	}
	for _, part := range parts[1:] {
		words := strings.Fields(part)
		if strings.HasPrefix(words[0], `"`) {
			fields = append(fields, part)
			continue
		}
		rule := `{"names": ["` + strings.ReplaceAll(words[0], ",", `","`) + `"], ` + action("action", "errnoRet", words[1])
		if len(words) > 2 {
			two := "0"
			if len(words) > 5 {
				two = words[5]
			}
			rule += fmt.Sprintf(`, "args": [{"index": %s, "op": "SCMP_CMP_%s", "value": %s, "valueTwo": %s}]`, words[2], words[3], words[4], two)
		}
		rules = append(rules, rule+"}")
	}
	return "{" + strings.Join(append(fields, `"syscalls": [`+strings.Join(rules, ",")+"]"), ",") + "}"
}

// action writes ALLOW or ERRNO/38.
func action(key, errnoKey, text string) string {
	name, errno, ok := strings.Cut(text, "/")
	out := fmt.Sprintf(`%q: "SCMP_ACT_%s"`, key, name)
	if ok {
		out += fmt.Sprintf(`, %q: %s`, errnoKey, errno)
	}
	return out
}

// chains makes layers of texts, named a, b, c…
func chains(t testing.TB, first byte, texts ...string) [][]*profile.Profile {
	t.Helper()
	var all [][]*profile.Profile
	for i, text := range texts {
		all = append(all, []*profile.Profile{parse(t, string(rune(first)+rune(i)), text)})
	}
	return all
}

// at says what a set does with a call of the form `name [ARG0 [ARG1…]]`, such as ALLOW.
func at(t *testing.T, set *ruleset.Set, abi syscalls.ABI, call string) string {
	t.Helper()
	words := strings.Fields(call)
	nr, ok := abi.Number(words[0])
	if !ok {
		t.Fatalf("no call %s", words[0])
	}
	var args ruleset.Args
	for i, w := range words[1:] {
		if _, err := fmt.Sscan(w, &args[i]); err != nil {
			t.Fatal(err)
		}
	}
	return set.At(abi, nr, args).String()
}

func TestBuild(t *testing.T) {
	for _, c := range []struct {
		name     string
		layers   []string
		ceilings []string
		childWin bool
		log      bool
		want     map[string]string
	}{
		{"one layer", []string{"ERRNO/38; read,write ALLOW"}, nil, false, false,
			map[string]string{"read": "ALLOW", "write": "ALLOW", "close": "ERRNO(ENOSYS)"}},
		{"two layers", []string{"ERRNO/1; read ALLOW", "ERRNO/38; write ALLOW"}, nil, false, false,
			map[string]string{"read": "ALLOW", "write": "ALLOW", "close": "ERRNO(ENOSYS)"}},
		{"the base's denial stays", []string{"ALLOW; clone ERRNO/1", "ERRNO/38; clone,read ALLOW"}, nil, false, false,
			map[string]string{"clone": "ERRNO(EPERM)", "read": "ALLOW", "close": "ERRNO(ENOSYS)"}},
		{"but not if the child wins", []string{"ALLOW; clone ERRNO/1", "ERRNO/38; clone,read ALLOW"}, nil, true, false,
			map[string]string{"clone": "ALLOW", "read": "ALLOW"}},
		{"the child's denial holds", []string{"ERRNO/38; clone ALLOW", "ERRNO/38; clone ERRNO/1"}, nil, false, false,
			map[string]string{"clone": "ERRNO(EPERM)"}},
		{"denials by arguments", []string{"ERRNO/38; clone ALLOW 0 MASKED_EQ 2114060288 0", "ERRNO/38; clone ALLOW"}, nil, false, false,
			map[string]string{"clone": "ALLOW", "clone 268435456": "ALLOW"}},
		{"denials by arguments of a base that allows", []string{"ALLOW; clone ERRNO/1 0 MASKED_EQ 268435456 268435456", "ERRNO/38; clone ALLOW"}, nil, false, false,
			map[string]string{"clone": "ALLOW", "clone 268435456": "ERRNO(EPERM)", "clone 268435457": "ERRNO(EPERM)"}},
		{"three layers", []string{"ALLOW; read LOG", "ALLOW; read TRAP; write LOG", "KILL_PROCESS; read,write,close ALLOW"}, nil, false, false,
			map[string]string{"read": "TRAP", "write": "LOG", "close": "ALLOW", "open": "KILL_PROCESS"}},
		{"the child's number", []string{"ALLOW; read ERRNO/1", "ALLOW; read ERRNO/2"}, nil, false, false,
			map[string]string{"read": "ERRNO(ENOENT)"}},

		{"a ceiling", []string{"ERRNO/38; read,write ALLOW"}, []string{"ERRNO/1; read ALLOW"}, false, false,
			map[string]string{"read": "ALLOW", "write": "ERRNO(EPERM)", "close": "ERRNO(ENOSYS)"}},
		{"a ceiling's ties", []string{"ERRNO/38; read ERRNO/2"}, []string{"ALLOW; read ERRNO/3"}, false, false,
			map[string]string{"read": "ERRNO(ENOENT)", "close": "ERRNO(ENOSYS)"}},
		{"a ceiling for a winning child", []string{"ALLOW; clone ERRNO/1", "ALLOW; clone LOG"}, []string{"ALLOW; clone KILL_PROCESS"}, true, false,
			map[string]string{"clone": "KILL_PROCESS", "read": "ALLOW"}},
		{"two ceilings", []string{"ALLOW"}, []string{"ALLOW; read ERRNO/1", "ALLOW; write ERRNO/1"}, false, false,
			map[string]string{"read": "ERRNO(EPERM)", "write": "ERRNO(EPERM)", "close": "ALLOW"}},

		{"log", []string{"ERRNO/38; read ALLOW; clone KILL_PROCESS; close TRACE/7; open TRAP; stat KILL_THREAD"}, nil, false, true,
			map[string]string{"read": "ALLOW", "clone": "LOG", "write": "LOG", "close": "TRACE(7)", "open": "LOG", "stat": "LOG"}},
		{"log what a base denies in another way than by default", []string{"ERRNO/38; clone KILL_PROCESS", "ERRNO/38; clone ALLOW"}, nil, false, true,
			map[string]string{"clone": "LOG", "write": "LOG"}},
		{"log what is denied by arguments", []string{"ALLOW; clone ERRNO/1 0 EQ 7", "LOG; clone ALLOW"}, nil, false, true,
			map[string]string{"clone": "ALLOW", "clone 7": "LOG", "write": "LOG"}},
		{"log below a ceiling", []string{"ERRNO/38; read ALLOW"}, []string{"ALLOW; write ERRNO/1"}, false, true,
			map[string]string{"read": "ALLOW", "write": "ERRNO(EPERM)", "close": "LOG"}},
	} {
		s, err := Plan{Layers: chains(t, 'a', c.layers...), Ceilings: chains(t, 'x', c.ceilings...), Machine: amd64, ChildWins: c.childWin, Log: c.log}.Build()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for call, want := range c.want {
			if got := at(t, s.Set, syscalls.X86_64, call); got != want {
				t.Errorf("%s: %s: %s, want %s", c.name, call, got, want)
			}
		}
		if len(s.Layers) != len(c.layers) || len(s.Ceilings) != len(c.ceilings) || s.Unconfined {
			t.Errorf("%s: layers %q, ceilings %q, unconfined %t", c.name, s.Layers, s.Ceilings, s.Unconfined)
		}
	}
}

// A ceiling is what it says with its own bases: the strictest, also if the stack's children win, with the flags of all.
func TestCeilingWithBase(t *testing.T) {
	const spec = `; "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]`
	ceiling := []*profile.Profile{parse(t, "x", "ALLOW; clone KILL_PROCESS"), parse(t, "y", "ALLOW; clone LOG"+spec)}
	s, err := Plan{
		Layers: chains(t, 'a', "ALLOW; clone ERRNO/1"+spec, "ALLOW; clone ALLOW; read LOG"+spec), Ceilings: [][]*profile.Profile{ceiling},
		Machine: amd64, ChildWins: true,
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	if got := at(t, s.Set, syscalls.X86_64, "clone"); got != "KILL_PROCESS" {
		t.Errorf("clone: %s, want the ceiling's base's KILL_PROCESS", got)
	}
	if p := s.Document(nil); len(p.Flags) > 0 || !slices.Equal(s.Ceilings, []string{"x", "y"}) {
		t.Errorf("flags %v below a ceiling whose base leaves the mitigation on, ceilings %v", p.Flags, s.Ceilings)
	}
}

func TestBuildUnconfined(t *testing.T) {
	none := []*profile.Profile{parse(t, profile.Unconfined, "ALLOW")}
	web := []*profile.Profile{parse(t, "web", "ERRNO/1 X86_64 X86; read ALLOW")}
	everywhere := []syscalls.ABI{syscalls.X86_64, syscalls.X86, syscalls.X32} // there is no filter that could kill others
	for _, c := range []struct {
		name       string
		plan       Plan
		unconfined bool
		abis       []syscalls.ABI
		read       string
		write      string
	}{
		{"alone", Plan{Layers: [][]*profile.Profile{none}}, true, everywhere, "ALLOW", "ALLOW"},
		{"below nothing", Plan{Layers: [][]*profile.Profile{none}, Ceilings: [][]*profile.Profile{none}}, true, everywhere, "ALLOW", "ALLOW"},
		// Without a filter of its own the ceiling's is all, 32-bit calls included.
		{"below a ceiling", Plan{Layers: [][]*profile.Profile{none}, Ceilings: [][]*profile.Profile{web}}, false, []syscalls.ABI{syscalls.X86_64, syscalls.X86}, "ALLOW", "ERRNO(EPERM)"},
		{"as ceiling", Plan{Layers: [][]*profile.Profile{web}, Ceilings: [][]*profile.Profile{none}}, false, []syscalls.ABI{syscalls.X86_64, syscalls.X86}, "ALLOW", "ERRNO(EPERM)"},
		{"as base", Plan{Layers: [][]*profile.Profile{none, web}}, false, []syscalls.ABI{syscalls.X86_64, syscalls.X86}, "ALLOW", "ERRNO(EPERM)"},
	} {
		c.plan.Machine = amd64
		s, err := c.plan.Build()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if s.Unconfined != c.unconfined || !slices.Equal(s.Set.ABIs(), c.abis) ||
			at(t, s.Set, syscalls.X86_64, "read") != c.read || at(t, s.Set, syscalls.X86_64, "write") != c.write {
			t.Errorf("%s: unconfined %t, ABIs %v, read %s, write %s", c.name, s.Unconfined, s.Set.ABIs(),
				at(t, s.Set, syscalls.X86_64, "read"), at(t, s.Set, syscalls.X86_64, "write"))
		}
	}
}

func TestArchitectures(t *testing.T) {
	x64, x86, x32, arm := syscalls.X86_64, syscalls.X86, syscalls.X32, syscalls.AArch64
	for _, c := range []struct {
		name             string
		layers, ceilings []string
		want             []syscalls.ABI // nil: an error
	}{
		{"none stated", []string{"ALLOW", "ALLOW"}, nil, []syscalls.ABI{x64}},
		{"one stated", []string{"ALLOW X86_64 X86 X32"}, nil, []syscalls.ABI{x64, x86, x32}},
		{"the base states", []string{"ALLOW X86_64 X86", "ALLOW"}, nil, []syscalls.ABI{x64, x86}},
		{"the child states", []string{"ALLOW", "ALLOW X86_64 X86"}, nil, []syscalls.ABI{x64, x86}},
		{"both state", []string{"ALLOW X86_64 X86 X32", "ALLOW X86_64 X86"}, nil, []syscalls.ABI{x64, x86}},
		{"the machine's is always there", []string{"ALLOW X86"}, nil, []syscalls.ABI{x64, x86}},
		{"another machine's", []string{"ALLOW X86_64 AARCH64", "ALLOW X86_64 AARCH64 X86"}, nil, []syscalls.ABI{x64, arm}},
		{"no tables", []string{"ALLOW X86_64 S390X"}, nil, []syscalls.ABI{x64}},
		{"nothing in common", []string{"ALLOW X86_64", "ALLOW X86"}, nil, nil},
		{"nothing in common of three", []string{"ALLOW X86_64 X86", "ALLOW X86_64 X32", "ALLOW X86 X32"}, nil, nil},
		// Both filters in the kernel would kill the calls of what either does not list.
		{"below a ceiling", []string{"ALLOW X86_64 X86"}, []string{"ALLOW X86_64 X32"}, []syscalls.ABI{x64}},
		{"below a ceiling without a list", []string{"ALLOW X86_64 X86"}, []string{"ALLOW"}, []syscalls.ABI{x64}},
	} {
		s, err := Plan{Layers: chains(t, 'a', c.layers...), Ceilings: chains(t, 'x', c.ceilings...), Machine: amd64}.Build()
		if c.want == nil {
			if !errors.Is(err, ErrNoArchitecture) || !strings.Contains(err.Error(), "a (X86_64") {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || !slices.Equal(s.Set.ABIs(), c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, s, err, c.want)
		}
	}
}

// A layer without a list of architectures speaks on all that the others list.
func TestLayerWithoutListSpeaksEverywhere(t *testing.T) {
	s, err := Plan{Layers: chains(t, 'a', "ALLOW X86_64 X86", "ALLOW; read ERRNO/1"), Machine: amd64}.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, abi := range []syscalls.ABI{syscalls.X86_64, syscalls.X86} {
		if got := at(t, s.Set, abi, "read"); got != "ERRNO(EPERM)" {
			t.Errorf("read on %v: %s", abi, got)
		}
	}
}

func TestFlags(t *testing.T) {
	const (
		spec   = `"SECCOMP_FILTER_FLAG_SPEC_ALLOW"`
		log    = `"SECCOMP_FILTER_FLAG_LOG"`
		tsync  = `"SECCOMP_FILTER_FLAG_TSYNC"`
		kill   = `"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"`
		listen = `; "listenerPath": "/run/l.sock", "listenerMetadata": "m"`
	)
	flags := func(list ...string) string { return `; "flags": [` + strings.Join(list, ",") + "]" }
	type result struct {
		flags    []profile.Flag
		listener string
		metadata string
	}
	for _, c := range []struct {
		name             string
		layers, ceilings []string
		want             result
		err              error
	}{
		{"none", []string{"ALLOW", "ALLOW"}, nil, result{}, nil},
		{"mitigation off in all", []string{"ALLOW" + flags(spec), "ALLOW" + flags(spec)}, nil, result{flags: []profile.Flag{profile.FlagSpecAllow}}, nil},
		{"mitigation on in the base", []string{"ALLOW", "ALLOW" + flags(spec)}, nil, result{}, nil},
		{"mitigation on in the ceiling", []string{"ALLOW" + flags(spec)}, []string{"ALLOW"}, result{}, nil},
		{"logged by one", []string{"ALLOW" + flags(log), "ALLOW" + flags(spec)}, nil, result{flags: []profile.Flag{profile.FlagLog}}, nil},
		{"logged by the ceiling", []string{"ALLOW"}, []string{"ALLOW" + flags(log)}, result{flags: []profile.Flag{profile.FlagLog}}, nil},
		{"all threads, for one", []string{"ALLOW", "ALLOW" + flags(tsync)}, nil, result{flags: []profile.Flag{profile.FlagTSync}}, nil},
		{"waiting, for one that does not notify", []string{"ALLOW" + flags(kill), "ALLOW; close NOTIFY" + listen}, nil,
			result{flags: []profile.Flag{profile.FlagWaitKillable}, listener: "/run/l.sock", metadata: "m"}, nil},
		{"a listener", []string{"ALLOW", "ALLOW; close NOTIFY" + listen + flags(kill)}, nil,
			result{flags: []profile.Flag{profile.FlagWaitKillable}, listener: "/run/l.sock", metadata: "m"}, nil},
		{"a listener that hears nothing any more", []string{"ALLOW; close ERRNO/1", "ALLOW; close NOTIFY" + listen + flags(kill)}, nil, result{}, nil},
		{"two listeners", []string{"ALLOW; close NOTIFY" + listen, "ALLOW; read NOTIFY" + listen}, nil, result{}, ErrTwoListeners},
		{"a listener and a layer that notifies", []string{"ALLOW; close NOTIFY", "ALLOW" + listen}, nil, result{}, ErrTwoListeners},
		{"a listener and a ceiling that notifies", []string{"ALLOW; read NOTIFY" + listen}, []string{"ALLOW; close NOTIFY"}, result{}, ErrTwoListeners},
	} {
		s, err := Plan{Layers: chains(t, 'a', c.layers...), Ceilings: chains(t, 'x', c.ceilings...), Machine: amd64}.Build()
		if !errors.Is(err, c.err) || err != nil && c.err == nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		rules, err := s.Set.Rules(ruleset.Short)
		if err != nil {
			t.Fatal(err)
		}
		p := s.Document(rules)
		if got := strings.Join(s.Layers, "+"); p.Name != got {
			t.Errorf("%s: the document of %s is named %s", c.name, got, p.Name)
		}
		if got := (result{p.Flags, p.ListenerPath, p.ListenerMetadata}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Rules that depend on the container are resolved before anything is merged.
func TestCapabilities(t *testing.T) {
	const document = `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
		{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}`
	p, _, err := profile.Parse("docker", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for capability, want := range map[string][2]string{"": {"ERRNO(EPERM)", "ALLOW"}, "CAP_SYS_ADMIN": {"ALLOW", "ERRNO(EPERM)"}} {
		machine := amd64
		machine.Capabilities = []string{capability}
		s, err := Plan{Layers: [][]*profile.Profile{{p}}, Machine: machine}.Build()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{at(t, s.Set, syscalls.X86_64, "mount"), at(t, s.Set, syscalls.X86_64, "clone")}; got != want {
			t.Errorf("with %q: mount and clone are %v, want %v", capability, got, want)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	contradiction := "ERRNO/38; socket ALLOW 0 NE 40; socket ERRNO/22 0 GE 16"
	for _, c := range []struct {
		name string
		plan Plan
		want string
	}{
		{"nothing", Plan{}, "at least one layer"},
		{"contradiction", Plan{Layers: chains(t, 'a', contradiction)}, "contradict"},
		{"contradiction in a ceiling", Plan{Layers: chains(t, 'a', "ALLOW"), Ceilings: chains(t, 'x', contradiction)}, "ceiling: "},
	} {
		c.plan.Machine = amd64
		if _, err := c.plan.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := Plan{Layers: chains(t, 'a', contradiction), Machine: amd64, Overlap: ruleset.Strictest}.Build()
	if err != nil {
		t.Errorf("contradictions read strictly: %v", err)
	}
}

func TestExplain(t *testing.T) {
	s, err := Plan{
		Layers:   chains(t, 'a', "ALLOW X86_64 X86; clone ERRNO/1 0 EQ 1; read LOG", "LOG; getpid ALLOW", "ERRNO/38; clone,close,write ALLOW; umount2 ALLOW"),
		Ceilings: chains(t, 'x', "ALLOW X86_64 X86; close TRAP"), Machine: amd64,
	}.Build()
	if err != nil {
		t.Fatal(err)
	}
	regions, err := Explain(s.Set)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range regions {
		got = append(got, fmt.Sprintf("%s %q %v %v: %v", r.Action, ruleset.Formula(r.Conditions), r.Names, r.ABIs, r.Origin))
	}
	want := []string{
		`ALLOW "" [getpid] [x86_64 x86]: rule 1 of "b"`,
		`ALLOW "arg0 != 0x1" [clone] [x86_64 x86]: rule 1 of "c"`,
		`ALLOW "" [write] [x86_64 x86]: rule 1 of "c"`,
		`ALLOW "" [umount2] [x86_64 x86]: rule 2 of "c"`,
		`LOG "" [read] [x86_64 x86]: rule 2 of "a"`,
		`ERRNO(EPERM) "arg0 == 0x1" [clone] [x86_64 x86]: rule 1 of "a"`,
		`TRAP "" [close] [x86_64 x86]: rule 1 of "x"`,
		`ERRNO(ENOSYS) "" [] [x86_64 x86]: default action of "c"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("explained as\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
