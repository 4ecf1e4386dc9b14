package recording

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strata/internal/syscalls"
)

func TestRuntimeName(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/sbin/runc": "runc", "/usr/libexec/crio/crun": "crun", "crun-1.21": "crun", "runc.amd64": "runc", "youki": "youki",
		"/usr/bin/bash": "", "/": "", "": "", "runchaos": "", "/runc/sh": "",
	} {
		if got := RuntimeName(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

// script makes a runtime that counts how often it was asked.
func script(t *testing.T, dir, name, line string) (path string, asked func() int) {
	t.Helper()
	path, log := filepath.Join(dir, name), filepath.Join(dir, name+".log")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\necho >>"+log+"\necho '"+line+"'\n"), 0o755))
	return path, func() int {
		data, err := os.ReadFile(log)
		if err != nil {
			return 0
		}
		return len(data)
	}
}

func TestRuntimeVersion(t *testing.T) {
	n := newNode(t)
	path, asked := script(t, n.dir, "runc", "runc version 1.2.3+x")
	record := func() *Metadata {
		j := job("c1", "web")
		j.Origin.Runtime = Runtime{Name: "runc", Path: path}
		_, m := n.recorded(t, n.record(t, j, did("getpid")).Profile)
		return m
	}
	for range 3 {
		if m := record(); m.Runtime != (Runtime{Name: "runc", Path: path, Version: "1.2.3+x"}) {
			t.Fatalf("runtime is %+v", m.Runtime)
		}
	}
	if asked() != 1 {
		t.Errorf("the runtime was asked %d times, want once", asked())
	}
	// Another program at the same path is asked again.
	must(t, os.Remove(path))
	script(t, n.dir, "runc", "crun version 9")
	m := record()
	if m.Runtime.Version != "9" || m.Runtime.Name != "crun" {
		t.Errorf("runtime is %+v", m.Runtime)
	}
	base, err := baseOf("crun")
	must(t, err)
	if !slices.Equal(m.Base, base) {
		t.Errorf("base is %v, want crun's", m.Base)
	}
}

// Programs that are no runtimes are not run.
func TestOtherProgramIsNotAsked(t *testing.T) {
	n := newNode(t)
	path, asked := script(t, n.dir, "shutdown", "shutdown version 1")
	j := job("c1", "web")
	j.Origin.Runtime = Runtime{Path: path}
	n.record(t, j, did("getpid"))
	if asked() != 0 {
		t.Error("it was run")
	}
}

// What is not known about the node costs a note and not the recording.
func TestUnknownRuntime(t *testing.T) {
	n := newNode(t)
	bad, _ := script(t, n.dir, "runc-odd", "no such option")
	for _, path := range []string{bad, "/no/such/runc"} {
		must(t, n.state.Replace(factsFile, []byte("damaged"), 0o600))
		j := job("c1", "web")
		j.Origin.Runtime = Runtime{Name: "runc", Path: path}
		o := n.record(t, j, did("getpid"))
		if len(o.Notes) != 1 || !strings.Contains(o.Notes[0], path) {
			t.Errorf("notes are %q, want one about %s", o.Notes, path)
		}
	}
}

func TestLibseccomp(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "libseccomp.so.2.9.1")
	names := syscalls.Host().Names()
	held := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "mseal" || name == "getppid" })
	must(t, os.WriteFile(library, []byte("\x7fELF\x00"+strings.Join(held, "\x00")+"\x00"), 0o644))
	link := filepath.Join(dir, "libseccomp.so.2")
	must(t, os.Symlink("libseccomp.so.2.9.1", link))
	found, err := askLibseccomp(link)
	must(t, err)
	if found.Version != "2.9.1" || !slices.Contains(found.Unknown, "mseal") || !slices.Contains(found.Unknown, "getppid") || slices.Contains(found.Unknown, "read") {
		t.Errorf("found %+v", found)
	}
	m := &Metadata{Calls: []Call{{Name: "read"}, {Name: "getppid"}, {ABI: "x32", Name: "getppid"}}}
	if got := unknownNames(m, found.Unknown); !slices.Equal(got, []string{"getppid"}) {
		t.Errorf("unknown to the library: %v", got)
	}
	must(t, os.WriteFile(library, []byte("something else"), 0o644))
	if _, err := askLibseccomp(link); err == nil {
		t.Error("a file without tables is taken for libseccomp")
	}
}

// The installed library, which the packages that tests need bring along, knows the oldest calls.
func TestInstalledLibseccomp(t *testing.T) {
	for _, path := range libseccompPaths() {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		found, err := askLibseccomp(path)
		must(t, err)
		if !strings.HasPrefix(found.Version, "2.") || slices.Contains(found.Unknown, "openat") {
			t.Errorf("found %+v", found)
		}
		return
	}
	t.Errorf("there is none at %v", libseccompPaths())
}
