package enforcement

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/enforce"
	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
	"strata/test/kernelfilter"
	. "strata/test/programs"
	"strata/test/testbed"
)

// pidOf is that of a container's init on this machine.
func pidOf(t *testing.T, w way, id string) int {
	t.Helper()
	pid, err := strconv.Atoi(w.Do(t, "inspect", "--format", "{{.State.Pid}}", id))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// wanted is what layers mean for a container without capabilities.
func wanted(t *testing.T, layers ...string) *ruleset.Set {
	t.Helper()
	return wantedWith(t, nil, layers...)
}

// wantedWith is what layers mean for a container that can have capabilities.
func wantedWith(t *testing.T, capabilities []string, layers ...string) *ruleset.Set {
	t.Helper()
	var release unix.Utsname
	if err := unix.Uname(&release); err != nil {
		t.Fatal(err)
	}
	plan := stack.Plan{Machine: profile.Machine{Native: syscalls.Host(), Capabilities: capabilities}}
	plan.Machine.Kernel, _ = profile.ParseRelease(unix.ByteSliceToString(release.Release[:]))
	for _, name := range layers {
		layer, err := reference.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		chain, _, err := stack.Library{Dirs: []string{profiles, "/usr/local/share/strata/profiles"}}.Load(layer)
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

// holds checks that the kernel holds one filter for a process, which does what a set says for every call and all
// arguments. runc alone adds to it: calls numbered above the highest one of the profile fail with ENOSYS, whatever an
// errno or kill that is the default says (libcontainer/seccomp/patchbpf).
func holds(t *testing.T, pid int, runtime string, set *ruleset.Set) {
	t.Helper()
	filters, err := kernelfilter.Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	if len(filters) != 1 {
		t.Fatalf("process %d has %d filters", pid, len(filters))
	}
	proof, err := filter.Proven(set, filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	does := &filter.Compiled{Program: filters[0], Unknown: proof.Unknown}
	if err := filter.Prove(set, does); err != nil {
		if runtime != "runc" || !beyond(t, set, proof.Rules, does) {
			t.Errorf("the kernel's filter: %v", err)
		}
	}
}

// beyond says whether a program differs from a set only in calls above the highest that the rules name, which fail with ENOSYS.
// It is asked for every call, on the thresholds of its arguments.
func beyond(t *testing.T, set *ruleset.Set, rules []ruleset.Rule, c *filter.Compiled) bool {
	t.Helper()
	unknown := func(abi syscalls.ABI, nr uint32) bool {
		return slices.ContainsFunc(c.Unknown, func(u filter.Unknown) bool { return u.ABI == abi && u.Number == nr })
	}
	highest := map[syscalls.ABI]uint32{}
	for _, abi := range set.ABIs() {
		for _, rule := range rules {
			for _, name := range rule.Names {
				if nr, ok := abi.Number(name); ok && !unknown(abi, nr) {
					highest[abi] = max(highest[abi], nr)
				}
			}
		}
	}
	same := func(call ruleset.Call) bool {
		got, err := c.Program.Simulate(call)
		if err != nil {
			t.Fatal(err)
		}
		want := set.At(call.ABI, call.Number, call.Args)
		switch {
		case call.Number > highest[call.ABI]:
			want = ruleset.Action{Kind: ruleset.Errno, Errno: 38}
		case unknown(call.ABI, call.Number):
			want = set.Fallback()
		}
		if got != want {
			t.Logf("%v: %v, not %v", call, got, want)
		}
		return got == want
	}
	for call, err := range ruleset.Boundary(set) {
		if err != nil {
			t.Fatal(err)
		}
		if !same(call) {
			return false
		}
	}
	for _, abi := range set.ABIs() {
		for nr := range abi.Max() + 100 {
			if !same(ruleset.Call{ABI: abi, Number: nr}) {
				return false
			}
		}
	}
	return true
}

// Profiles of every kind of default come to the kernel as they were proven, also the one of the engines, which depends on
// the container's capabilities.
func TestKernelHoldsTheStack(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		for _, layers := range [][]string{
			{"runtime/default"}, {"eperm"}, {"base/" + w.Runtime, "tight"},
		} {
			b := inPod(t, shim(w.Runtime), w.NoNewPrivileges, map[string]string{"io.strata.stack": strings.Join(layers, ",")}, Script{Await("/signal/never")})
			if outcome := b.Create(t); outcome.Code != 0 {
				t.Errorf("%v: %v", layers, outcome)
				continue
			}
			b.Start(t)
			executed(t, b.Pid(t))
			holds(t, b.Pid(t), w.Runtime, wantedWith(t, b.Spec.Process.Capabilities.Bounding, layers...))
			b.Delete(t)
		}
	})
}

// executed waits until a process is the container's program: then its filter is there.
func executed(t *testing.T, pid int) {
	t.Helper()
	testbed.Until(t, "the program runs", func() error {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && !strings.HasPrefix(string(line), "/calls\x00") {
			err = fmt.Errorf("it is %q", line)
		}
		return err
	})
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
