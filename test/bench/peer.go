package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// peerHook is containers/oci-seccomp-bpf-hook, where distributions put it.
const peerHook = "/usr/libexec/oci/hooks.d/oci-seccomp-bpf-hook"

// measurePeer times the start of the hook that Strata is a drop-in for, and a call in what it records, where it is
// installed and works: it compiles its program with the kernel's headers.
func measurePeer(rounds int) ([]Figure, error) {
	if _, err := os.Stat(peerHook); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var starts, calls []float64
	for range rounds {
		start, call, err := peerRound()
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			fmt.Fprintf(os.Stderr, "for comparison: oci-seccomp-bpf-hook does not start here: %v\n", err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		starts, calls = append(starts, start), append(calls, call)
	}
	return []Figure{
		figure("for comparison: oci-seccomp-bpf-hook, start", "ms", 0, starts),
		figure("for comparison: oci-seccomp-bpf-hook, a call in a recorded container", "x", 0, calls),
	}, nil
}

// peerRound gives the milliseconds of its start, and the ratio of a call's cost. Its tracer ends with the worker.
func peerRound() (start, call float64, err error) {
	directory, err := os.MkdirTemp("", "strata-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(directory)
	w, err := startWorker()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	if _, err := w.tell("filter"); err != nil {
		return 0, 0, err
	}
	without, err := w.cost("getppid")
	if err != nil {
		return 0, 0, err
	}
	state, err := json.Marshal(specs.State{
		Version: "1.0.2", ID: "bench", Status: specs.StateCreated, Pid: w.Process.Pid, Bundle: directory,
		Annotations: map[string]string{"io.containers.trace-syscall": "of:" + directory + "/out.json"},
	})
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(peerHook, "-s")
	cmd.Stdin = bytes.NewReader(state)
	if start, err = timed(cmd); err != nil {
		return 0, 0, err
	}
	with, err := w.cost("getppid")
	return start, with / without, err
}
