package testbed

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Limit bounds every wait: long enough for a machine under any load, so that only what never comes fails.
const Limit = 5 * time.Minute

// An Outcome is how a command ended. Code is -1 where a signal ended it.
type Outcome struct {
	Command        string
	Code           int
	Stdout, Stderr string
}

func (o Outcome) String() string {
	return fmt.Sprintf("%s: exit status %d\nstdout: %s\nstderr: %s", o.Command, o.Code, o.Stdout, o.Stderr)
}

// Run runs a command to its end, which is a signal where it takes longer than Limit. What it leaves running may keep its output open: nobody waits for that.
func Run(t testing.TB, cmd *exec.Cmd) Outcome {
	t.Helper()
	outcome, err := finish(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// Must runs a command that has to succeed, and returns its output without the newline at its end.
func Must(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	outcome := Run(t, cmd)
	if outcome.Code != 0 {
		t.Fatal(outcome)
	}
	return strings.TrimSuffix(outcome.Stdout, "\n")
}

func finish(cmd *exec.Cmd) (Outcome, error) {
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp("", "output-")
		if err != nil {
			return Outcome{}, err
		}
		defer f.Close()
		if err := os.Remove(f.Name()); err != nil {
			return Outcome{}, err
		}
		files[i] = f
	}
	return finishInto(cmd, files[0], files[1])
}

// finishInto runs cmd with its output in files, which others may go on writing to.
func finishInto(cmd *exec.Cmd, stdout, stderr *os.File) (Outcome, error) {
	outcome := Outcome{Command: strings.Join(cmd.Args, " ")}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		return outcome, fmt.Errorf("%s: %w", outcome.Command, err)
	}
	timer := time.AfterFunc(Limit, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return outcome, fmt.Errorf("%s: %w", outcome.Command, err)
	}
	outcome.Code = cmd.ProcessState.ExitCode()
	if outcome.Stdout, err = contents(stdout); err != nil {
		return outcome, err
	}
	outcome.Stderr, err = contents(stderr)
	return outcome, err
}

func contents(f *os.File) (string, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	return string(text), err
}

// Until waits until ready gives no error.
func Until(t testing.TB, what string, ready func() error) {
	t.Helper()
	deadline := time.Now().Add(Limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v: %v", what, Limit, err)
		}
		time.Sleep(pause)
	}
}

// RunProgram runs one of Programs on this machine, in no container.
func RunProgram(t testing.TB, name string, args ...string) Outcome {
	t.Helper()
	return Run(t, exec.Command(filepath.Join(Programs, name), args...))
}
