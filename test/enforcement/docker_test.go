package enforcement

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// docker is a daemon of the test's own. What it keeps is in one directory.
type docker struct{ dir string }

// startDocker starts Docker as docs/examples configures it, beside a containerd as distributions do. It ends with the
// test, and nothing of its containers may be left then.
func startDocker(t *testing.T) docker {
	t.Helper()
	c := startContainerd(t)
	d := docker{filepath.Join(filepath.Dir(c.address), "d")}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(packaged("dockerd"), "--config-file", "../../docs/examples/docker/daemon.json", "--host", d.host(), "--containerd", c.address,
		"--data-root", filepath.Join(d.dir, "root"), "--exec-root", filepath.Join(d.dir, "run"), "--pidfile", filepath.Join(d.dir, "pid"),
		// What this machine does not have, or must not be changed by a test.
		"--bridge", "none", "--iptables=false", "--ip-forward=false", "--storage-driver", "vfs",
		"--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", testbed.CgroupParent())
	if strings.Contains(testbed.Must(t, exec.Command(cmd.Path, "--help")), "--oom-score-adjust") { // Docker below 25 lowers it
		cmd.Args = append(cmd.Args, "--oom-score-adjust", "0")
	}
	cmd.Env = d.environment()
	cmd.Stdout, cmd.Stderr = log, log
	before := d.left(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	said := func(err error) string {
		text, _ := os.ReadFile(log.Name())
		return fmt.Sprintf("dockerd: %v\n%s", err, text)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(said(err))
		}
		log.Close()
		testbed.Until(t, "nothing is left", func() error { // the last of containerd's processes end after Docker
			left := slices.DeleteFunc(d.left(t), func(what string) bool { return slices.Contains(before, what) })
			if len(left) > 0 {
				return fmt.Errorf("there is %q", left)
			}
			return nil
		})
	})
	testbed.Until(t, "dockerd answers", func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatal(said(err))
		default:
		}
		return d.command("version").Run()
	})
	return d
}

// packaged is a program of the distribution. Another one that PATH has may not understand it.
func packaged(name string) string {
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

func (d docker) host() string { return "unix://" + filepath.Join(d.dir, "s") }

// environment is that of the daemon and of its client, which read a lot from theirs.
func (d docker) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir}
}

