package enforce

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/bundle"
	"strata/internal/policy"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
)

// documents are profiles of a node, few and small, which meet in what they say.
var documents = map[string]string{
	"allow":  `{"defaultAction": "SCMP_ACT_ALLOW"}`,
	"deny":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid", "getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]}`,
	"args":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95, "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GE"}]}]}`,
	"kill":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_KILL_PROCESS"}]}`,
	"tight":  `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["read", "write", "getpriority", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}`,
	"native": `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_NATIVE"], "syscalls": [{"names": ["read", "getsid"], "action": "SCMP_ACT_ALLOW"}]}`,
	"based":  `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "deny"}`,
	"caps":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}`,
}

// newNode is a node that has the documents.
func newNode(t testing.TB) Node {
	t.Helper()
	dir := t.TempDir()
	for name, text := range documents {
		must(t, os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o644))
	}
	n := On(filepath.Join(dir, "state"), prover(t), policy.Defaults(), false)
	n.Library.Dirs = []string{dir}
	return n
}

// prover is this test binary: see TestMain.
func prover(t testing.TB) Prover {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	p := ProverBeside(filepath.Join(t.TempDir(), "x"))
	must(t, os.Symlink(self, string(p)))
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// config is a container's configuration as its engine made it, with a profile of the engine's or "".
func config(t testing.TB, seccomp string, capabilities ...string) *bundle.Config {
	t.Helper()
	bounding, err := json.Marshal(capabilities)
	must(t, err)
	linux := `"x": 1e400`
	if seccomp != "" {
		linux += `, "seccomp": ` + seccomp
	}
	c, err := bundle.Parse([]byte(`{"process": {"capabilities": {"bounding": ` + string(bounding) + `}}, "linux": {` + linux + `}, "z": [ ]}`))
	must(t, err)
	return c
}

func layers(names ...string) []reference.Reference {
	var all []reference.Reference
	for _, name := range names {
		all = append(all, reference.Reference{Kind: reference.Named, Name: name})
	}
	return all
}

func unconfined() []reference.Reference { return []reference.Reference{{Kind: reference.Unconfined}} }

// meaning is what a profile document does to a container.
func meaning(t testing.TB, c *bundle.Config, document string) *ruleset.Set {
	t.Helper()
	p, _, err := profile.Parse("document", []byte(document))
	must(t, err)
	resolved, _, err := p.Resolve(machine(c))
	must(t, err)
	set, err := ruleset.Read(resolved.Source(), ruleset.Options{})
	must(t, err)
	return set
}

func TestApply(t *testing.T) {
	n := newNode(t)
	ceiling := layers("deny")[0]
	for _, c := range []struct {
		name    string
		decided policy.Profile
		engines string
		caps    []string
		want    string // a document of the same meaning; "" for no filter
	}{
		{"one layer", policy.Profile{Layers: layers("deny")}, documents["tight"], nil, documents["deny"]},
		{"a layer on a layer", policy.Profile{Layers: layers("args", "deny")}, "", nil, documents["deny"]},
		{"a layer with its base", policy.Profile{Layers: layers("based")}, "", nil, documents["deny"]},
		{"unconfined", policy.Profile{Layers: unconfined()}, documents["tight"], nil, ""},
		{"unconfined below a ceiling", policy.Profile{Layers: unconfined(), Ceiling: &ceiling}, "", nil, documents["deny"]},
		{"open below a ceiling", policy.Profile{Layers: layers("allow"), Ceiling: &ceiling}, "", nil, documents["deny"]},
		{"without a capability", policy.Profile{Layers: layers("caps")}, "", []string{"CAP_KILL"},
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO"}]}`},
		{"tightened", policy.Profile{Layers: layers("allow"), Tighten: true}, documents["tight"], nil, documents["tight"]},
		{"tightened, and stricter", policy.Profile{Layers: layers("kill"), Tighten: true}, documents["deny"], nil,
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_KILL_PROCESS"}, {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]}`},
		{"tightened from nothing", policy.Profile{Layers: layers("deny"), Tighten: true}, "", nil, documents["deny"]},
		{"tightened from the empty object", policy.Profile{Layers: layers("deny"), Tighten: true}, "{}", nil, documents["deny"]},
		{"logged", policy.Profile{Layers: layers("deny"), Log: true, Tighten: true}, "", nil,
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid", "getpriority"], "action": "SCMP_ACT_LOG"}]}`},
		{"logged, and denied by the engine", policy.Profile{Layers: layers("deny"), Log: true, Tighten: true}, documents["kill"], nil,
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getpriority"], "action": "SCMP_ACT_LOG"}, {"names": ["getsid"], "action": "SCMP_ACT_KILL_PROCESS"}]}`},
		{"tightened although the engine's rules disagree", policy.Profile{Layers: layers("deny"), Tighten: true},
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
				{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
				{"names": ["getsid"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_NE"}]}]}`, nil,
			`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
				{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77},
				{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
				{"names": ["getsid"], "action": "SCMP_ACT_TRAP", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_NE"}]}]}`},
	} {
		before := config(t, c.engines, c.caps...)
		after, enforced, err := n.Apply(before, &c.decided)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want == "" {
			if after.Seccomp != nil || enforced.Profile != nil || enforced.Instructions != 0 {
				t.Errorf("%s: %s, %+v", c.name, after.Seccomp, enforced)
			}
		} else {
			equal, witness, err := ruleset.Equal(meaning(t, after, string(after.Seccomp)), meaning(t, after, c.want))
			if !equal || err != nil || string(after.Seccomp) != string(enforced.Profile) || enforced.Instructions == 0 {
				t.Errorf("%s: %v, %v: %s, %+v", c.name, witness, err, after.Seccomp, enforced)
			}
		}
		if _, err := n.Verify(after, &c.decided); err != nil {
			t.Errorf("%s: what was applied is not verified: %v", c.name, err)
		}
		rest, err := after.WithSeccomp(nil)
		must(t, err)
		if want, err := before.WithSeccomp(nil); err != nil || string(rest.Bytes()) != string(want.Bytes()) {
			t.Errorf("%s: %s was changed to %s, %v", c.name, before.Bytes(), after.Bytes(), err)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	n := newNode(t)
	for _, c := range []struct {
		name, engines, says string
		decided             policy.Profile
	}{
		{"a missing layer", "", "missing", policy.Profile{Layers: layers("missing")}},
		{"a missing ceiling", "", "ceiling: profile missing", policy.Profile{Layers: layers("deny"), Ceiling: &layers("missing")[0]}},
		{"the engine's profile in parts", `{"defaultAction": "SCMP_ACT_ALLOW", "future": 1}`, "linux.seccomp", policy.Profile{Layers: layers("deny"), Tighten: true}},
		{"the engine's profile as a list", `[]`, "linux.seccomp", policy.Profile{Layers: layers("deny"), Tighten: true}},
		{"a path by name", "", "paths", policy.Profile{Layers: layers("/etc/passwd")}},
	} {
		if after, _, err := n.Apply(config(t, c.engines), &c.decided); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v; want an error with %q", c.name, after, err, c.says)
		}
	}
}

// crun can be told to look elsewhere than where the profile is.
func TestOverridesAreRefused(t *testing.T) {
	n := newNode(t)
	for _, key := range overrides {
		c, err := bundle.Parse([]byte(`{"annotations": {"` + key + `": ""}, "linux": {"seccomp": ` + documents["deny"] + `}}`))
		must(t, err)
		decided := &policy.Profile{Layers: layers("deny")}
		_, _, applied := n.Apply(c, decided)
		_, verified := n.Verify(c, decided)
		for _, err := range []error{applied, verified} {
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}

// A path was the policy's or of somebody trusted when it comes here, and what the file names is as good.
func TestPaths(t *testing.T) {
	n, dir := newNode(t), t.TempDir()
	file, base := filepath.Join(dir, "file.json"), filepath.Join(dir, "base.json")
	must(t, os.WriteFile(base, []byte(documents["deny"]), 0o644))
	must(t, os.WriteFile(file, []byte(`{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "`+base+`"}`), 0o644))
	_, enforced, err := n.Apply(config(t, ""), &policy.Profile{Layers: []reference.Reference{{Kind: reference.Path, Name: file}}})
	if err != nil || !slices.Equal(enforced.Layers, []string{base, file}) || enforced.String() != base+","+file {
		t.Errorf("%+v, %v", enforced, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	n := newNode(t)
	// What the strictest reading of the contradicting rules would be.
	must(t, os.WriteFile(filepath.Join(n.Library.Dirs[0], "contradicting.json"), []byte(strings.Replace(documents["deny"], `"syscalls": [`,
		`"syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}, {"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 1, "op": "SCMP_CMP_NE"}]}, `, 1)), 0o644))
	deny := &policy.Profile{Layers: layers("deny")}
	for _, c := range []struct {
		name, engines, says string
		decided             *policy.Profile
	}{
		{"nothing", "", "has no filter", deny},
		{"null", "null", "has no filter", deny},
		{"the empty object", "{}", "has no filter", deny},
		{"an open profile", documents["allow"], "on x86_64: ALLOW, not ERRNO(77)", deny},
		{"another errno", strings.ReplaceAll(documents["deny"], "77", "78"), "ERRNO(", deny},
		{"less for some arguments", documents["args"], "by config.json", deny},
		{"more is wrong as well", documents["tight"], "by config.json", deny},
		{"flags", strings.Replace(documents["deny"], "{", `{"flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"], `, 1), "flags", deny},
		{"rules of which libseccomp picks one", strings.Replace(documents["deny"], `"syscalls": [`,
			`"syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}, {"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}, `, 1),
			"contradict", &policy.Profile{Layers: layers("contradicting")}},
		{"a filter although unconfined", documents["deny"], "has a filter", &policy.Profile{Layers: unconfined()}},
		{"not tightened", documents["args"], "by config.json", &policy.Profile{Layers: layers("deny"), Tighten: true}},
	} {
		_, err := n.Verify(config(t, c.engines), c.decided)
		if !errors.Is(err, ErrNotEnforced) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want an error with %q", c.name, err, c.says)
		}
	}
}

// An engine's own way of writing the same profile is as good.
func TestVerifyComparesMeaning(t *testing.T) {
	n := newNode(t)
	same := `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_LT"}]},
		{"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [{"index": 0, "value": 7, "op": "SCMP_CMP_GE"}]},
		{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}, {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}`
	if _, err := n.Verify(config(t, same), &policy.Profile{Layers: layers("deny")}); err != nil {
		t.Error(err)
	}
	for _, none := range []string{"", "null", "{}"} {
		if _, err := n.Verify(config(t, none), &policy.Profile{Layers: unconfined()}); err != nil {
			t.Errorf("%q: %v", none, err)
		}
	}
}

// Law: whatever is decided, what is applied is verified, also by a node that has not proven it before; applying again
// changes nothing; nothing exceeds the ceiling, nor what is tightened the engine's profile.
func TestWhatIsAppliedIsVerified(t *testing.T) {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range documents {
			if !yield(name) {
				return
			}
		}
	})
	first, second := newNode(t), newNode(t)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names)
		decided := &policy.Profile{Layers: layers(rapid.SliceOfNDistinct(name, 1, 3, rapid.ID).Draw(rt, "layers")...)}
		decided.Tighten = rapid.Bool().Draw(rt, "tighten")
		decided.Log = decided.Tighten && rapid.Bool().Draw(rt, "log")
		if rapid.Bool().Draw(rt, "ceiling") {
			decided.Ceiling = &layers(name.Draw(rt, "the ceiling"))[0]
		}
		engines := ""
		if rapid.Bool().Draw(rt, "engine's") {
			engines = documents[rapid.SampledFrom([]string{"allow", "deny", "args", "kill", "tight"}).Draw(rt, "the engine's")]
		}
		before := config(t, engines)
		after, _, err := first.Apply(before, decided)
		if err != nil {
			rt.Fatal(err)
		}
		for _, n := range []Node{first, second} {
			if _, err := n.Verify(after, decided); err != nil {
				rt.Error(err)
			}
			if again, _, err := n.Apply(after, decided); err != nil || string(again.Bytes()) != string(after.Bytes()) {
				rt.Errorf("%s became %s, %v", after.Bytes(), again.Bytes(), err)
			}
		}
		limits := map[string]string{}
		if decided.Ceiling != nil && decided.Ceiling.Name != "based" {
			limits["ceiling"] = documents[decided.Ceiling.Name]
		}
		if decided.Tighten && engines != "" {
			limits["engine's profile"] = engines
		}
		for what, limit := range limits {
			inside, witness, err := ruleset.Within(meaning(t, after, string(after.Seccomp)), meaning(t, after, limit))
			if !inside || err != nil {
				rt.Errorf("it exceeds the %s: %v, %v", what, witness, err)
			}
		}
	})
}

func TestProofsAreKept(t *testing.T) {
	n := newNode(t)
	decided := &policy.Profile{Layers: layers("deny")}
	want, first, err := n.Apply(config(t, ""), decided)
	must(t, err)
	kept := filepath.Join(n.State, provenDir)
	files, err := os.ReadDir(kept)
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("%d proofs are kept", len(files))
	}
	file := filepath.Join(kept, files[0].Name())
	good, err := os.ReadFile(file)
	must(t, err)

	// It is used: what stands there is what is applied.
	must(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(good), `"errnoRet":77`, `"errnoRet":66`)), 0o600))
	if got, _, err := n.Apply(config(t, ""), decided); err != nil || !strings.Contains(string(got.Seccomp), "66") {
		t.Errorf("%s, %v", got.Seccomp, err)
	}
	// What is damaged, or what somebody else could have written, is not.
	for name, spoil := range map[string]func(){
		"cut":        func() { must(t, os.WriteFile(file, good[:len(good)/2], 0o600)) },
		"empty":      func() { must(t, os.WriteFile(file, nil, 0o600)) },
		"other":      func() { must(t, os.WriteFile(file, []byte(`{"profile": {}}`), 0o600)) },
		"writable":   func() { must(t, os.WriteFile(file, good, 0o600)); must(t, os.Chmod(file, 0o666)) },
		"foreign":    func() { must(t, os.WriteFile(file, good, 0o600)); must(t, os.Chown(file, 1000, 1000)) },
		"no file":    func() { must(t, os.Remove(file)) },
		"no proofs":  func() { must(t, os.RemoveAll(kept)) },
		"no state":   func() { must(t, os.RemoveAll(n.State)) },
		"a link":     func() { must(t, os.Remove(file)); must(t, os.Symlink("/dev/zero", file)) },
		"a link too": func() { must(t, os.RemoveAll(kept)); must(t, os.Symlink("/proc", kept)) },
	} {
		must(t, os.RemoveAll(n.State))
		must(t, os.MkdirAll(kept, 0o700))
		must(t, os.WriteFile(file, []byte("{}"), 0o600))
		spoil()
		got, enforced, err := n.Apply(config(t, ""), decided)
		if err != nil || string(got.Bytes()) != string(want.Bytes()) || enforced.Instructions != first.Instructions {
			t.Errorf("%s: %+v, %v", name, enforced, err)
		}
		if unkept := name == "a link too"; unkept != strings.Contains(strings.Join(enforced.Notes, "\n"), "the proof is not kept") {
			t.Errorf("%s: notes %q", name, enforced.Notes)
		}
	}
}

