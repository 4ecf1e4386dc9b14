package enforcement

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// stacked is what a program sees under base,child: the base's denial stays although the child allows the call, the
// child's is added, conditions on arguments hold, and so for every ABI.
var stacked = Script{
	Native("getpriority", 0, 0).Gives(-denied),
	Native("getsid", 0).Gives(-other),
	Native("setpriority", 2, 0, 0).Gives(-denied),
	Native("setpriority", 0, 0, 19).Gives(0),
	Compat("getpriority", 0, 0).Gives(-denied),
	Compat("getsid", 0).Gives(-other),
	Native("getppid"),
}

func argv(script Script) []string { return append([]string{"/calls"}, script.Argv()...) }

func TestPodman(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		signal := t.TempDir()
		if err := os.Chmod(signal, 0o755); err != nil {
			t.Fatal(err)
		}
		flags := w.Flags("--annotation", "io.strata.stack=base:child", "--volume", signal+":/signal")
		id := w.Create(t, flags, testbed.Calls, argv(append(append(Script{}, stacked...), Native("creat", "/signal/up", 0o644), Await("/signal/go")))...)
		for range 2 { // a container that is started again has it again
			w.Do(t, "start", id)
			awaited(t, w, id, filepath.Join(signal, "up"))
			if outcome := testbed.Run(t, w.Command(append([]string{"exec", id}, argv(stacked)...)...)); outcome.Code != 0 {
				t.Error(outcome)
			}
			pid := pidOf(t, w, id)
			holds(t, pid, w.Runtime, wanted(t, "base", "child"))
			recorded(t, id, "base,child")
			if err := os.WriteFile(filepath.Join(signal, "go"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if code := w.Do(t, "wait", id); code != "0" {
				t.Errorf("the container ended with status %s: %v", code, testbed.Run(t, w.Command("logs", id)))
			}
			forgotten(t, id)
			for _, name := range []string{"up", "go"} {
				if err := os.Remove(filepath.Join(signal, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// A profile that allows only what it lists starts with the runtime's base, and denies all else with its default.
func TestPodmanTight(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		script := Script{Native("getpgrp"), Native("getpriority", 0, 0).Gives(-38), Native("mount", 0, 0, 0, 0, 0).Gives(-38)}
		outcome := w.Run(t, w.Flags("--rm", "--annotation", "io.strata.stack=base/"+w.Runtime+":tight"), testbed.Calls, argv(script)...)
		if outcome.Code != 0 {
			t.Error(outcome)
		}
	})
}

// Whoever calls Podman may name files, and every way of Kubernetes works as well.
func TestPodmanNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.json")
	write(t, file, documents["child"])
	write(t, "/var/lib/kubelet/seccomp/team/web.json", documents["child"])
	for _, annotation := range []string{
		"io.strata.stack=" + file,
		"io.strata.stack=localhost/team/web.json",
		"seccomp.security.alpha.kubernetes.io/pod=localhost/team/web.json",
		"security.alpha.kubernetes.io/seccomp/pod=localhost/team/web.json",
	} {
		podman := testbed.Podman{Runtime: "crun"}
		outcome := podman.Run(t, []string{"--rm", "--annotation", annotation}, testbed.Calls, argv(Script{Native("getsid", 0).Gives(-other)})...)
		if outcome.Code != 0 {
			t.Errorf("%s: %v", annotation, outcome)
		}
	}
}

// What can not be had does not start, and says so.
func TestPodmanRefuses(t *testing.T) {
	for _, c := range []struct{ annotation, says string }{
		{"io.strata.stack=missing", "missing"},
		{"io.strata.stcak=base", "io.strata.stcak"},
	} {
		podman := testbed.Podman{Runtime: "runc"}
		outcome := podman.Run(t, []string{"--rm", "--annotation", c.annotation}, testbed.Calls, argv(Script{Native("getpid")})...)
		if outcome.Code == 0 {
			t.Errorf("%s: it ran", c.annotation)
		}
		if strings.HasPrefix(c.says, "io.") && !strings.Contains(outcome.Stderr, c.says) { // Podman loses what precreate says
			t.Errorf("%s: %v", c.annotation, outcome)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaited waits for a file that a container makes.
func awaited(t *testing.T, w way, id, path string) {
	t.Helper()
	testbed.Until(t, path+" appears", func() error {
		_, err := os.Stat(path)
		if err != nil && w.Do(t, "inspect", "--format", "{{.State.Status}}", id) == "exited" {
			if _, again := os.Stat(path); again != nil {
				t.Fatalf("the container has ended: %v", testbed.Run(t, w.Command("logs", id)))
			}
		}
		return err
	})
}
