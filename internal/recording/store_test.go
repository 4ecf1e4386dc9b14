package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strata/internal/recorder"
	"strata/internal/safefile"
	"strata/internal/syscalls"
)

// allowed are the calls that a profile allows.
func (d *document) allowed() []string {
	var names []string
	for _, rule := range d.Syscalls {
		if rule.Action == "SCMP_ACT_ALLOW" && rule.Args == nil {
			names = append(names, rule.Names...)
		}
	}
	return sorted(names)
}

func TestRecord(t *testing.T) {
	n := newNode(t)
	o := n.record(t, job("c1", "web"), did("getpid", "write"))
	if o.Profile != n.output("web") {
		t.Errorf("profile is %s, want %s", o.Profile, n.output("web"))
	}
	n.idle(t)
	profile, m := n.recorded(t, o.Profile)
	base, err := baseOf("crun")
	must(t, err)
	want := sorted(append(slices.Clone(base), "execve", "getpid", "write"))
	if got := profile.allowed(); !slices.Equal(got, want) {
		t.Errorf("profile allows %v, want %v", got, want)
	}
	if profile.DefaultAction != "SCMP_ACT_ERRNO" || *profile.DefaultErrnoRet != 38 {
		t.Errorf("default is %s with %d, want ERRNO with ENOSYS", profile.DefaultAction, *profile.DefaultErrnoRet)
	}
	if want := []string{syscalls.Host().Arch()}; !slices.Equal(profile.Architectures, want) {
		t.Errorf("architectures are %v, want %v", profile.Architectures, want)
	}
	parts := map[string]Part{}
	for _, call := range m.Calls {
		parts[call.Name] = call.Part
	}
	if parts["execve"] != ByRuntime || parts["getpid"] != ByApplication || parts["write"] != ByApplication || len(parts) != 3 {
		t.Errorf("parts are %v", parts)
	}
	if m.Runs != 1 || m.Processes != 1 || m.Kernel == "" || m.Strata == "" || m.Ended.Before(m.Started) {
		t.Errorf("metadata is %+v", m)
	}
	if o := n.end("c1"); o != nil {
		t.Errorf("a second finish did something: %+v", o)
	}
}

func TestStartTwice(t *testing.T) {
	n := newNode(t)
	n.start(t, job("c1", "web"))
	n.ran(t, "c1", did("getpid"))
	n.start(t, job("c1", "web"))
	_, m := n.recorded(t, n.finish(t, "c1").Profile)
	if len(m.Calls) != 2 {
		t.Errorf("calls are %v, want those from before the second start", m.Calls)
	}
	n.idle(t)
}

func TestFinishUnknown(t *testing.T) {
	n := newNode(t)
	for _, id := range []string{"nobody", "../../etc/passwd", ".", "x/y", strings.Repeat("x", 1000), "\x00"} {
		if o := n.end(id); o != nil {
			t.Errorf("%.20q: %+v", id, o)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 5000)} {
		if o := n.end(id); o == nil || o.Err == nil {
			t.Errorf("%.20q: no error", id)
		}
	}
}

// Whatever an id is, it has a file of its own below the directory.
func TestIDs(t *testing.T) {
	n := newNode(t)
	ids := []string{"a", "..", ".", "../b", "a/b", "a b", "a@b", "-", "sha256-a", "a.json", strings.Repeat("a", 129), strings.Repeat("a", 1024), "ü", "\n", "_"}
	for i, id := range ids {
		n.start(t, job(id, fmt.Sprintf("out%d", i)))
		n.ran(t, id, did("getpid"))
	}
	files, err := os.ReadDir(filepath.Join(n.dir, "state/running"))
	must(t, err)
	if len(files) != len(ids) {
		t.Errorf("%d files for %d ids", len(files), len(ids))
	}
	for i, id := range ids {
		if o := n.finish(t, id); o.Profile != n.output(fmt.Sprintf("out%d", i)) {
			t.Errorf("%q: wrote %s", id, o.Profile)
		}
	}
	n.idle(t)
}