func TestFewProofsAreKept(t *testing.T) {
	n := newNode(t)
	kept := filepath.Join(n.State, provenDir)
	must(t, os.MkdirAll(kept, 0o700))
	for i := range 2 * maxProven {
		must(t, os.WriteFile(filepath.Join(kept, fmt.Sprintf("%064x.json", i)), nil, 0o600))
	}
	decided := &policy.Profile{Layers: layers("deny")}
	_, _, err := n.Apply(config(t, ""), decided)
	must(t, err)
	files, err := os.ReadDir(kept)
	must(t, err)
	identity, err := n.Prover.identity()
	must(t, err)
	if last := n.recall(keyOf(config(t, ""), decided, identity), decided); len(files) > maxProven+1 || last == nil {
		t.Errorf("%d proofs are kept; the last one: %v", len(files), last)
	}
}

func TestRecords(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if all, err := Records(state); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	must(t, Forget(state, "c1"))
	e := &Enforced{Layers: []string{"a", "b"}, Ceilings: []string{"c"}, Profile: json.RawMessage(`{}`), Instructions: 7}
	ids := []string{"c1", "../c2", "with+plus", strings.Repeat("x", 1000), "sha256-c3", ".hidden"}
	for _, id := range ids {
		must(t, e.Record(id, []string{"so"}).Write(state))
		must(t, e.Record(id, []string{"so"}).Write(state))
	}
	all, err := Records(state)
	must(t, err)
	var found []string
	for _, r := range all {
		found = append(found, r.Container)
		const empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
		if r.SHA256 != empty || r.Instructions != 7 || r.Time.IsZero() || !slices.Equal(r.Layers, e.Layers) || !slices.Equal(r.Because, []string{"so"}) {
			t.Errorf("%+v", r)
		}
	}
	slices.Sort(found)
	slices.Sort(ids)
	if !slices.Equal(found, ids) {
		t.Errorf("%q", found)
	}
	for _, id := range ids {
		must(t, Forget(state, id))
		must(t, Forget(state, id))
	}
	if all, err := Records(state); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(state)); len(entries) != 1 || err != nil {
		t.Errorf("files beside the state directory: %v, %v", entries, err)
	}
}

