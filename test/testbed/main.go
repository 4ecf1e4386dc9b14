package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A test binary runs three times: as go test starts it, as the init of the namespaces, and for the tests themselves.
const (
	stageVariable = "STRATA_TESTBED_STAGE"
	stageInit     = "init"
	stageTests    = "tests"
)

// Main is what TestMain of a package calls that runs containers. It prepares the machine, runs the tests and exits.
// Programs named by builds are built before the tests start, while the host's network is still there.
func Main(m *testing.M, builds ...Build) {
	var status int
	var err error
	switch os.Getenv(stageVariable) {
	case "":
		status, err = outside()
	case stageInit:
		status, err = asInit(builds)
	case stageTests:
		if err = loopbackUp(); err == nil {
			status = m.Run()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		status = 1
	}
	os.Exit(status)
}

// outside starts the init of the namespaces, which the kernel kills with everything in them when this process ends.
func outside() (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("these tests run containers and BPF programs: run them as root")
	}
	runtime.LockOSThread() // a parent-death signal is tied to the thread
	sweepCgroups()
	parent := cgroupPrefix + strconv.Itoa(os.Getpid())
	defer removeCgroups(parent)
	cmd := again(stageInit)
	cmd.Env = append(cmd.Env, cgroupVariable+"=/"+parent)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return 0, fmt.Errorf("start in new namespaces: %w", err)
	}
	if signal := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); signal > 0 {
		return 0, fmt.Errorf("init of the test's namespaces: %v", signal)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// asInit prepares the machine, starts the tests and reaps whatever is orphaned until they end.
func asInit(builds []Build) (int, error) {
	if err := prepareMachine(); err != nil {
		return 0, err
	}
	for _, build := range builds {
		if err := os.MkdirAll(Programs, 0o755); err != nil {
			return 0, err
		}
		if err := build(Programs); err != nil {
			return 0, err
		}
	}
	cmd := again(stageTests)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the tests: %w", err)
	}
	for {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(-1, &status, 0, nil); {
		case err == syscall.EINTR, err == nil && pid != cmd.Process.Pid:
		case err != nil:
			return 0, fmt.Errorf("wait for the tests: %w", err)
		case status.Signaled():
			return 0, fmt.Errorf("tests: %v", status.Signal())
		case status.Exited():
			return status.ExitStatus(), nil
		}
	}
}

// again is this program with the same arguments for another stage. Its path may be covered by then, its file is not.
func again(stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"="+stage)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	return nil
}
