package testbed

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Bundle is a container as a runtime sees it, without an engine: config.json in a directory.
type Bundle struct {
	Runtime string // program, with or without a path
	ID      string
	Dir     string
	Spec    *specs.Spec
}

// NewBundle makes the bundle of a container that runs argv with the image as its read-only root, set up as engines do
// for a container without privileges. Edit its Spec before Create.
func NewBundle(t testing.TB, runtime string, image *Image, argv ...string) *Bundle {
	t.Helper()
	dir := t.TempDir()
	b := &Bundle{Runtime: runtime, ID: "bundle-" + rand.Text(), Dir: dir}
	capabilities := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID"}
	b.Spec = &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Args: argv,
			Cwd:  "/",
			Env:  []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
			Capabilities: &specs.LinuxCapabilities{
				Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
			},
		},
		Root:     &specs.Root{Path: image.Root(t), Readonly: true},
		Hostname: "bundle",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=64m"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		},
		Annotations: map[string]string{},
		Hooks:       &specs.Hooks{},
		Linux: &specs.Linux{
			CgroupsPath: filepath.Join(CgroupParent(), b.ID),
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace},
			},
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	b.Spec.Linux.Seccomp = Filter("add_key", "keyctl", "reboot")
	return b
}

// Filter is a seccomp profile that denies the calls of these names with EPERM, whatever ABI they come by, and allows
// all other ones.
func Filter(denied ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls:      []specs.LinuxSyscall{{Names: denied, Action: specs.ActErrno}},
	}
}

// Bind makes a directory of this machine seen in the container.
func (b *Bundle) Bind(from, at string) {
	b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: at, Type: "bind", Source: from, Options: []string{"rbind", "rw"}})
}

// Create runs the runtime's create on the bundle as an engine does. The container is deleted when the test ends.
func (b *Bundle) Create(t testing.TB) Outcome {
	t.Helper()
	config, err := json.Marshal(b.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Delete(t) })
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		if files[i], err = os.Create(filepath.Join(b.Dir, name)); err != nil {
			t.Fatal(err)
		}
		defer files[i].Close()
	}
	args := []string{"create", "--bundle", b.Dir, "--pid-file", b.pidFile()}
	if b.Spec.Process.Terminal {
		args = append(args, "--console-socket", consoleSocket(t))
	}
	outcome, err := finishInto(b.command(append(args, b.ID)...), files[0], files[1])
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// Output is what the container has written so far, to either stream.
func (b *Bundle) Output(t testing.TB) string {
	t.Helper()
	var all string
	for _, name := range []string{"stdout", "stderr"} {
		text, err := os.ReadFile(filepath.Join(b.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}

// Start starts what was created.
func (b *Bundle) Start(t testing.TB) {
	t.Helper()
	Must(t, b.command("start", b.ID))
}

// Exec runs argv in the container to its end.
func (b *Bundle) Exec(t testing.TB, argv ...string) Outcome {
	t.Helper()
	return Run(t, b.command(append([]string{"exec", b.ID}, argv...)...))
}

// ExecTerminal runs argv in the container to its end, with a terminal.
func (b *Bundle) ExecTerminal(t testing.TB, argv ...string) {
	t.Helper()
	pidFile := filepath.Join(t.TempDir(), "pid")
	Must(t, b.command(append([]string{"exec", "--tty", "--detach", "--console-socket", consoleSocket(t), "--pid-file", pidFile, b.ID}, argv...)...))
	waitFor(t, readPid(t, pidFile))
}

// Pid is that of the container's init on this machine.
func (b *Bundle) Pid(t testing.TB) int {
	t.Helper()
	return readPid(t, b.pidFile())
}

func readPid(t testing.TB, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// Await waits until the container has made a file.
func (b *Bundle) Await(t testing.TB, file string) {
	t.Helper()
	pid := b.Pid(t)
	Until(t, "the container makes "+file, func() error {
		ended := errors.Is(unix.Kill(pid, 0), unix.ESRCH)
		_, err := os.Stat(file)
		if err != nil && ended {
			t.Fatalf("the container has ended without making %s: %s", file, b.Output(t))
		}
		return err
	})
}

// Wait waits until the container's init has ended.
func (b *Bundle) Wait(t testing.TB) {
	t.Helper()
	waitFor(t, b.Pid(t))
}

func waitFor(t testing.TB, pid int) {
	t.Helper()
	Until(t, fmt.Sprintf("process %d ends", pid), func() error {
		if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
			return errors.New("it is there")
		}
		return nil
	})
}

// Delete removes the container, running or not, as engines do: a container that is not there is no failure.
func (b *Bundle) Delete(t testing.TB) {
	t.Helper()
	Must(t, b.command("delete", "--force", b.ID))
}

func (b *Bundle) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.Runtime, args...)
	cmd.Dir = b.Dir
	return cmd
}

func (b *Bundle) pidFile() string { return filepath.Join(b.Dir, "pid") }
