package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// enforceTimes are milliseconds by what was timed.
type enforceTimes struct {
	idle, first, precreate, verify []float64 // the hook as a whole process
	through, nothing, create       []float64 // what the shim adds to the program that it stands for
}

// asked is what the containers of these measurements ask for: the engines' default and what a server needs.
var asked = map[string]string{"io.strata.stack": "runtime/default:server"}

const server = `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": [
	"read", "write", "openat", "close", "mmap", "munmap", "mprotect", "brk", "futex", "clone3", "execve", "epoll_wait",
	"epoll_ctl", "socket", "bind", "listen", "accept4", "sendfile", "writev", "recvfrom", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}`

// measureEnforcement times the stages that enforce a stack, and what the shim adds to a call of the runtime.
func measureEnforcement(rounds int, hook, shim string) ([]Figure, error) {
	var times enforceTimes
	if err := eachRound(rounds, hook, 0, func(n *node) error { return times.round(n, shim) }); err != nil {
		return nil, err
	}
	return []Figure{
		figure("precreate, nothing asked", "ms", 0, times.idle),
		figure("precreate, a stack for the first time: made and proven", "ms", 0, times.first),
		figure("precreate, a stack", "ms", 6, times.precreate),
		figure("prestart, verifying a stack", "ms", 4, times.verify),
		figure("shim, added to other calls", "ms", 0, times.through),
		figure("shim, added to create, nothing asked", "ms", 0, times.nothing),
		figure("shim, added to create, a profile", "ms", 5, times.create),
	}, nil
}

func (t *enforceTimes) round(n *node, shim string) error {
	if err := os.WriteFile(n.path("server.json"), []byte(server), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(n.path("policy/strata.toml"), []byte(fmt.Sprintf("[profiles]\ndirs = [%q]\n", n.directory)), 0o600); err != nil {
		return err
	}
	for _, stage := range []struct {
		annotations map[string]string
		into        *[]float64
	}{{nil, &t.idle}, {asked, &t.first}, {asked, &t.precreate}} {
		config, ms, err := n.precreate(stage.annotations)
		if err != nil {
			return err
		}
		*stage.into = append(*stage.into, ms)
		if err := os.WriteFile(n.path("config.json"), config, 0o600); err != nil {
			return err
		}
	}
	ms, err := n.stage("prestart", specs.State{Version: "1.0.2", ID: "bench", Status: specs.StateCreated, Pid: os.Getpid(), Bundle: n.directory, Annotations: asked})
	if err != nil {
		return err
	}
	t.verify = append(t.verify, ms)
	return t.shim(n, shim)
}

// precreate gives the configuration of a container as the stage leaves it, and the milliseconds that it took.
func (n *node) precreate(annotations map[string]string) ([]byte, float64, error) {
	config, err := n.config(annotations)
	if err != nil {
		return nil, 0, err
	}
	var edited bytes.Buffer
	cmd := n.command("precreate", config)
	cmd.Stdout = &edited
	ms, err := timed(cmd)
	return edited.Bytes(), ms, err
}

// config is the node's configuration for a container with annotations.
func (n *node) config(annotations map[string]string) ([]byte, error) {
	var spec specs.Spec
	data, err := os.ReadFile(n.path("config.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, err
	}
	spec.Annotations = annotations
	return json.Marshal(spec)
}

// shim times calls of a runtime that does nothing, with and without the shim in front of it. The shim knows no other
// directories than an installed one, so the profile is one that needs none.
func (t *enforceTimes) shim(n *node, shim string) error {
	shim, err := filepath.Abs(shim)
	if err != nil {
		return err
	}
	front := n.path("strata-true")
	if err := os.Symlink(shim, front); err != nil {
		return err
	}
	for _, call := range []struct {
		annotations map[string]string
		args        []string
		into        *[]float64
	}{
		{nil, []string{"--root=/run/bench", "state", "bench"}, &t.through},
		{nil, []string{"--root=/run/bench", "create", "--bundle", n.directory, "bench"}, &t.nothing},
		{map[string]string{"io.strata.stack": "runtime/default"}, []string{"--root=/run/bench", "create", "--bundle", n.directory, "bench"}, &t.create},
	} {
		config, err := n.config(call.annotations)
		if err != nil {
			return err
		}
		var both [2]float64
		for again := range 2 { // the first time makes and proves the profile
			if err := os.WriteFile(n.path("config.json"), config, 0o600); err != nil {
				return err
			}
			for i, program := range []string{"true", front} {
				if both[i], err = timed(exec.Command(program, call.args...)); err != nil {
					return fmt.Errorf("time %d: %w", again+1, err)
				}
			}
		}
		*call.into = append(*call.into, both[1]-both[0])
	}
	return exec.Command(front, "delete", "bench").Run() // forgets what bench ran under
}
