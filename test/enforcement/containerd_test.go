package enforcement

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// containerd is a daemon of the test's own.
type containerd struct{ address string }

// startContainerd starts containerd, which ends with the test. Its runtimes are the shims.
func startContainerd(t *testing.T) containerd {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // names of sockets are short: unix(7)
	if err != nil {
		t.Fatal(err)
	}
	c := containerd{filepath.Join(dir, "s")}
	config := filepath.Join(dir, "config.toml")
	write(t, config, fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = %q
[ttrpc]
address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), c.address, c.address+".ttrpc"))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("containerd", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("containerd: %v\n%s", err, text)
		}
		log.Close()
		os.RemoveAll(dir)
	})
	testbed.Until(t, "containerd answers", func() error {
		conn, err := net.Dial("unix", c.address)
		if err != nil {
			return err
		}
		conn.Close()
		return exec.Command("ctr", "--address", c.address, "version").Run()
	})
	return c
}

func (c containerd) ctr(args ...string) *exec.Cmd {
	return exec.Command("ctr", append([]string{"--address", c.address}, args...)...)
}

// run is ctr run of a container to its end, whose runtime is a shim, and its removal.
func (c containerd) run(t *testing.T, runtime, id string, annotations []string, script Script) testbed.Outcome {
	t.Helper()
	args := []string{"run", "--rm", "--rootfs", "--read-only", "--net-host", "--runc-binary", shim(runtime), "--cgroup", filepath.Join(testbed.CgroupParent(), id)}
	for _, a := range annotations {
		args = append(args, "--annotation", a)
	}
	return testbed.Run(t, c.ctr(append(append(args, testbed.Calls.Root(t), id), argv(script)...)...))
}

// noProcess is ESRCH.
const noProcess = 3

func TestContainerd(t *testing.T) {
	c := startContainerd(t)
	for _, runtime := range testbed.Runtimes {
		t.Run(runtime, func(t *testing.T) {
			outcome := c.run(t, runtime, "stacked-"+runtime, []string{"io.strata.stack=base:child"}, stacked)
			if outcome.Code != 0 {
				t.Error(outcome)
			}
			forgotten(t, "stacked-"+runtime)
			if outcome := c.run(t, runtime, "free-"+runtime, nil, Script{Native("getpriority", 2, 99999).Gives(-noProcess)}); outcome.Code != 0 {
				t.Error(outcome)
			}
			for annotation, says := range map[string]string{
				"io.strata.stack=missing":     "profile missing",
				"io.strata.stack=/etc/passwd": "paths are not accepted",
				"io.strata.stack=unconfined":  "refused by this node's policy",
				"io.strata.record=web":        "record.others",
			} {
				outcome := c.run(t, runtime, "refused-"+runtime, []string{annotation}, Script{Native("getpid")})
				if outcome.Code == 0 || !strings.Contains(outcome.Stderr, says) {
					t.Errorf("%s: %v", annotation, outcome)
				}
				forgotten(t, "refused-"+runtime)
			}
		})
	}
}

// An engine without hook files records by the hooks that the shim adds.
func TestContainerdRecords(t *testing.T) {
	c := startContainerd(t)
	withPolicy(t, "[record]\nothers = true\n")
	outcome := c.run(t, "runc", "unrecorded", []string{"io.strata.record=ctr"}, Script{Native("getpid")})
	if outcome.Code == 0 || !strings.Contains(outcome.Stderr, "runtime.inject_record") {
		t.Error(outcome)
	}
	withPolicy(t, "[record]\nothers = true\n[runtime]\ninject_record = true\n")
	for _, runtime := range testbed.Runtimes {
		name := "ctr-" + runtime
		outcome := c.run(t, runtime, name, []string{"io.strata.record=" + name, "io.strata.stack=child"}, Script{Native("getpgrp"), Native("getsid", 0).Gives(-other)})
		if outcome.Code != 0 {
			t.Error(outcome)
		}
		text, err := os.ReadFile(filepath.Join("/var/lib/strata/recordings", name+".json"))
		if err != nil || !strings.Contains(string(text), `"getpgrp"`) || strings.Contains(string(text), `"getsid"`) {
			t.Errorf("recorded is %s, %v", text, err)
		}
	}
}
