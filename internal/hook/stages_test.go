package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/recorder"
	"strata/internal/recording"
	"strata/internal/request"
)

func TestRecord(t *testing.T) {
	n := newNode(t)
	for range 2 { // a second prestart changes nothing
		_, err := n.run((*Hook).Prestart, n.state(record("web"), nil))
		must(t, err)
	}
	if len(n.tracker.recordings) != 1 {
		t.Fatalf("tracked are %v", n.tracker.recordings)
	}
	for range 2 { // nor does a second poststop
		_, err := n.run((*Hook).Poststop, n.stopped())
		must(t, err)
	}
	m, err := recording.Load(n.path("recordings/web.json"))
	must(t, err)
	if m.Options.Seccomp != "keep" || !m.Options.Denied || m.Options.Unfiltered || m.Runs != 1 {
		t.Errorf("metadata is %+v", m)
	}
	if len(n.tracker.recordings) != 0 {
		t.Errorf("still tracked are %v", n.tracker.recordings)
	}
}

// A container that asks for nothing leaves no trace, whatever else it says.
func TestNothingAsked(t *testing.T) {
	n := newNode(t)
	_, err := n.run((*Hook).Prestart, n.state(map[string]string{"com.example": "x", "io.container.manager": "libpod"}, nil))
	must(t, err)
	for _, name := range []string{"state", "recordings"} {
		if n.exists(name) {
			t.Errorf("%s was made", name)
		}
	}
}

func TestPoststopOfUnknown(t *testing.T) {
	n := newNode(t)
	for _, state := range []string{n.stopped(), `{"id":"x"}`, `{"id":"x","pid":0,"annotations":{"io.strata.record":"../bad"}}`} {
		if _, err := n.run((*Hook).Poststop, state); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
}

func TestBadStates(t *testing.T) {
	n := newNode(t)
	for _, c := range []struct{ name, state, want string }{
		{"empty", "", "standard input"},
		{"not JSON", "hello", "standard input"},
		{"cut", `{"id":"c1"`, "standard input"},
		{"two", `{"id":"c1"}{"id":"c2"}`, "standard input"},
		{"a list", `[]`, "standard input"},
		{"null", `null`, "no container id"},
		{"no id", `{"pid":1}`, "no container id"},
		{"types", `{"id":1}`, "standard input"},
		{"huge", `{"id":"` + strings.Repeat("x", inputLimit) + `"}`, "more than"},
		{"long id", `{"id":"` + strings.Repeat("x", 5000) + `"}`, "container id of 5000 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "long id" {
				_, err := n.run((*Hook).Prestart, c.state)
				fails(t, err, c.want)
			}
			_, err := n.run((*Hook).Poststop, c.state)
			fails(t, err, c.want)
		})
	}
}

