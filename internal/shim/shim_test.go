package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"strata/internal/bundle"
	"strata/internal/prove/provetest"
)

// newShim is a shim on a node of its own with a policy, and the bundle of a container.
func newShim(t *testing.T, policy, config string) (s *Shim, call Call) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"policy/strata.toml": fmt.Sprintf("[profiles]\ndirs = [%q]\n%s", dir, policy), "bundle/config.json": config, "strata-hook": "",
		"web.json": `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO"}]}`,
	} {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	log, _ := test.NewNullLogger()
	s = &Shim{State: filepath.Join(dir, "state"), Policy: filepath.Join(dir, "policy"), Hook: filepath.Join(dir, "strata-hook"), Prover: provetest.Prover(t), Log: log}
	return s, Call{Command: create, ID: "c1", Bundle: filepath.Join(dir, "bundle")}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrepareAddsRecorders(t *testing.T) {
	const asks = `{"annotations": {"io.strata.record": "web"}, "hooks": {"poststop": [{"path": "/other"}]}}`
	const may = "[record]\nothers = true\n[runtime]\ninject_record = true\n"
	s, call := newShim(t, may, asks)
	must(t, s.prepare(call))
	c, err := bundle.Read(call.Bundle)
	must(t, err)
	begin, end := c.Hooks[bundle.CreateRuntime], c.Hooks[bundle.Poststop]
	if len(begin) != 1 || begin[0].Path != s.Hook || strings.Join(begin[0].Args, " ") != "strata-hook --trust=names prestart" || begin[0].Timeout != 60 {
		t.Errorf("before the start: %+v", begin)
	}
	if len(end) != 2 || end[0].Path != "/other" || end[1].Path != s.Hook || strings.Join(end[1].Args, " ") != "strata-hook --trust=names poststop" {
		t.Errorf("after the end: %+v", end)
	}
	must(t, s.prepare(call)) // what has hooks gets no more
	if again, err := bundle.Read(call.Bundle); err != nil || string(again.Bytes()) != string(c.Bytes()) {
		t.Errorf("%s, %v", again.Bytes(), err)
	}

	for _, stage := range []bundle.Stage{bundle.Prestart, bundle.CreateRuntime} { // an engine with hook files did it
		config := `{"annotations": {"io.strata.record": "web"}, "hooks": {"` + string(stage) + `": [{"path": "/elsewhere/strata-hook"}]}}`
		s, call := newShim(t, "[record]\nothers = true\n", config)
		must(t, s.prepare(call))
		if c, err := bundle.Read(call.Bundle); err != nil || string(c.Bytes()) != config {
			t.Errorf("%s, %v", c.Bytes(), err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	for _, c := range []struct {
		name, policy, config, says string
		change                     func(*Shim, *Call)
	}{
		{"recording without hooks", "[record]\nothers = true\n", `{"annotations": {"io.strata.record": "web"}}`, "inject_record", nil},
		{"recording without a hook", "[record]\nothers = true\n[runtime]\ninject_record = true\n", `{"annotations": {"io.strata.record": "web"}}`, "no such file",
			func(s *Shim, _ *Call) { s.Hook += "-missing" }},
		{"a restored stack", "", `{"annotations": {"io.strata.stack": "web"}}`, "checkpoint", func(_ *Shim, c *Call) { c.Command = restore }},
		{"a restored recording", "[record]\nothers = true\n", `{"annotations": {"io.strata.record": "web"}}`, "checkpoint", func(_ *Shim, c *Call) { c.Command = restore }},
		{"a missing layer", "", `{"annotations": {"io.strata.stack": "other"}}`, "annotation io.strata.stack: profile other", nil},
		{"a broken policy", "nonsense", `{}`, "strata.toml", nil},
		{"no bundle", "", `{}`, "no such file", func(_ *Shim, c *Call) { c.Bundle += "-missing" }},
	} {
		s, call := newShim(t, c.policy, c.config)
		where := call.Bundle
		if c.change != nil {
			c.change(s, &call)
		}
		if err := s.prepare(call); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want an error with %q", c.name, err, c.says)
		}
		if got, err := bundle.Read(where); err != nil || string(got.Bytes()) != c.config {
			t.Errorf("%s: config.json is now %s, %v", c.name, got.Bytes(), err)
		}
	}
}

// A restored container for which nothing was decided is no matter.
func TestPrepareRestored(t *testing.T) {
	s, call := newShim(t, "", `{"annotations": {"other": "x"}}`)
	call.Command = restore
	must(t, s.prepare(call))
}

func TestReport(t *testing.T) {
	failure := errors.New("it\tfailed")
	dir := t.TempDir()
	json1, text := filepath.Join(dir, "json"), filepath.Join(dir, "text")
	for _, call := range []Call{{}, {Log: "relative"}, {Log: "journald:x"}, {Log: json1, LogFormat: "json"}, {Log: json1, LogFormat: "json"}, {Log: text}} {
		if err := call.report(failure); err != failure {
			t.Errorf("%+v: %v", call, err)
		}
	}
	if err := (Call{Log: filepath.Join(dir, "missing", "log")}).report(failure); !errors.Is(err, failure) || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	data, err := os.ReadFile(json1)
	must(t, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), data)
	}
	var said struct{ Level, Msg, Time string }
	if err := json.Unmarshal([]byte(lines[1]), &said); err != nil || said.Level != "error" || said.Msg != "strata-runtime: it\tfailed" || said.Time == "" {
		t.Errorf("%s, %v", lines[1], err)
	}
	if data, err := os.ReadFile(text); err != nil || !strings.Contains(string(data), `level=error msg="strata-runtime: it\tfailed"`) {
		t.Errorf("%s, %v", data, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestRuntime(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "newc")
	must(t, os.WriteFile(program, nil, 0o755))
	before := Dirs
	Dirs = []string{filepath.Join(dir, "missing"), dir}
	t.Cleanup(func() { Dirs = before })
	configured := func() (string, error) { return program, nil }
	never := func() (string, error) { return "", errors.New("the policy was read") }
	for _, c := range []struct {
		called     string
		configured func() (string, error)
		says       string // of the error
	}{
		{"strata-newc", never, ""},
		{"/usr/local/libexec/strata/strata-newc", never, ""},
		{"strata-runtime", configured, ""},
		{"/x/strata-runtime", never, "the policy was read"},
		{"strata-oldc", never, "runtime oldc: in none of"},
		{"newc", never, "called as"},
		{"strata-", never, "called as"},
		{"strata-..", never, "called as"},
		{"", never, "called as"},
	} {
		path, err := Runtime(c.called, c.configured)
		if c.says == "" && (path != program || err != nil) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %s, %v", c.called, path, err)
		}
	}
}
