package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	. "strata/test/programs"
	"strata/test/testbed"
)

// A killed is a pod's container one of whose hooks is killed.
type killed struct {
	*testbed.Bundle
	pod    testbed.Pod
	script Script
	report string
}

// killedSoFar tells their pods from each other.
var killedSoFar atomic.Int64

// stage is where a hook runs: in Spec.Hooks.
type stage string

const (
	prestart stage = "prestart"
	poststop stage = "poststop"
)

// kill makes a container that asks to be recorded, whose hook of a stage runs under killat.
func kill(t *testing.T, runtime string, at stage, when string) killed {
	t.Helper()
	k := killed{report: filepath.Join(t.TempDir(), "report")}
	k.pod = testbed.Pod{Namespace: "shop", Name: podName(t) + "-" + number(int(killedSoFar.Add(1))), UID: "4", Annotations: map[string]string{"io.strata.record": ""}}
	k.script = Script{Native("getpgrp"), Fork(Thread(Exec(Compat("getuid"))))}
	k.Bundle = inPod(t, way{Podman: testbed.Podman{Runtime: runtime}}, k.pod, "server", k.script)
	hooks := map[stage][]*[]specs.Hook{
		prestart: {&k.Spec.Hooks.Prestart, &k.Spec.Hooks.CreateRuntime},
		poststop: {&k.Spec.Hooks.Poststop},
	}
	for _, list := range hooks[at] {
		for i, hook := range *list {
			(*list)[i].Path = filepath.Join(testbed.Programs, KillAt)
			(*list)[i].Args = append([]string{KillAt, when, k.report, hook.Path}, hook.Args[1:]...)
		}
	}
	return k
}

func (k killed) name() string { return "shop_" + k.pod.Name + "_server" }

// changes are how many the hook came to.
func (k killed) changes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(k.report)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// whole checks that the recording holds all that the container made.
func (k killed) whole(t *testing.T) {
	t.Helper()
	if got := finished(t, k.name()).application(); !reflect.DeepEqual(got, sets(k.script.Made())) {
		t.Errorf("the application's calls are %v, made were %v", got, k.script.Made())
	}
}

// A container whose prestart hook is killed, wherever that is, does not start, and what the hook left is cleared away.
func TestKilledBeforeTheStart(t *testing.T) {
	for n := 1; ; n++ {
		k := kill(t, testbed.Runtimes[n%2], prestart, strconv.Itoa(n))
		outcome := k.Create(t)
		changes := k.changes(t)
		if changes < n {
			if outcome.Code != 0 {
				t.Fatalf("the hook was not killed: %v", outcome)
			}
			if n < 10 {
				t.Errorf("the hook makes %d changes only", changes)
			}
			k.Start(t)
			k.Wait(t)
			k.Delete(t)
			k.whole(t)
			break
		}
		if outcome.Code == 0 {
			t.Errorf("killed at change %d, the container is created", n)
		}
		k.Delete(t)
		collect(t)
		if onlyWhole(t, k.name()) {
			t.Errorf("killed at change %d, a recording of nothing is there", n)
		}
		nothingLeft(t)
		if t.Failed() {
			return
		}
	}
	nothingLeft(t)
}

// A recording whose poststop hook is killed, wherever that is, is finished by strata-hook gc or by the next recording,
// and is whole.
func TestKilledAfterTheEnd(t *testing.T) {
	for n := 1; ; n++ {
		k := kill(t, testbed.Runtimes[n%2], poststop, strconv.Itoa(n))
		created(t, k.Bundle)
		k.Start(t)
		k.Wait(t)
		k.Delete(t)
		ended := k.changes(t) < n // this time it was not killed
		onlyWhole(t, k.name())
		if n%2 == 0 {
			collect(t)
		} else {
			w := way{Podman: testbed.Podman{Runtime: "crun"}}
			ran(t, w.Run(t, append([]string{"--rm"}, record(nameOf(t, "next"))...), testbed.Calls, calls(nil)...))
		}
		k.whole(t)
		nothingLeft(t)
		if t.Failed() {
			t.Fatalf("killed at change %d", n)
		}
		if ended {
			if n < 10 {
				t.Errorf("the hook makes %d changes only", n-1)
			}
			return
		}
	}
}

// Hooks killed at any moment: the container does not start, or its recording is whole.
func TestKilledAtRandom(t *testing.T) {
	for i := range times(20, 500) {
		at := prestart
		if i%2 == 1 {
			at = poststop
		}
		when := time.Duration(rand.IntN(20_000)) * time.Microsecond
		k := kill(t, testbed.Runtimes[i/2%2], at, when.String())
		outcome := k.Create(t)
		started := outcome.Code == 0
		if started {
			k.Start(t)
			k.Wait(t)
		} else if at == poststop {
			t.Error(outcome)
		}
		k.Delete(t)
		collect(t)
		switch {
		case started:
			k.whole(t)
		case onlyWhole(t, k.name()):
			t.Errorf("a container that did not start has a recording: %v", outcome)
		}
		nothingLeft(t)
		if t.Failed() {
			t.Fatalf("%s killed after %v", at, when)
		}
	}
}

// fill makes a directory a file system with room for a few bytes, and returns what makes room again.
func fill(t *testing.T, dir string) (drain func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	file, err := os.Create(filepath.Join(dir, "filling"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for {
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	return func() {
		if err := os.Remove(file.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

// Where there is no room for a recording, it is kept until there is.
func TestFullDiskAtTheEnd(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		t.Run(runtime, func(t *testing.T) {
			k := kill(t, runtime, "", "")
			drain := fill(t, recordings)
			created(t, k.Bundle)
			k.Start(t)
			k.Wait(t)
			k.Delete(t)
			absent(t, k.name())
			if outcome := testbed.Run(t, gc()); outcome.Code == 0 || !strings.Contains(outcome.Stderr, "no space left") {
				t.Errorf("gc on a full disk: %v", outcome)
			}
			drain()
			collect(t)
			k.whole(t)
		})
	}
	nothingLeft(t)
}

// Where there is no room to begin a recording, the container does not start.
func TestFullDiskAtTheStart(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		t.Run(runtime, func(t *testing.T) {
			k := kill(t, runtime, "", "")
			drain := fill(t, "/run/strata")
			outcome := k.Create(t)
			if outcome.Code == 0 {
				t.Error("the container is created")
			}
			if runtime == "runc" && !strings.Contains(outcome.Stderr, "no space left") {
				t.Errorf("the message does not say why: %s", outcome.Stderr)
			}
			k.Delete(t)
			drain()
			collect(t)
			absent(t, k.name())
		})
	}
	nothingLeft(t)
}
