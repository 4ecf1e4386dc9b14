package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/internal/syscalls"
	"strata/test/testbed"
)

const recordings = "/var/lib/strata/recordings"

// record is the annotation that asks for a recording, as flags.
func record(name string, more ...string) []string {
	flags := []string{"--annotation", "io.strata.record=" + name}
	for _, annotation := range more {
		flags = append(flags, "--annotation", "io.strata."+annotation)
	}
	return flags
}

// A recording is what a finished one left on disk: documented in strata-hook(8).
type recording struct {
	Profile  specs.LinuxSeccomp
	Metadata struct {
		Engine  string
		Image   string
		Runtime struct{ Name, Version string }
		Options struct{ Unfiltered, Denied, Merge bool }

		Runs      int
		Processes uint64
		Calls     []callSeen
		Denied    []callSeen
		Base      []string
		Beyond    uint64
		Failures  uint64
	}
}

type callSeen struct {
	ABI, Name, Part string
	Number          uint32
	Runs            int
}

// finished reads a recording that must be there.
func finished(t *testing.T, name string) *recording {
	t.Helper()
	return finishedAt(t, filepath.Join(recordings, name+".json"), filepath.Join(recordings, name+".recording.json"))
}

func finishedAt(t *testing.T, profile, metadata string) *recording {
	t.Helper()
	r := new(recording)
	for file, into := range map[string]any{profile: &r.Profile, metadata: &r.Metadata} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return r
}

// absent fails the test where a recording of that name is there.
func absent(t *testing.T, name string) {
	t.Helper()
	for _, ending := range []string{".json", ".recording.json"} {
		if _, err := os.Lstat(filepath.Join(recordings, name+ending)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s%s: %v, want no such file", name, ending, err)
		}
	}
}

// sets of calls by ABI, in order and without repetitions. Calls without a name are left out.
type sets map[syscalls.ABI][]string

func setOf(calls []callSeen, keep func(callSeen) bool) sets {
	s := sets{}
	for _, c := range calls {
		if abi, ok := syscalls.Parse(c.ABI); ok && c.Name != "" && keep(c) {
			s[abi] = append(s[abi], c.Name)
		}
	}
	return s.sorted()
}

func (s sets) sorted() sets {
	for abi, names := range s {
		slices.Sort(names)
		s[abi] = slices.Compact(names)
	}
	return s
}

// and is the union with other sets.
func (s sets) and(others ...map[syscalls.ABI][]string) sets {
	all := sets{}
	for _, other := range append(others, s) {
		for abi, names := range other {
			all[abi] = append(all[abi], names...)
		}
	}
	return all.sorted()
}

// without leaves out names of the 64-bit ABI.
func (s sets) without(names []string) sets {
	rest := maps.Clone(s)
	rest[syscalls.X86_64] = slices.DeleteFunc(slices.Clone(s[syscalls.X86_64]), func(name string) bool { return slices.Contains(names, name) })
	if len(rest[syscalls.X86_64]) == 0 {
		delete(rest, syscalls.X86_64)
	}
	return rest
}

// application are the calls that the container's own programs made.
func (r *recording) application() sets {
	return setOf(r.Metadata.Calls, func(c callSeen) bool { return c.Part == "application" })
}

// runtime are the calls that only the runtime made, under the container's filter.
func (r *recording) runtime() sets {
	return setOf(r.Metadata.Calls, func(c callSeen) bool { return c.Part == "runtime" })
}

func (r *recording) denied() sets {
	return setOf(r.Metadata.Denied, func(callSeen) bool { return true })
}

func allowed(profile specs.LinuxSeccomp) []string {
	var names []string
	for _, rule := range profile.Syscalls {
		if rule.Action == specs.ActAllow && len(rule.Args) == 0 {
			names = append(names, rule.Names...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exactly checks a recording against all that its container's programs made, and the profile against the recording.
func (r *recording) exactly(t *testing.T, w way, made map[syscalls.ABI][]string) {
	t.Helper()
	if got, want := r.application(), sets(made); !reflect.DeepEqual(got, want) {
		t.Errorf("the application's calls are\n%v, made were\n%v", got, want)
	}
	base := allowed(testbed.Base(t, w.Runtime))
	if beyond := r.runtime().without(base); len(beyond) > 0 {
		t.Errorf("calls of %s that its base lacks: %v", w.Runtime, beyond)
	}
	r.consistent(t, base)
}

// consistent checks that the profile is what the metadata says.
func (r *recording) consistent(t *testing.T, base []string) {
	t.Helper()
	if r.Metadata.Failures != 0 {
		t.Errorf("%d failures to note calls", r.Metadata.Failures)
	}
	names := slices.Clone(base)
	var architectures []specs.Arch
	for _, abi := range syscalls.ABIs() {
		calls := setOf(r.Metadata.Calls, func(c callSeen) bool { return c.ABI == abi.String() })[abi]
		names = append(names, calls...)
		if len(calls) > 0 {
			architectures = append(architectures, specs.Arch(abi.Arch()))
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); !slices.Equal(allowed(r.Profile), names) {
		t.Errorf("the profile allows\n%v, recorded and needed by the runtime are\n%v", allowed(r.Profile), names)
	}
	if !slices.Equal(r.Profile.Architectures, architectures) {
		t.Errorf("the profile lists %v, seen were %v", r.Profile.Architectures, architectures)
	}
	if r.Profile.DefaultAction != specs.ActErrno || r.Profile.DefaultErrnoRet == nil || *r.Profile.DefaultErrnoRet != 38 {
		t.Errorf("the default is %v %v, want errno ENOSYS", r.Profile.DefaultAction, r.Profile.DefaultErrnoRet)
	}
}
