package testbed

import (
	"os/exec"
	"testing"
)

// Podman is the engine with one OCI runtime.
type Podman struct{ Runtime string }

// Runtimes are those that every test of containers runs with.
var Runtimes = []string{"runc", "crun"}

// A Way is one of the ways that containers are started.
type Way struct {
	Podman
	NoNewPrivileges bool
}

// Ways are each runtime with and without no_new_privs.
func Ways() []Way {
	var all []Way
	for _, runtime := range Runtimes {
		all = append(all, Way{Podman{runtime}, false}, Way{Podman{runtime}, true})
	}
	return all
}

func (w Way) String() string {
	if w.NoNewPrivileges {
		return w.Runtime + "-nnp"
	}
	return w.Runtime
}

// Flags are those of podman run and podman create.
func (w Way) Flags(more ...string) []string {
	if w.NoNewPrivileges {
		return append([]string{"--security-opt", "no-new-privileges"}, more...)
	}
	return more
}

// Command is a podman command. For those that make containers use Run or Create.
func (p Podman) Command(args ...string) *exec.Cmd {
	return exec.Command("podman", append([]string{"--runtime", p.Runtime}, args...)...)
}

// Do runs a podman command that has to succeed and returns its output.
func (p Podman) Do(t testing.TB, args ...string) string {
	t.Helper()
	return Must(t, p.Command(args...))
}

// Run is podman run with flags (Flags among others), an image and what to run in it.
func (p Podman) Run(t testing.TB, flags []string, image *Image, argv ...string) Outcome {
	t.Helper()
	return Run(t, p.make(t, "run", flags, image, argv))
}

// Create is podman create, and the container's removal when the test ends. It returns the container's id.
func (p Podman) Create(t testing.TB, flags []string, image *Image, argv ...string) string {
	t.Helper()
	id := Must(t, p.make(t, "create", flags, image, argv))
	t.Cleanup(func() { p.Do(t, "rm", "--force", "--ignore", "--time", "0", id) })
	return id
}

func (p Podman) make(t testing.TB, verb string, flags []string, image *Image, argv []string) *exec.Cmd {
	t.Helper()
	args := append([]string{verb, "--cgroup-parent", CgroupParent()}, flags...)
	return p.Command(append(append(args, image.Imported(t)), argv...)...)
}