func TestStartRefused(t *testing.T) {
	n := newNode(t)
	must(t, os.Mkdir(n.output("directory"), 0o755))
	must(t, os.Symlink("/etc/passwd", n.output("link")))
	must(t, os.WriteFile(n.output("foreign"), []byte("{}"), 0o644))
	must(t, os.WriteFile(filepath.Join(n.dir, "file"), nil, 0o644))
	with := func(change func(*Job)) Job {
		j := job("c1", "web")
		change(&j)
		return j
	}
	for _, c := range []struct {
		job  Job
		want string
	}{
		{with(func(j *Job) { j.Container = "" }), "without an id"},
		{with(func(j *Job) { j.Container = strings.Repeat("x", 1025) }), "at most"},
		{with(func(j *Job) { j.PID = 0 }), "no process"},
		{with(func(j *Job) { j.PID = -1 }), "no process"},
		{with(func(j *Job) { j.PID = 1 << 30 }), "no such file"},
		{with(func(j *Job) { j.Output = Output{} }), "without a name"},
		{with(func(j *Job) { j.Output.Path = "/x" }), "say one"},
		{with(func(j *Job) { j.Output.Name = "../x" }), "not a name below"},
		{with(func(j *Job) { j.Output.Name = "/etc/x" }), "not a name below"},
		{with(func(j *Job) { j.Output.Name = "web.recording" }), "of other recordings"},
		{with(func(j *Job) { j.Output = Output{Path: "/tmp/web.recording.json"} }), "of other recordings"},
		{with(func(j *Job) { j.Output = Output{Path: "relative.json"} }), "absolute path"},
		{with(func(j *Job) { j.Output = Output{Path: "/tmp/"} }), "absolute path"},
		{with(func(j *Job) { j.Output = Output{Path: "/no/such/directory/x.json"} }), "no such file"},
		{with(func(j *Job) { j.Output = Output{Path: filepath.Join(n.dir, "file", "x.json")} }), "not a directory"},
		{with(func(j *Job) { j.Output = Output{Path: "/proc/self/x.json"} }), "/proc/self"},
		{with(func(j *Job) { j.Output.Name = "directory" }), "no regular file"},
		{with(func(j *Job) { j.Output.Name = "link" }), "no regular file"},
		{with(func(j *Job) { j.Output.Name, j.Merge = "foreign", true }), "without its metadata"},
		{with(func(j *Job) { j.Input = &Input{Path: "/in.json", Profile: []byte(`{}`)} }), "/in.json"},
		{with(func(j *Job) {
			j.Input = &Input{Path: "/in.json", Profile: []byte(`{"defaultAction":"SCMP_ACT_BOGUS"}`)}
		}), "/in.json"},
		{with(func(j *Job) {
			j.Input = &Input{Path: "/in.json", Profile: []byte(`{"defaultAction":"SCMP_ACT_ERRNO","baseProfileName":"b","syscalls":[]}`)}
		}), "stands on"},
	} {
		_, err := n.Start(c.job)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error is %v, want one with %q", c.job, err, c.want)
		}
		n.idle(t)
	}
}

// A container's next run begins while the end of the one before was never told.
func TestRestartWithoutPoststop(t *testing.T) {
	n := newNode(t)
	j, first := mortal(t, job("c1", "first"))
	n.start(t, j)
	n.ran(t, "c1", did("getpid"))
	end(t, first)
	earlier, err := n.Start(job("c1", "second"))
	must(t, err)
	if len(earlier) != 1 || earlier[0].Err != nil || earlier[0].Profile != n.output("first") {
		t.Fatalf("outcome of the earlier run is %+v", earlier)
	}
	n.ran(t, "c1", did("getppid"))
	n.finish(t, "c1")
	n.idle(t)
	for name, want := range map[string]string{"first": "getpid", "second": "getppid"} {
		if profile, _ := n.recorded(t, n.output(name)); !slices.Contains(profile.allowed(), want) {
			t.Errorf("%s lacks %s", name, want)
		}
	}
}