func TestSweepKeepsWhatRuns(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	must(t, Sweep(state))
	ended := exec.Command("true")
	must(t, ended.Run())
	e := &Enforced{Layers: []string{"a"}}
	for id, pid := range map[string]int{"runs": os.Getpid(), "ended": ended.Process.Pid, "unknown": 0} {
		r := e.Record(id, nil)
		r.PID = pid
		must(t, r.Write(state))
	}
	must(t, Sweep(state))
	all, err := Records(state)
	must(t, err)
	if len(all) != 2 || all[0].Container != "runs" || all[1].Container != "unknown" {
		t.Errorf("%+v", all)
	}
}

// What there is to say of a stack is said once, and not for each of its containers.
func TestNotesAreForTheFirst(t *testing.T) {
	n := newNode(t)
	must(t, os.WriteFile(filepath.Join(n.Library.Dirs[0], "noted.json"), []byte(`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_call", "getsid"], "action": "SCMP_ACT_ERRNO"}]}`), 0o644))
	for i := range 3 {
		_, enforced, err := n.Apply(config(t, ""), &policy.Profile{Layers: layers("noted")})
		if err != nil || (len(enforced.Notes) > 0) != (i == 0) {
			t.Errorf("time %d: %q, %v", i+1, enforced.Notes, err)
		}
	}
}

// What a container's start pays once the stack is proven, without its process.
func BenchmarkApply(b *testing.B) {
	n := newNode(b)
	decided := &policy.Profile{Layers: []reference.Reference{{Kind: reference.Default}, layers("tight")[0]}}
	c := config(b, documents["deny"])
	for b.Loop() {
		if _, _, err := n.Apply(c, decided); err != nil {
			b.Fatal(err)
		}
	}
}