// left is what goes when containers do: their processes and those of containerd and Docker beside them, mounts, cgroups,
// and what Strata wrote down.
func (d docker) left(t *testing.T) (left []string) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		line, _ := os.ReadFile(file) // nothing from a process that has ended meanwhile
		words := strings.Split(string(line), "\x00")
		if name := filepath.Base(words[0]); name == "dockerd" || name == "calls" || strings.HasPrefix(name, "containerd-shim") {
			left = append(left, strings.Join(words, " "))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for mount := range strings.Lines(string(mounts)) {
		if strings.Contains(mount, d.dir) {
			left = append(left, mount)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup" + testbed.CgroupParent() + "/*/", "/sys/fs/cgroup/*" + testbed.CgroupParent() + "/*/", "/run/strata/enforced/*", "/run/strata/running/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, files...)
	}
	return left
}

func (d docker) command(args ...string) *exec.Cmd {
	cmd := exec.Command(packaged("docker"), append([]string{"--host", d.host()}, args...)...)
	cmd.Env = d.environment()
	return cmd
}

func (d docker) do(t *testing.T, args ...string) string {
	t.Helper()
	return testbed.Must(t, d.command(args...))
}

// load gives the daemon an image by its name.
func (d docker) load(t *testing.T, image *testbed.Image) {
	t.Helper()
	archive := filepath.Join(d.dir, "image.tar")
	testbed.Must(t, exec.Command("tar", "-C", image.Root(t), "-cf", archive, "."))
	d.do(t, "import", archive, image.Name)
}

// run is docker run of a container to its end, and its removal.
func (d docker) run(t *testing.T, flags []string, script Script) testbed.Outcome {
	t.Helper()
	args := append([]string{"run", "--rm"}, flags...)
	return testbed.Run(t, d.command(append(append(args, testbed.Calls.Name), argv(script)...)...))
}

// A call that Docker's own profile denies, and that says what it is given without one.
var (
	byDocker = Native("keyctl", 99999).Gives(-1)
	byNobody = Native("keyctl", 99999).Gives(-other)
)

// based is what a program sees under base.
var based = Script{Native("getpriority", 0, 0).Gives(-denied), Native("setpriority", 2, 0, 0).Gives(-denied), Compat("getpriority", 0, 0).Gives(-denied)}

// Docker's containers get the node's default beside the profile that Docker gives them, whatever that is.
func TestDocker(t *testing.T) {
	d := startDocker(t)
	d.load(t, testbed.Calls)
	withPolicy(t, "[profiles]\ndefault = \"base\"\n")
	for _, c := range []struct {
		name   string
		flags  []string
		script Script
	}{
		{"Docker's own", nil, append(Script{byDocker, Native("getsid", 0)}, based...)},
		{"no new privileges", []string{"--security-opt", "no-new-privileges"}, append(Script{byDocker}, based...)},
		{"another", []string{"--security-opt", "seccomp=" + profiles + "/child.json"}, Script{Native("getpriority", 0, 0).Gives(-denied), Native("getsid", 0).Gives(-other)}},
		{"none", []string{"--security-opt", "seccomp=unconfined"}, append(Script{byNobody}, based...)},
		{"another runtime", []string{"--runtime", "runc"}, Script{byDocker, Native("getpriority", 2, 99999).Gives(-noProcess)}},
	} {
		if outcome := d.run(t, c.flags, c.script); outcome.Code != 0 {
			t.Errorf("%s: %v", c.name, outcome)
		}
	}
}

// A container that is started again has it again, and what is executed in it has it as well.
func TestDockerStartsAgain(t *testing.T) {
	d := startDocker(t)
	d.load(t, testbed.Calls)
	withPolicy(t, "[profiles]\ndefault = \"base\"\n")
	signal := t.TempDir()
	id := d.do(t, append([]string{"create", "--security-opt", "seccomp=unconfined", "--volume", signal + ":/signal", testbed.Calls.Name},
		argv(append(append(Script{}, based...), Await("/signal/go")))...)...)
	for range 2 {
		d.do(t, "start", id)
		pid, err := strconv.Atoi(d.do(t, "inspect", "--format", "{{.State.Pid}}", id))
		if err != nil || pid == 0 {
			t.Fatalf("the container's process is %d, %v: %v", pid, err, testbed.Run(t, d.command("logs", id)))
		}
		executed(t, pid)
		holds(t, pid, "runc", wanted(t, "base"))
		recorded(t, id, "base")
		if outcome := testbed.Run(t, d.command(append([]string{"exec", id}, argv(based)...)...)); outcome.Code != 0 {
			t.Error(outcome)
		}
		write(t, filepath.Join(signal, "go"), "")
		if code := d.do(t, "wait", id); code != "0" {
			t.Errorf("the container ended with status %s: %v", code, testbed.Run(t, d.command("logs", id)))
		}
		if err := os.Remove(filepath.Join(signal, "go")); err != nil {
			t.Fatal(err)
		}
	}
	d.do(t, "rm", id)
}

// A container that can not have what it should does not start, and whoever called Docker is told why.
func TestDockerRefuses(t *testing.T) {
	d := startDocker(t)
	d.load(t, testbed.Calls)
	for policy, says := range map[string]string{
		"[profiles]\ndefault = \"missing\"\n": "profile missing",
		"[profiles]\ndefualt = \"base\"\n":    "strata.toml:2:1",
	} {
		withPolicy(t, policy)
		for _, flags := range [][]string{nil, {"--security-opt", "seccomp=unconfined"}, {"--privileged"}} {
			if outcome := d.run(t, flags, Script{Native("getpid")}); outcome.Code != 125 || !strings.Contains(outcome.Stderr, says) {
				t.Errorf("%v: %v", flags, outcome)
			}
		}
	}
}
