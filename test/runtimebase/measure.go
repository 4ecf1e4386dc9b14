package runtimebase

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/test/installation"
	"strata/test/programs"
	"strata/test/testbed"
)

// A condition is something about a container that changes what its runtime does.
type condition struct {
	name string // as it is written down
	set  func(*start)
}

// A start is one container from its creation to its end.
type start struct {
	bundle *testbed.Bundle
	exec   bool // another program is executed in it
}

// conditions are the ones that were found to matter, each of them on or off.
var conditions = []condition{
	{"no_new_privs", func(s *start) { s.bundle.Spec.Process.NoNewPrivileges = true }},
	{"user", func(s *start) {
		s.bundle.Spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{10, 20}}
	}},
	{"terminal", func(s *start) { s.bundle.Spec.Process.Terminal = true }},
	{"path", func(s *start) { // looked up, from another directory
		s.bundle.Spec.Process.Args[0] = "calls"
		s.bundle.Spec.Process.Env = []string{"PATH=/usr/bin:/bin:/"}
		s.bundle.Spec.Process.Cwd = "/tmp"
	}},
	{"exec", func(s *start) { s.exec = true }},
}

// combinations of conditions: bit i says whether conditions[i] holds.
const combinations = 1 << 5

// seen are the calls that a runtime made in one start under the container's filter before the program ran.
func seen(t *testing.T, runtime string, combination int) []string {
	t.Helper()
	signal := t.TempDir()
	if err := os.Chmod(signal, 0o777); err != nil {
		t.Fatal(err)
	}
	var script programs.Script
	s := &start{}
	if combination&(combinations>>1) != 0 { // the last condition: it has to wait for the other program
		script = programs.Script{programs.Native("creat", "/signal/up", 0o644), programs.Await("/signal/go")}
	}
	s.bundle = testbed.NewBundle(t, runtime, testbed.Calls, append([]string{"/calls"}, script.Argv()...)...)
	for i, c := range conditions {
		if combination&(1<<i) != 0 {
			c.set(s)
		}
	}
	b := s.bundle
	b.Bind(signal, "/signal")
	name := "measured-" + b.ID
	b.Spec.Annotations["io.strata.record"] = name
	hook := func(stage string) []specs.Hook {
		return []specs.Hook{{Path: installation.Hook, Args: []string{"strata-hook", "--trust=paths", stage}}}
	}
	b.Spec.Hooks.Prestart = hook("prestart")
	b.Spec.Hooks.Poststop = hook("poststop")
	if outcome := b.Create(t); outcome.Code != 0 {
		t.Fatal(outcome)
	}
	b.Start(t)
	if s.exec {
		b.Await(t, filepath.Join(signal, "up"))
		argv := append([]string{"/calls"}, programs.Script{programs.Native("getsid", 0)}.Argv()...)
		if b.Spec.Process.Terminal {
			b.ExecTerminal(t, argv...)
		} else if outcome := b.Exec(t, argv...); outcome.Code != 0 {
			t.Fatal(outcome)
		}
		write(t, filepath.Join(signal, "go")) // not by the other program, which would die with the container
	}
	b.Wait(t)
	b.Delete(t)
	return runtimeCalls(t, name)
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// runtimeCalls reads them from a recording.
func runtimeCalls(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/var/lib/strata/recordings", name+".recording.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recording struct {
		Failures uint64
		Calls    []struct{ ABI, Name, Part string }
	}
	if err := json.Unmarshal(data, &recording); err != nil {
		t.Fatal(err)
	}
	if recording.Failures != 0 {
		t.Fatalf("the recorder failed %d times", recording.Failures)
	}
	var names []string
	for _, c := range recording.Calls {
		if c.ABI != "x86_64" {
			t.Errorf("the runtime makes a call of %s: %s", c.ABI, c.Name)
		}
		if c.Part == "runtime" {
			names = append(names, c.Name)
		}
	}
	if !slices.Contains(names, "execve") {
		t.Fatalf("the runtime's calls lack execve: %v", names)
	}
	return names
}

// measured is what a measurement of a runtime writes down.
type measured struct {
	Runtime  string            `json:"runtime"`
	Versions []version         `json:"versions"`
	Starts   int               `json:"starts"`
	Each     map[string]string `json:"conditions"` // what their names mean
	Calls    map[string]*count `json:"calls"`
}

type version struct {
	Packages map[string]string `json:"packages"`
	Starts   int               `json:"starts"`
}

// count says of a call in how many starts it was seen, and what all these had in common: a condition, or "not" one.
type count struct {
	Starts int      `json:"starts"`
	When   []string `json:"when,omitempty"`

	with, without []int // by condition
}

var meanings = map[string]string{
	"no_new_privs": "process.noNewPrivileges",
	"user":         "process.user is not root and has additional groups",
	"terminal":     "process.terminal",
	"path":         "the program is looked up in PATH, the working directory is not /",
	"exec":         "another program is executed in the container",
}

func (m *measured) add(combination int, names []string) {
	m.Starts++
	for _, name := range names {
		c := m.Calls[name]
		if c == nil {
			c = &count{with: make([]int, len(conditions)), without: make([]int, len(conditions))}
			m.Calls[name] = c
		}
		c.Starts++
		for i := range conditions {
			if combination&(1<<i) != 0 {
				c.with[i]++
			} else {
				c.without[i]++
			}
		}
	}
}

// common fills in what the starts had in common.
func (m *measured) common() {
	for _, c := range m.Calls {
		for i, condition := range conditions {
			switch {
			case c.without[i] == 0:
				c.When = append(c.When, condition.name)
			case c.with[i] == 0:
				c.When = append(c.When, "not "+condition.name)
			}
		}
	}
}

// base is the profile of the calls that were seen or are possible.
func base(names ...string) specs.LinuxSeccomp {
	errno := uint(38) // ENOSYS
	slices.Sort(names)
	return specs.LinuxSeccomp{
		DefaultAction:   specs.ActErrno,
		DefaultErrnoRet: &errno,
		Syscalls:        []specs.LinuxSyscall{{Names: slices.Compact(names), Action: specs.ActAllow}},
	}
}

// unseen are the possible calls that a measurement did not see.
func (m *measured) unseen() map[string]string {
	left := maps.Clone(possible[m.Runtime])
	for name := range m.Calls {
		delete(left, name)
	}
	return left
}