// A run that can not be finished makes room for the next one and is not lost.
func TestRestartWhileOutputRefuses(t *testing.T) {
	n := newNode(t)
	j, first := mortal(t, job("c1", ""))
	dir := filepath.Join(n.dir, "away")
	must(t, os.Mkdir(dir, 0o755))
	j.Output = Output{Path: filepath.Join(dir, "out.json")}
	n.start(t, j)
	n.ran(t, "c1", did("getpid"))
	end(t, first)
	must(t, os.Remove(dir))
	earlier, err := n.Start(job("c1", "second"))
	must(t, err)
	if len(earlier) != 1 || !errors.Is(earlier[0].Err, fs.ErrNotExist) {
		t.Fatalf("outcome of the earlier run is %+v", earlier)
	}
	n.ran(t, "c1", did("getppid"))
	both, err := n.Finish("c1")
	must(t, err)
	if len(both) != 2 || (both[0].Err == nil) == (both[1].Err == nil) {
		t.Fatalf("outcomes of both runs are %+v", both)
	}
	n.recorded(t, n.output("second"))
	must(t, os.Mkdir(dir, 0o755))
	n.recoverAll(t, 1)
	if profile, _ := n.recorded(t, j.Output.Path); !slices.Contains(profile.allowed(), "getpid") {
		t.Error("the first run's calls are lost")
	}
	n.idle(t)
}

// recoverAll expects as many recordings to be finished without an error.
func (n *node) recoverAll(t *testing.T, want int) []*Outcome {
	t.Helper()
	outcomes, err := n.Recover()
	must(t, err)
	for _, o := range outcomes {
		must(t, o.Err)
	}
	if len(outcomes) != want {
		t.Fatalf("%d recordings were finished, want %d: %+v", len(outcomes), want, outcomes)
	}
	return outcomes
}