func TestPrestartRefuses(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	empty := filepath.Join(t.TempDir(), "empty.json")
	must(t, os.WriteFile(empty, []byte("{}"), 0o644))
	out := "of:" + filepath.Join(t.TempDir(), "out.json")
	trace := func(value string) map[string]string { return map[string]string{"io.containers.trace-syscall": value} }
	for _, c := range []struct {
		name        string
		annotations map[string]string
		state       map[string]any
		trust       request.Trust
		want        string
	}{
		{"unknown key", map[string]string{"io.strata.recrod": "web"}, nil, request.Trusted, "io.strata.recrod"},
		{"bad name", record("../web"), nil, request.Trusted, "../web"},
		{"control characters", record("a\nb"), nil, request.Trusted, "control characters"},
		{"option without recording", map[string]string{"io.strata.record.merge": "true"}, nil, request.Trusted, "io.strata.record"},
		{"no pid", record("web"), map[string]any{"pid": nil}, request.Trusted, "no pid"},
		{"pid 0", record("web"), map[string]any{"pid": 0}, request.Trusted, "no pid"},
		{"negative pid", record("web"), map[string]any{"pid": -7}, request.Trusted, "no pid"},
		{"ended init", record("web"), map[string]any{"pid": 1 << 30}, request.Trusted, "init"},
		{"no bundle", record("web"), map[string]any{"bundle": nil}, request.Trusted, "no bundle"},
		{"absent bundle", record("web"), map[string]any{"bundle": absent}, request.Trusted, absent},
		{"stack", map[string]string{"io.strata.stack": "web"}, nil, request.Trusted, "stack"},
		{"unconfined with a filter", record("web", "io.strata.record.seccomp", "unconfined"), nil, request.Trusted, "precreate"},
		{"path from names", trace(out), nil, request.Untrusted, "paths are not accepted"},
		{"not allowed by the policy", record("web"), nil, request.Untrusted, "policy"},
		{"absent directory", trace("of:" + absent + "/out.json"), nil, request.Trusted, absent},
		{"absent input", trace(out + ";if:" + absent), nil, request.Trusted, absent},
		{"FIFO as input", trace(out + ";if:" + fifo), nil, request.Trusted, "FIFO"},
		{"device as input", trace(out + ";if:/dev/zero"), nil, request.Trusted, "device"},
		{"empty input", trace(out + ";if:" + empty), nil, request.Trusted, empty},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.trust = c.trust
			_, err := n.run((*Hook).Prestart, n.state(c.annotations, c.state))
			fails(t, err, c.want)
			if len(n.tracker.recordings) > 0 {
				t.Error("it is recorded all the same")
			}
		})
	}
}

// crun cuts annotations at a NUL: the hook is told less than config.json says.
func TestAnnotationsDisagree(t *testing.T) {
	n := newNode(t)
	for config, want := range map[string]string{
		`{"annotations":{"io.strata.record":"web\u0000/../x"}}`:               "config.json",
		`{"annotations":{"io.strata.record\u0000x":"y"}}`:                     "unknown",
		`{"annotations":{"io.strata.record":"other"}}`:                        "other",
		`{"annotations":{"io.strata.record":"web","io.strata.record.x":"y"}}`: "io.strata.record.x",
	} {
		n.bundle(config)
		_, err := n.run((*Hook).Prestart, n.state(record("web"), nil))
		fails(t, err, want)
	}
	if len(n.tracker.recordings) > 0 {
		t.Error("it is recorded all the same")
	}
}

func TestBrokenPolicyStopsRequests(t *testing.T) {
	n := newNode(t)
	n.write("policy/strata.toml", "record = nonsense")
	_, err := n.run((*Hook).Prestart, n.state(record("web"), nil))
	fails(t, err, "strata.toml")
}

func TestPolicyAllows(t *testing.T) {
	n := newNode(t)
	n.trust = request.Untrusted
	n.write("policy/strata.toml", "[record]\nothers = true\n")
	_, err := n.run((*Hook).Prestart, n.state(record("web"), nil))
	must(t, err)
	if len(n.tracker.recordings) != 1 {
		t.Error("it is not recorded")
	}
}

