package enforcement

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// The shim is the real runtime to whoever calls it: output, exit status, standard input, descriptors, process.
func TestShimIsTheRuntime(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		for _, args := range [][]string{{"--version"}, {"--help"}, {"state", "missing"}, {"--root", "/run/elsewhere", "list", "-q"}, {"delete", "missing"}, {"nonsense"}} {
			direct, through := testbed.Run(t, exec.Command(runtime, args...)), testbed.Run(t, exec.Command(shim(runtime), args...))
			if direct.Code != through.Code || direct.Stdout != through.Stdout || undated(direct.Stderr) != undated(through.Stderr) {
				t.Errorf("%v\nand by the shim %v", direct, through)
			}
		}
	}
	// A program that looks at what it was given, as the node's policy names it.
	dir := t.TempDir()
	program := filepath.Join(dir, "runtime")
	write(t, program, "#!/bin/sh\necho $$ \"$@\"\ncat\ncat <&3\nkill -9 $$\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	withPolicy(t, "runtime.path = \""+program+"\"\n")
	extra, err := os.Open("/proc/sys/kernel/ostype")
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	cmd := exec.Command(filepath.Join(libexec, "strata-runtime"), "--root", "/r", "kill", "--all", "c1", "a  b")
	cmd.Stdin = strings.NewReader("from stdin\n")
	cmd.ExtraFiles = []*os.File{extra}
	outcome := testbed.Run(t, cmd)
	if pid, rest, _ := strings.Cut(outcome.Stdout, " "); outcome.Code != -1 || pid != number(cmd.Process.Pid) || rest != "--root /r kill --all c1 a  b\nfrom stdin\nLinux\n" {
		t.Error(outcome)
	}
}

// undated leaves out what differs from one call to the next.
func undated(text string) string {
	if at := strings.Index(text, "time="); at >= 0 {
		if level := strings.Index(text, " level="); level > at {
			return text[:at] + text[level:]
		}
	}
	return text
}

// A shim that stands for itself ends with a message, not in a loop.
func TestShimRefusesItself(t *testing.T) {
	dir := t.TempDir()
	self, script := filepath.Join(libexec, "strata-runtime"), filepath.Join(dir, "script")
	write(t, script, "#!/bin/sh\nexec "+self+" \"$@\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(shim("crun"), link); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		self: "this shim", link: "this shim", script: "calls this shim again", dir: "not a program",
		filepath.Join(dir, "missing"): "no such file", "/etc/passwd": "not a program",
	} {
		withPolicy(t, "runtime.path = \""+path+"\"\n")
		if outcome := testbed.Run(t, exec.Command(self, "state", "c1")); outcome.Code != 1 || !strings.Contains(outcome.Stderr, says) || !strings.Contains(outcome.Stderr, "runtime") {
			t.Errorf("%s: %v", path, outcome)
		}
	}
	for name, says := range map[string]string{"strata-nothing": "runtime nothing", "other": "called as", "strata-": "called as"} {
		called := filepath.Join(dir, name)
		if err := os.Symlink(self, called); err != nil {
			t.Fatal(err)
		}
		if outcome := testbed.Run(t, exec.Command(called, "state", "c1")); outcome.Code != 1 || !strings.Contains(outcome.Stderr, says) {
			t.Errorf("%s: %v", name, outcome)
		}
	}
}

// A broken policy lets no container be made and keeps none from being ended.
func TestShimWithABrokenPolicy(t *testing.T) {
	withPolicy(t, "[profiles]\ndefualt = \"off\"\n")
	b := inPod(t, shim("runc"), false, nil, nil)
	if outcome := b.Create(t); outcome.Code != 1 || !strings.Contains(outcome.Stderr, "strata.toml:2:1") {
		t.Error(outcome)
	}
	if outcome := testbed.Run(t, exec.Command(shim("runc"), "delete", "--force", b.ID)); outcome.Code != 0 {
		t.Error(outcome)
	}

	// Also where it is the policy that names the runtime.
	self := filepath.Join(libexec, "strata-runtime")
	withPolicy(t, "runtime.path = \"/usr/bin/crun\"\n")
	b = inPod(t, self, false, nil, Script{Await("/signal/never")})
	if outcome := b.Create(t); outcome.Code != 0 {
		t.Fatal(outcome)
	}
	withPolicy(t, "runtime.path = nonsense\n")
	if outcome := testbed.Run(t, exec.Command(self, "state", b.ID)); outcome.Code != 0 || !strings.Contains(outcome.Stdout, b.ID) {
		t.Error(outcome)
	}
	testbed.Must(t, exec.Command(self, "delete", "--force", b.ID))
	if outcome := testbed.Run(t, exec.Command(self, "create", "--bundle", b.Dir, "another")); outcome.Code != 1 || !strings.Contains(outcome.Stderr, "strata.toml:1") {
		t.Error(outcome)
	}
}

// What the shim has to say is where the engine looks: containerd reads the runtime's log.
func TestShimSaysWhyInTheRuntimesLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.json")
	b := inPod(t, shim("runc"), false, map[string]string{"io.strata.stack": "missing"}, nil)
	if outcome := b.Create(t); outcome.Code != 1 || !strings.Contains(outcome.Stderr, "strata-runtime: stack missing: annotation io.strata.stack") {
		t.Error(outcome)
	}
	testbed.Run(t, exec.Command(shim("runc"), "--log", log, "--log-format", "json", "create", "--bundle", b.Dir, b.ID))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ Level, Msg string }
	if err := json.Unmarshal(text, &said); err != nil || said.Level != "error" || !strings.Contains(said.Msg, "io.strata.stack") {
		t.Errorf("%s, %v", text, err)
	}
}

// A container that is restored keeps the filter of its checkpoint, which nobody can vouch for.
func TestShimRefusesToRestoreUnderAStack(t *testing.T) {
	b := inPod(t, shim("runc"), false, map[string]string{"io.strata.stack": "base"}, nil)
	b.Create(t) // leaves its config.json
	outcome := testbed.Run(t, exec.Command(shim("runc"), "restore", "--image-path", b.Dir, "--bundle", b.Dir, "restored"))
	if outcome.Code != 1 || !strings.Contains(outcome.Stderr, "checkpoint") {
		t.Error(outcome)
	}
}

// withPolicy makes text the node's policy until the test ends. Tests that use it do not run beside others.
func withPolicy(t *testing.T, text string) {
	t.Helper()
	const path = "/etc/strata/strata.toml"
	write(t, path, text)
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	})
}