// A start that came to nothing does not replace a recording.
func TestNeverStarted(t *testing.T) {
	for name, result := range map[string]*recorder.Result{
		"nothing": {},
		"runtime only": {Calls: map[syscalls.ABI][]recorder.Seen{
			syscalls.Host(): {{Number: must1(syscalls.Host().Number("execve")), First: epoch, ByRuntime: true}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.record(t, job("c1", "web"), did("getpid"))
			o := n.record(t, job("c2", "web"), result)
			if o.Profile != "" || len(o.Notes) == 0 {
				t.Errorf("outcome is %+v, want none written and a note", o)
			}
			if profile, _ := n.recorded(t, n.output("web")); !slices.Contains(profile.allowed(), "getpid") {
				t.Error("the recording from before is lost")
			}
			n.idle(t)
		})
	}
}

func must1(number uint32, ok bool) uint32 {
	if !ok {
		panic("no such call")
	}
	return number
}

// A program that its profile kept from being executed leaves what it was denied.
func TestExecutionDenied(t *testing.T) {
	n := newNode(t)
	execve := must1(syscalls.Host().Number("execve"))
	o := n.record(t, job("c1", "web"), &recorder.Result{Denied: map[syscalls.ABI][]uint32{syscalls.Host(): {execve}}})
	if _, m := n.recorded(t, o.Profile); len(m.Denied) != 1 || m.Denied[0].Name != "execve" {
		t.Errorf("denied are %+v", m.Denied)
	}
}

func TestDenied(t *testing.T) {
	n := newNode(t)
	result := did("getpid")
	result.Denied = map[syscalls.ABI][]uint32{syscalls.Host(): {must1(syscalls.Host().Number("sync"))}}
	profile, m := n.recorded(t, n.record(t, job("c1", "web"), result).Profile)
	if len(m.Denied) != 1 || m.Denied[0].Name != "sync" {
		t.Errorf("denied are %+v", m.Denied)
	}
	if slices.Contains(profile.allowed(), "sync") {
		t.Error("a denied call is allowed")
	}
}

// What the recorder says that it could not note reaches a person.
func TestWarnings(t *testing.T) {
	n := newNode(t)
	result := did("getpid")
	result.Failures, result.Beyond = 3, 2
	host := syscalls.Host()
	result.Calls[host] = append(result.Calls[host], recorder.Seen{Number: 1 << 20, First: epoch, ByProgram: true})
	o := n.record(t, job("c1", "web"), result)
	if len(o.Notes) < 2 {
		t.Errorf("notes are %q", o.Notes)
	}
	if _, m := n.recorded(t, o.Profile); m.Failures != 3 || m.Beyond != 2 {
		t.Errorf("metadata has %d failures, %d beyond", m.Failures, m.Beyond)
	}
}

// Only what was used is listed.
func TestArchitectures(t *testing.T) {
	n := newNode(t)
	host := syscalls.Host()
	other := host.Beside()[0]
	result := did("getpid")
	result.Calls[other] = []recorder.Seen{{Number: must1(other.Number("getppid")), First: epoch.Add(time.Minute), ByProgram: true}}
	profile, m := n.recorded(t, n.record(t, job("c1", "web"), result).Profile)
	if want := []string{host.Arch(), other.Arch()}; !slices.Equal(profile.Architectures, want) {
		t.Errorf("architectures are %v, want %v", profile.Architectures, want)
	}
	for _, call := range m.Calls {
		if (call.Name == "getppid") != (call.ABI == other.String()) {
			t.Errorf("%s is of %s", call.Name, call.ABI)
		}
	}
}

func TestBaseOfUnknownRuntime(t *testing.T) {
	runc, err := baseOf("runc")
	must(t, err)
	crun, err := baseOf("crun")
	must(t, err)
	both, err := baseOf("other")
	must(t, err)
	if want := sorted(slices.Concat(runc, crun)); !slices.Equal(both, want) {
		t.Errorf("base is %v, want %v", both, want)
	}
	for _, list := range [][]string{runc, crun} {
		for _, name := range list {
			if !syscalls.Known(name) {
				t.Errorf("%s is no system call", name)
			}
		}
	}
}

func TestAbsolutePath(t *testing.T) {
	n := newNode(t)
	path := filepath.Join(n.dir, "out")
	for _, base := range []string{"x.json", "plain"} {
		j := job("c1", "")
		j.Output = Output{Path: filepath.Join(path, base)}
		must(t, os.MkdirAll(path, 0o755))
		must(t, os.WriteFile(j.Output.Path, []byte("somebody else's"), 0o600))
		o := n.record(t, j, did("getpid"))
		if o.Profile != j.Output.Path {
			t.Errorf("wrote %s, want %s", o.Profile, j.Output.Path)
		}
		n.recorded(t, o.Profile)
	}
	n.idle(t)
}

// Two outputs whose metadata would be one file do not take each other's for their own.
func TestMetadataOfAnother(t *testing.T) {
	n := newNode(t)
	first, second := job("c1", ""), job("c2", "")
	first.Output, second.Output = Output{Path: filepath.Join(n.dir, "x.json")}, Output{Path: filepath.Join(n.dir, "x")}
	n.record(t, first, did("getpid"))
	o := n.record(t, second, did("getppid"))
	if len(o.Notes) != 1 {
		t.Errorf("notes are %q", o.Notes)
	}
	if _, err := Load(first.Output.Path); !errors.Is(err, ErrStale) {
		t.Errorf("metadata of the first output: %v, want ErrStale", err)
	}
	if profile, _ := n.recorded(t, second.Output.Path); slices.Contains(profile.allowed(), "uname") {
		t.Error("the second output has calls that nobody made")
	}
}

func TestStateIsGuarded(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	must(t, os.Mkdir(state, 0o700))
	must(t, os.Chmod(state, 0o777))
	if _, err := Open(state, filepath.Join(dir, "recordings"), nil); !errors.Is(err, safefile.ErrUnguarded) {
		t.Errorf("error is %v, want ErrUnguarded", err)
	}
}

// A name may have directories of its own.
func TestNameWithDirectories(t *testing.T) {
	n := newNode(t)
	o := n.record(t, job("c1", "team/web"), did("getpid"))
	n.recorded(t, o.Profile)
	if o.Profile != n.output("team/web") {
		t.Errorf("wrote %s", o.Profile)
	}
}

// What a killed writer left goes when its recording is finished by another.
func TestTemporaryFiles(t *testing.T) {
	n := newNode(t)
	j, init := mortal(t, job("c1", "team/web"))
	n.start(t, j)
	n.ran(t, "c1", did("getpid"))
	end(t, init)
	left := []string{"state/.strata-tmp-A", "state/running/.strata-tmp-B", "recordings/.strata-tmp-C", "recordings/team/.strata-tmp-D"}
	must(t, os.MkdirAll(filepath.Join(n.dir, "recordings/team"), 0o755))
	for _, name := range left {
		must(t, os.WriteFile(filepath.Join(n.dir, name), []byte("half"), 0o600))
	}
	outcomes, err := n.Sweep()
	must(t, err)
	if len(outcomes) != 1 || outcomes[0].Err != nil {
		t.Fatalf("outcomes are %+v", outcomes)
	}
	for _, name := range left {
		if _, err := os.Lstat(filepath.Join(n.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left (%v)", name, err)
		}
	}
}

// The input's rules stay as they are, whatever was seen.
func TestInput(t *testing.T) {
	n := newNode(t)
	j := job("c1", "web")
	j.Input = &Input{Path: "/in.json", Profile: []byte(`{
		"defaultAction": "SCMP_ACT_ALLOW",
		"syscalls": [
			{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
			{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
			{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}
		]
	}`)}
	o := n.record(t, j, did("getpid", "getppid", "personality", "uname"))
	profile, m := n.recorded(t, o.Profile)
	if profile.DefaultAction != "SCMP_ACT_ERRNO" {
		t.Errorf("default is %s", profile.DefaultAction)
	}
	allowed := profile.allowed()
	for name, want := range map[string]bool{"getppid": false, "personality": false, "getpid": true, "uname": true, "execve": true} {
		if slices.Contains(allowed, name) != want {
			t.Errorf("%s allowed: %v", name, !want)
		}
	}
	if len(profile.Syscalls) != 4 || profile.Syscalls[1].Args == nil {
		t.Errorf("rules are %+v", profile.Syscalls)
	}
	if want := []string{"getppid", "personality"}; !slices.Equal(m.Kept, want) || m.Options.Input != "/in.json" {
		t.Errorf("kept are %v of %s, want %v", m.Kept, m.Options.Input, want)
	}
}

func TestInputKeepsDenyingDefault(t *testing.T) {
	n := newNode(t)
	j := job("c1", "web")
	j.Input = &Input{Path: "/in.json", Profile: []byte(`{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": []}`)}
	if profile, _ := n.recorded(t, n.record(t, j, did("getpid")).Profile); profile.DefaultAction != "SCMP_ACT_KILL_PROCESS" {
		t.Errorf("default is %s", profile.DefaultAction)
	}
}

func TestMerge(t *testing.T) {
	n := newNode(t)
	for i, calls := range [][]string{{"getpid"}, {"getpid", "getppid"}, {"uname"}} {
		j := job(fmt.Sprint("c", i), "web")
		j.Merge = true
		n.record(t, j, did(calls...))
	}
	profile, m := n.recorded(t, n.output("web"))
	runs := map[string]int{}
	for _, call := range m.Calls {
		runs[call.Name] = call.Runs
	}
	for name, want := range map[string]int{"execve": 3, "getpid": 2, "getppid": 1, "uname": 1} {
		if runs[name] != want || !slices.Contains(profile.allowed(), name) {
			t.Errorf("%s was seen by %d runs, want %d", name, runs[name], want)
		}
	}
	if m.Runs != 3 || m.Processes != 3 || len(runs) != 4 || len(m.Unfinished) != 1 {
		t.Errorf("metadata is %+v", m)
	}
}

// A call that one run's runtime and another's program made is the application's.
func TestUnionOfParts(t *testing.T) {
	read := func(by Part, runs int, after time.Duration) []Call {
		return []Call{{ABI: "x86_64", Name: "read", Part: by, Runs: runs, First: epoch.Add(after)}}
	}
	joined := union(read(ByRuntime, 2, time.Second), read(ByApplication, 3, 0))
	if len(joined) != 1 || joined[0].Runs != 5 || joined[0].Part != ByApplication || !joined[0].First.Equal(epoch) {
		t.Errorf("joined are %+v", joined)
	}
}

func TestMergeIntoDamaged(t *testing.T) {
	n := newNode(t)
	o := n.record(t, job("c1", "web"), did("getpid"))
	before, err := os.ReadFile(o.Profile)
	must(t, err)
	j, init := mortal(t, job("c2", "web"))
	j.Merge = true
	n.start(t, j)
	n.ran(t, "c2", did("getppid"))
	end(t, init)
	whole, err := os.ReadFile(o.Metadata)
	must(t, err)
	must(t, os.WriteFile(o.Metadata, []byte("{"), 0o644))
	failed := n.end("c2")
	if failed == nil || !errors.Is(failed.Err, ErrDamaged) {
		t.Fatalf("outcome is %+v", failed)
	}
	after, err := os.ReadFile(o.Profile)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the profile was replaced")
	}
	must(t, os.WriteFile(o.Metadata, whole, 0o644))
	n.recoverAll(t, 1)
	if _, m := n.recorded(t, o.Profile); m.Runs != 2 {
		t.Errorf("%d runs, want 2", m.Runs)
	}
	n.idle(t)
}

// Without merge, the last one to end has the output, and a person is told.
func TestSameOutput(t *testing.T) {
	n := newNode(t)
	n.start(t, job("c1", "web"))
	n.start(t, job("c2", "web"))
	n.ran(t, "c1", did("getpid"))
	n.ran(t, "c2", did("getppid"))
	n.finish(t, "c1")
	o := n.finish(t, "c2")
	if len(o.Notes) != 1 {
		t.Errorf("notes are %q", o.Notes)
	}
	profile, m := n.recorded(t, o.Profile)
	if allowed := profile.allowed(); slices.Contains(allowed, "getpid") || !slices.Contains(allowed, "getppid") || m.Runs != 1 {
		t.Errorf("the profile is not that of the last run: %v", allowed)
	}
}

// Load does not hand out metadata for a profile that it does not belong to.
func TestLoadStale(t *testing.T) {
	n := newNode(t)
	o := n.record(t, job("c1", "web"), did("getpid"))
	must(t, os.WriteFile(o.Profile, []byte("edited"), 0o644))
	if _, err := Load(o.Profile); !errors.Is(err, ErrStale) {
		t.Errorf("error is %v, want ErrStale", err)
	}
	must(t, os.Remove(o.Metadata))
	if _, err := Load(o.Profile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want ErrNotExist", err)
	}
}

// The same run written again has the same bytes.
func TestStable(t *testing.T) {
	var profiles []string
	for range 3 {
		n := newNode(t)
		o := n.record(t, job("c1", "web"), did("write", "getpid", "read", "uname"))
		data, err := os.ReadFile(o.Profile)
		must(t, err)
		profiles = append(profiles, string(data))
	}
	if profiles[0] != profiles[1] || profiles[1] != profiles[2] {
		t.Errorf("profiles differ: %q", profiles)
	}
}

func TestDamagedRunningFile(t *testing.T) {
	for name, content := range map[string]string{
		"empty":     "",
		"half":      `{"version":1,"run":"A`,
		"null":      "null",
		"other id":  `{"version":1,"run":"A","job":{"container":"other","output":{"name":"x"}}}`,
		"version":   `{"version":99,"run":"A","job":{"container":"c1","output":{"name":"x"}}}`,
		"escapes":   `{"version":1,"run":"A","job":{"container":"c1","output":{"name":"../../x"}},"init":{"pid":1073741824,"start":1}}`,
		"no result": `{"version":1,"run":"A","job":{"container":"c1","output":{"name":"x"}},"init":{"pid":1073741824,"start":1},"harvest":{}}`,
		"other run": `{"version":1,"run":"A","job":{"container":"c1","output":{"name":"x"}},"init":{"pid":1073741824,"start":2}}`,
		"run":       `{"version":1,"run":"../../x","job":{"container":"c1","output":{"name":"x"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			for _, act := range []func() *Outcome{
				func() *Outcome { return n.end("c1") },
				func() *Outcome {
					list, err := n.Start(job("c1", "web"))
					must(t, err)
					return list[0]
				},
				func() *Outcome {
					list, err := n.Recover()
					must(t, err)
					if len(list) != 1 {
						t.Fatalf("outcomes are %+v", list)
					}
					return list[0]
				},
			} {
				must(t, n.running.Replace("c1@1073741824-1.json", []byte(content), 0o600))
				o := act()
				var d *damage
				if o == nil || !errors.As(o.Err, &d) {
					t.Fatalf("outcome is %+v, want damage", o)
				}
				kept, err := os.ReadFile(filepath.Join(n.dir, "state/damaged/c1@1073741824-1.json"))
				must(t, err)
				if string(kept) != content {
					t.Errorf("kept %q", kept)
				}
				n.end("c1")
				n.idle(t)
			}
		})
	}
}

// When the kernel's tables are gone nobody is told that all is well.
func TestLost(t *testing.T) {
	n := newNode(t)
	n.start(t, job("c1", "web"))
	must(t, n.kernel.LetGo(n.entry(t, "c1").Handle))
	if o := n.end("c1"); o == nil || !errors.Is(o.Err, ErrLost) {
		t.Errorf("outcome is %+v, want ErrLost", o)
	}
	n.idle(t)
}

// mortal is a job whose init the test can end.
func mortal(t *testing.T, j Job) (Job, *exec.Cmd) {
	t.Helper()
	init := sleeper(t)
	j.PID = init.Process.Pid
	return j, init
}

func TestRecoverLeavesTheLiving(t *testing.T) {
	n := newNode(t)
	n.start(t, job("alive", "alive"))
	j, dead := mortal(t, job("dead", "dead"))
	n.start(t, j)
	n.ran(t, "dead", did("getpid"))
	n.recoverAll(t, 0)
	end(t, dead)
	n.recoverAll(t, 1)
	n.recorded(t, n.output("dead"))
	n.ran(t, "alive", did("getpid"))
	n.finish(t, "alive")
	n.idle(t)
}

// Hooks do not try again at once what the disk has refused; nor do they wait for a clock that was set back.
func TestDue(t *testing.T) {
	for after, want := range map[time.Duration]bool{0: false, time.Second: false, patienceOfDisks: true, time.Hour: true, -time.Second: true} {
		if got := due(epoch, epoch.Add(after)); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
	}
}

// What the disk has refused is not in the kernel any more, and is written when the disk takes it.
func TestRefusingDisk(t *testing.T) {
	n := newNode(t)
	j, init := mortal(t, job("c1", ""))
	dir := filepath.Join(n.dir, "away")
	must(t, os.Mkdir(dir, 0o755))
	j.Output = Output{Path: filepath.Join(dir, "out.json")}
	n.start(t, j)
	n.ran(t, "c1", did("getpid"))
	end(t, init)
	must(t, os.Remove(dir))
	if o := n.end("c1"); o == nil || o.Err == nil {
		t.Fatalf("outcome is %+v", o)
	}
	if left, err := os.ReadDir(n.kernel.dir); err != nil || len(left) > 0 {
		t.Errorf("the kernel still keeps %v (%v)", left, err)
	}
	if outcomes, err := n.Recover(); err != nil || len(outcomes) != 1 || outcomes[0].Err == nil {
		t.Errorf("outcomes are %+v, %v", outcomes, err)
	}
	must(t, os.Mkdir(dir, 0o755))
	n.recoverAll(t, 1)
	n.recorded(t, j.Output.Path)
	n.idle(t)
}

// Many at once, into one output and into their own.
func TestConcurrent(t *testing.T) {
	n := newNode(t)
	const many = 24
	var group sync.WaitGroup
	errs := make(chan error, 4*many)
	for i := range many {
		group.Go(func() {
			for run, output := range []Job{job(fmt.Sprint("own", i), fmt.Sprint("own", i)), job(fmt.Sprint("shared", i), "shared")} {
				output.Merge = run == 1
				if _, err := n.Start(output); err != nil {
					errs <- err
					continue
				}
				e, err := n.entryOf(output.Container)
				if err == nil {
					err = n.kernel.set(e.Handle, did("getpid", "uname"))
				}
				errs <- err
				if o := n.end(output.Container); o == nil || o.Err != nil {
					errs <- fmt.Errorf("%s: %+v", output.Container, o)
				}
				if _, err := n.Recover(); err != nil {
					errs <- err
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	n.idle(t)
	if _, m := n.recorded(t, n.output("shared")); m.Runs != many || len(m.Calls) != 3 || m.Calls[0].Runs != many {
		t.Errorf("%d runs and calls %+v, want %d", m.Runs, m.Calls, many)
	}
	for i := range many {
		n.recorded(t, n.output(fmt.Sprint("own", i)))
	}
}
