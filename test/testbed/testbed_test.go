package testbed_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"strata/test/programs"
	. "strata/test/testbed"
)

func TestMain(m *testing.M) { Main(m, programs.Build) }

func TestPodmanRunsContainers(t *testing.T) {
	for _, runtime := range Runtimes {
		t.Run(runtime, func(t *testing.T) {
			podman := Podman{Runtime: runtime}
			outcome := podman.Run(t, []string{"--rm", "--network", "host"}, Shell, "/bin/sh", "-c", "echo said; exit 3")
			if outcome.Code != 3 || outcome.Stdout != "said\n" {
				t.Error(outcome)
			}
			script := programs.Script{programs.Native("getpid").Gives(1), programs.Await("/signal/go")}
			id := podman.Create(t, nil, Calls, append([]string{"/calls"}, script.Argv()...)...)
			podman.Do(t, "start", id)
			if got := podman.Do(t, "inspect", "--format", "{{.State.Status}} {{.OCIRuntime}}", id); got != "running "+runtime {
				t.Errorf("the container is %s", got)
			}
		})
	}
}

func TestRuntimesRunBundles(t *testing.T) {
	for _, runtime := range Runtimes {
		t.Run(runtime, func(t *testing.T) {
			shared := t.TempDir()
			b := NewBundle(t, runtime, Shell, "/bin/sh", "-c", "echo said; until [ -e /signal/go ]; do sleep 0.01; done; echo done")
			b.Bind(shared, "/signal")
			if created := b.Create(t); created.Code != 0 {
				t.Fatal(created)
			}
			b.Start(t)
			if outcome := b.Exec(t, "/bin/sh", "-c", "echo from exec"); outcome.Code != 0 || outcome.Stdout != "from exec\n" {
				t.Error(outcome)
			}
			if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			b.Wait(t)
			if said := b.Output(t); said != "said\ndone\n" {
				t.Errorf("the container says %q", said)
			}
			b.Delete(t)
		})
	}
}

func TestCRIOHooksAreInjectedWhereTheyMatch(t *testing.T) {
	hooks := t.TempDir()
	file := `{"version": "1.0.0", "hook": {"path": "/bin/true", "args": ["true"]}, "when": {"annotations": {"^asked$": ".*"}}, "stages": ["prestart"]}`
	if err := os.WriteFile(filepath.Join(hooks, "hook.json"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		annotations map[string]string
		hooks       int
	}{{nil, 0}, {map[string]string{"asked": "for"}, 1}, {map[string]string{"not-asked": "for"}, 0}} {
		b := NewBundle(t, "runc", Shell, "/bin/true")
		pod := Pod{Namespace: "shop", Name: "web", UID: "11", Annotations: c.annotations}
		if err := b.CRIO(t, pod, "server", nil, Shell, hooks); err != nil {
			t.Fatal(err)
		}
		if n := len(b.Spec.Hooks.Prestart) + len(b.Spec.Hooks.CreateRuntime); n != c.hooks {
			t.Errorf("%v: %d hooks, want %d", c.annotations, n, c.hooks)
		}
		if got := b.Spec.Annotations["io.kubernetes.pod.namespace"]; got != "shop" {
			t.Errorf("namespace %q", got)
		}
	}
}

// What tests do must not be seen outside.
func TestMachineIsPrivate(t *testing.T) {
	for _, dir := range []string{"/var/lib/strata", "/etc/strata"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 0 {
			t.Errorf("%s is not empty: %v", dir, entries)
		}
	}
	if parent := os.Getppid(); parent != 1 {
		t.Errorf("the parent is process %d, not the init of the test's own namespace", parent)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatalf("a port of the test's own network: %v", err)
	}
	listener.Close()
}