// What can not be recorded stops its container, unless the policy says otherwise. A bad request always does.
func TestFailingRecorder(t *testing.T) {
	for _, c := range []struct {
		policy string
		stops  bool
	}{{"", true}, {"[record]\non_failure = \"stop\"\n", true}, {"[record]\non_failure = \"warn\"\n", false}} {
		n := newNode(t)
		n.write("policy/strata.toml", c.policy)
		n.tracker.fails = fmt.Errorf("load: %w", recorder.ErrNoBTF)
		_, err := n.run((*Hook).Prestart, n.state(record("web"), nil))
		if c.stops {
			fails(t, err, "CONFIG_DEBUG_INFO_BTF")
		} else {
			must(t, err)
			if !strings.Contains(n.log.String(), "CONFIG_DEBUG_INFO_BTF") {
				t.Errorf("log is %q", n.log.String())
			}
		}
		_, err = n.run((*Hook).Prestart, n.state(record("../web"), nil))
		fails(t, err, "../web")
		_, err = n.run((*Hook).Prestart, n.state(map[string]string{"io.containers.trace-syscall": "of:/no/such/place.json"}, nil))
		fails(t, err, "/no/such")
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name, seccomp string
		annotations   map[string]string
		want          recorder.Options
	}{
		{"no profile", ``, record("web"), recorder.Options{Unfiltered: true}},
		{"null", `"seccomp":null`, record("web"), recorder.Options{Unfiltered: true}},
		{"empty profile", `"seccomp":{}`, record("web"), recorder.Options{Unfiltered: true}},
		{"allows all", `"seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}`, record("web"), recorder.Options{}},
		{"logs", `"seccomp":{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, record("web"), recorder.Options{}},
		{"denies one", `"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO"}]}`, record("web"), recorder.Options{Denied: true}},
		{"denies by default", `"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}`, record("web"), recorder.Options{Denied: true}},
		{"denials not wanted", `"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}`, record("web", "io.strata.record.denied", "false"), recorder.Options{}},
		{"unconfined", ``, record("web", "io.strata.record.seccomp", "unconfined"), recorder.Options{Unfiltered: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.bundle(`{"linux":{` + c.seccomp + `}}`)
			_, err := n.run((*Hook).Prestart, n.state(c.annotations, nil))
			must(t, err)
			if got := n.tracker.recordings[1]; len(n.tracker.recordings) != 1 || got != c.want {
				t.Errorf("options are %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTraceSyscall(t *testing.T) {
	n := newNode(t)
	n.write("base.json", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["getpid"],"action":"SCMP_ACT_KILL"}]}`)
	value := "of:" + n.path("out.json") + ";if:" + n.path("base.json")
	_, err := n.run((*Hook).Prestart, n.state(map[string]string{"io.containers.trace-syscall": value}, nil))
	must(t, err)
	must(t, os.Remove(n.path("base.json"))) // it was read when the container started
	_, err = n.run((*Hook).Poststop, n.stopped())
	must(t, err)
	data, err := os.ReadFile(n.path("out.json"))
	must(t, err)
	var profile struct {
		Syscalls []struct {
			Names  []string
			Action string
		}
	}
	must(t, json.Unmarshal(data, &profile))
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			if name == "getpid" && rule.Action == "SCMP_ACT_ALLOW" {
				t.Errorf("what the input kills is allowed: %s", data)
			}
		}
	}
}

func TestCollect(t *testing.T) {
	n := newNode(t)
	stdout, err := n.run((*Hook).Collect, "")
	must(t, err)
	if stdout != "" {
		t.Errorf("nothing to do, and it says %q", stdout)
	}
	_, err = n.run((*Hook).Prestart, n.state(record("web"), nil))
	must(t, err)
	// The container's init is another process by now: the machine was restarted.
	files, err := filepath.Glob(n.path("state/running/*.json"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("running files are %v", files)
	}
	data, err := os.ReadFile(files[0])
	must(t, err)
	var entry map[string]any
	must(t, json.Unmarshal(data, &entry))
	entry["init"] = map[string]any{"pid": os.Getpid(), "start": 1, "boot": "another"}
	data, err = json.Marshal(entry)
	must(t, err)
	must(t, os.Remove(files[0]))
	n.write(fmt.Sprintf("state/running/c1@%d-1.json", os.Getpid()), string(data))
	stdout, err = n.run((*Hook).Collect, "")
	must(t, err)
	if !strings.Contains(stdout, n.path("recordings/web.json")) {
		t.Errorf("it says %q", stdout)
	}
	_, err = recording.Load(n.path("recordings/web.json"))
	must(t, err)
}

func TestStages(t *testing.T) {
	for _, stage := range Stages() {
		if stage.Name == "" || stage.About == "" || stage.Run == nil {
			t.Errorf("stage %+v is not whole", stage)
		}
	}
}

func TestExplain(t *testing.T) {
	err := fmt.Errorf("a\nb: %w", errors.Join(errors.New("c"), unix.ESRCH))
	if got := Explain(err); strings.Contains(got, "\n") || !strings.Contains(got, "ended already") {
		t.Errorf("explained as %q", got)
	}
}
