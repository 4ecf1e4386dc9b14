package enforcement

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"

	"strata/internal/enforce"
	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
	"strata/test/kernelfilter"
)

// pid is that of a container's init on this machine.
func (w way) pid(t *testing.T, id string) int {
	t.Helper()
	pid, err := strconv.Atoi(w.Do(t, "inspect", "--format", "{{.State.Pid}}", id))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// wanted is what layers of the tests' profile directory mean.
func wanted(t *testing.T, layers ...string) *ruleset.Set {
	t.Helper()
	plan := stack.Plan{Machine: profile.Machine{Native: syscalls.Host()}}
	for _, name := range layers {
		chain, _, err := stack.Library{Dirs: []string{profiles}}.Load(reference.Reference{Kind: reference.Named, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		plan.Layers = append(plan.Layers, chain)
	}
	s, err := plan.Build()
	if err != nil {
		t.Fatal(err)
	}
	return s.Set
}

// holds checks that the kernel holds one filter for a process, which does what the layers say for every call and all
// arguments. runc alone adds to it: calls numbered above the highest one of the profile fail with ENOSYS, whatever an
// errno or kill that is the default says (libcontainer/seccomp/patchbpf).
func holds(t *testing.T, pid int, runtime string, layers ...string) {
	t.Helper()
	filters, err := kernelfilter.Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(filters) != 1 {
		t.Fatalf("process %d has %d filters", pid, len(filters))
	}
	set := wanted(t, layers...)
	proof, err := filter.Proven(set, filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	does := &filter.Compiled{Program: filters[0], Unknown: proof.Unknown}
	if err := filter.Prove(set, does); err != nil {
		if runtime != "runc" || !beyond(t, set, does) {
			t.Errorf("the kernel's filter: %v", err)
		}
	}
}

// beyond says whether a program differs from a set only in calls above the highest of which the set says something,
// which fail with ENOSYS.
func beyond(t *testing.T, set *ruleset.Set, c *filter.Compiled) bool {
	t.Helper()
	for _, abi := range set.ABIs() {
		highest := slices.Max(set.Numbers(abi))
		for nr := range abi.Max() + 100 {
			call := ruleset.Call{ABI: abi, Number: nr}
			got, err := c.Program.Simulate(call)
			if err != nil {
				t.Fatal(err)
			}
			want := set.At(abi, nr, call.Args)
			if nr > highest && want.Kind >= ruleset.Errno {
				want = ruleset.Action{Kind: ruleset.Errno, Errno: 38}
			}
			if got != want {
				t.Logf("%v: %v, not %v", call, got, want)
				return false
			}
		}
	}
	return true
}

// record is what Strata wrote down about a container.
func record(t *testing.T, id string) (enforce.Record, error) {
	t.Helper()
	all, err := enforce.Records(enforce.DefaultState)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Container == id {
			return r, nil
		}
	}
	return enforce.Record{}, fmt.Errorf("container %s: %w", id, fs.ErrNotExist)
}

func recorded(t *testing.T, id, layers string) {
	t.Helper()
	r, err := record(t, id)
	if err != nil || strings.Join(r.Layers, ",") != layers || r.SHA256 == "" || r.Instructions == 0 || len(r.Because) == 0 {
		t.Errorf("written down is %+v, %v", r, err)
	}
}

func forgotten(t *testing.T, id string) {
	t.Helper()
	if r, err := record(t, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still written down is %+v, %v", r, err)
	}
}
