package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A node is a place with the hooks' directories, a bundle and processes to record.
type node struct {
	binary, directory string
	processes         []*worker
}

func (n *node) path(name string) string { return filepath.Join(n.directory, name) }

// state is where running recordings are: in memory, as /run is.
func (n *node) state() string { return filepath.Join("/dev/shm", filepath.Base(n.directory)) }

// eachRound does something with a new node in every round.
func eachRound(rounds int, binary string, processes int, do func(*node) error) error {
	for range rounds {
		n, err := newNode(binary, processes)
		if n == nil {
			return err
		}
		if err == nil {
			err = do(n)
		}
		if err := errors.Join(err, n.close()); err != nil {
			return err
		}
	}
	return nil
}

// newNode makes a node. Where it fails half way, what there is of it has to be closed.
func newNode(binary string, processes int) (*node, error) {
	directory, err := os.MkdirTemp("", "strata-bench-")
	if err != nil {
		return nil, err
	}
	n := &node{binary: binary, directory: directory}
	for _, part := range []string{n.state(), n.path("recordings"), n.path("policy")} {
		if err := os.Mkdir(part, 0o700); err != nil {
			return n, err
		}
	}
	config, err := json.Marshal(specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{NoNewPrivileges: true, Args: []string{"/bin/sh"}},
		Linux: &specs.Linux{Seccomp: &specs.LinuxSeccomp{
			DefaultAction: specs.ActErrno,
			Syscalls:      []specs.LinuxSyscall{{Names: []string{"read", "write", "exit_group"}, Action: specs.ActAllow}},
		}},
	})
	if err != nil {
		return n, err
	}
	if err := os.WriteFile(n.path("config.json"), config, 0o600); err != nil {
		return n, err
	}
	for range processes {
		w, err := startWorker()
		if err != nil {
			return n, err
		}
		n.processes = append(n.processes, w)
	}
	return n, nil
}

func (n *node) close() error {
	var all []error
	for _, w := range n.processes {
		all = append(all, w.end())
	}
	err := unix.Unmount(n.state()+"/bpf", unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		all = append(all, err)
	}
	return errors.Join(append(all, os.RemoveAll(n.state()), os.RemoveAll(n.directory))...)
}

// hook runs a stage for one of the processes and gives the milliseconds from its start to its end.
func (n *node) hook(stage string, process int) (float64, error) {
	state := specs.State{
		Version:     "1.0.2",
		ID:          fmt.Sprint("bench", process),
		Status:      specs.StateStopped,
		Bundle:      n.directory,
		Annotations: map[string]string{"io.strata.record": fmt.Sprint("bench", process)},
	}
	if stage == "prestart" {
		state.Status, state.Pid = specs.StateCreated, n.processes[process].Process.Pid
	}
	return n.stage(stage, state)
}

// stage runs a stage with a state and gives the milliseconds from its start to its end.
func (n *node) stage(stage string, state specs.State) (float64, error) {
	stdin, err := json.Marshal(state)
	if err != nil {
		return 0, err
	}
	return timed(n.command(stage, stdin))
}

func (n *node) command(stage string, stdin []byte) *exec.Cmd {
	cmd := exec.Command(n.binary, "--trust=paths", "--state="+n.state(), "--recordings="+n.path("recordings"),
		"--policy="+n.path("policy"), stage)
	cmd.Env, cmd.Stdin = []string{}, bytes.NewReader(stdin)
	return cmd
}

// timed runs a command and gives the milliseconds that it took.
func timed(cmd *exec.Cmd) (float64, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return 0, fmt.Errorf("%v: %w: %s", cmd, err, stderr.String())
	}
	return float64(took.Microseconds()) / 1000, nil
}

// hookTimes are milliseconds by what was timed.
type hookTimes struct {
	first, beside, besideStop, last, version []float64
}

// measureHooks times the stages as whole processes: for a node's first recording, and for one beside others.
func measureHooks(rounds int, binary string) ([]Figure, error) {
	var times hookTimes
	if err := eachRound(rounds, binary, 21, times.round); err != nil {
		return nil, err
	}
	return []Figure{
		figure("prestart, the first recording", "ms", 15, times.first),
		figure("prestart, while others are recorded", "ms", 5, times.beside),
		figure("poststop, while others are recorded", "ms", 5, times.besideStop),
		figure("poststop, the last recording", "ms", 5, times.last),
		figure("for comparison: strata-hook --version", "ms", 0, times.version),
	}, nil
}

func (t *hookTimes) round(n *node) error {
	time.Sleep(200 * time.Millisecond) // the kernel waits before it attaches what it has detached a moment ago
	for i := range n.processes {
		ms, err := n.hook("prestart", i)
		if err != nil {
			return err
		}
		if i == 0 {
			t.first = append(t.first, ms)
		} else {
			t.beside = append(t.beside, ms)
		}
	}
	for _, w := range n.processes {
		if _, err := w.tell("filter"); err != nil {
			return err
		}
	}
	for i := range n.processes {
		ms, err := n.hook("poststop", i)
		if err != nil {
			return err
		}
		if i == len(n.processes)-1 {
			t.last = append(t.last, ms)
		} else {
			t.besideStop = append(t.besideStop, ms)
		}
	}
	ms, err := timed(exec.Command(n.binary, "--version"))
	t.version = append(t.version, ms)
	return err
}
