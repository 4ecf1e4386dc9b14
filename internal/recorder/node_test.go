package recorder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"strata/internal/syscalls"
)

// The test binary is also the recorded process: it installs a filter when it is told to, makes a few calls that
// nothing else here makes, and ends.
func TestMain(m *testing.M) {
	if mode := os.Getenv("STRATA_TEST_CONTAINER"); mode != "" {
		if err := container(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Calls that the Go runtime never makes, by what the container does with them.
const (
	before   = unix.SYS_GETPRIORITY // before it has a filter
	allowed  = unix.SYS_GETSID
	refused  = unix.SYS_SYNC
	afterEnd = unix.SYS_GETPGID   // when it is executed anew
	twice    = unix.SYS_GETRESUID // both before and after
)

// makers says whose the calls are of a container with a filter.
var makers = map[uint32]string{
	allowed:  "runtime true, program false",
	afterEnd: "runtime false, program true",
	twice:    "runtime true, program true",
}

func container(mode string) error {
	runtime.LockOSThread()
	if mode == "executed" {
		unix.RawSyscall(afterEnd, 0, 0, 0)
		unix.RawSyscall(twice, 0, 0, 0)
		return nil
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	unix.RawSyscall(before, 0, 0, 0)
	if mode == "filtered" {
		if err := denyWithErrno(refused, unix.EPERM); err != nil {
			return err
		}
	}
	unix.RawSyscall(allowed, 0, 0, 0)
	unix.RawSyscall(twice, 0, 0, 0)
	unix.RawSyscall(refused, 0, 0, 0)
	os.Setenv("STRATA_TEST_CONTAINER", "executed")
	child := exec.Command("/proc/self/exe")
	if err := child.Run(); err != nil {
		return err
	}
	return unix.Exec("/proc/self/exe", []string{"container"}, os.Environ())
}

// denyWithErrno installs a filter for all threads that refuses one call.
func denyWithErrno(call uint32, errno unix.Errno) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	whole := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&whole)))
	if failed != 0 {
		return failed
	}
	return nil
}

// ownBPFFS keeps the test's pins apart from the machine's.
func ownBPFFS(t testing.TB) *Node {
	usual := usualBPFFS
	usualBPFFS = filepath.Join(t.TempDir(), "absent")
	state := filepath.Join(t.TempDir(), "state")
	node, err := Open(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		usualBPFFS = usual
		if err := unix.Unmount(filepath.Join(state, "bpf"), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	})
	return node
}

// contained is a process that can be recorded.
type contained struct {
	*exec.Cmd
	stdin io.WriteCloser
}

func startContainer(t testing.TB, mode string) *contained {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "STRATA_TEST_CONTAINER="+mode)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &contained{cmd, stdin}
}

func (c *contained) finish(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
}

func track(t testing.TB, n *Node, pid int, o Options) Handle {
	t.Helper()
	var handle Handle
	if err := n.Track(pid, o, func(h Handle) error { handle = h; return nil }); err != nil {
		t.Fatalf("%v (%s)", err, Explain(err))
	}
	return handle
}

func harvest(t *testing.T, n *Node, h Handle) *Result {
	t.Helper()
	result, err := n.Harvest(h)
	if err != nil {
		t.Fatal(err)
	}
	if result.Failures != 0 {
		t.Errorf("%d failures", result.Failures)
	}
	return result
}

func numbers(seen []Seen) []uint32 {
	var all []uint32
	for _, s := range seen {
		all = append(all, s.Number)
	}
	return all
}

func TestRecording(t *testing.T) {
	tests := []struct {
		mode          string
		options       Options
		seen, missing []uint32
		denied        []uint32
	}{
		{"filtered", Options{}, []uint32{allowed, afterEnd, unix.SYS_EXECVE}, []uint32{before, refused}, nil},
		{"filtered", Options{Denied: true}, []uint32{allowed, afterEnd}, []uint32{before, refused}, []uint32{refused}},
		{"unfiltered", Options{Unfiltered: true}, []uint32{afterEnd}, []uint32{before, allowed, refused}, nil},
		{"unfiltered", Options{}, nil, []uint32{before, allowed, afterEnd}, nil},
		{"filtered", Options{Unfiltered: true, Denied: true}, []uint32{afterEnd}, []uint32{before, allowed}, nil},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %+v", test.mode, test.options), func(t *testing.T) {
			node := ownBPFFS(t)
			c := startContainer(t, test.mode)
			handle := track(t, node, c.Process.Pid, test.options)
			unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
			c.finish(t)
			result := harvest(t, node, handle)
			calls := numbers(result.Calls[syscalls.Host()])
			for _, call := range test.seen {
				if !slices.Contains(calls, call) {
					t.Errorf("call %d is missing in %v", call, calls)
				}
			}
			for _, seen := range result.Calls[syscalls.Host()] {
				by := fmt.Sprintf("runtime %t, program %t", seen.ByRuntime, seen.ByProgram)
				if want, ok := makers[seen.Number]; ok && !test.options.Unfiltered && by != want {
					t.Errorf("call %d: %s, want %s", seen.Number, by, want)
				}
			}
			for _, call := range test.missing {
				if slices.Contains(calls, call) {
					t.Errorf("call %d is in %v", call, calls)
				}
			}
			if denied := result.Denied[syscalls.Host()]; !slices.Equal(denied, test.denied) {
				t.Errorf("denied: %v, want %v", denied, test.denied)
			}
			if err := node.LetGo(handle); err != nil {
				t.Fatal(err)
			}
			nothingLeft(t, node)
		})
	}
}

func nothingLeft(t *testing.T, n *Node) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(n.state, "bpf", "strata"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s is left", entry.Name())
	}
}

func TestSetServesAllAndGoesWithTheLast(t *testing.T) {
	node := ownBPFFS(t)
	a, b := startContainer(t, "filtered"), startContainer(t, "filtered")
	first := track(t, node, a.Process.Pid, Options{Denied: true})
	second := track(t, node, b.Process.Pid, Options{})
	if first.Set != second.Set || first.Recording == second.Recording {
		t.Fatalf("handles %v and %v", first, second)
	}
	leave := filepath.Join(first.Set, linkPin("leave"))
	if _, err := os.Stat(leave); err != nil {
		t.Error(err)
	}
	a.finish(t)
	if err := node.LetGo(first); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leave); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("denials are still watched for: %v", err)
	}
	if _, err := node.Harvest(first); !errors.Is(err, ErrGone) {
		t.Errorf("harvest of what was let go: %v", err)
	}
	b.finish(t)
	if calls := numbers(harvest(t, node, second).Calls[syscalls.Host()]); !slices.Contains(calls, allowed) {
		t.Errorf("calls %v", calls)
	}
	for range 2 {
		if err := node.LetGo(second); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, node)
}

func TestTrackRefuses(t *testing.T) {
	node := ownBPFFS(t)
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{-1, 0, ended.Process.Pid} {
		err := node.Track(pid, Options{}, func(Handle) error { return errors.New("nothing to save") })
		if err == nil {
			t.Errorf("process %d is tracked", pid)
		}
	}
}

func TestTrackLeavesNothingWhenSavingFails(t *testing.T) {
	node := ownBPFFS(t)
	c := startContainer(t, "filtered")
	full := errors.New("disk full")
	if err := node.Track(c.Process.Pid, Options{Denied: true}, func(Handle) error { return full }); !errors.Is(err, full) {
		t.Errorf("track: %v", err)
	}
	nothingLeft(t, node)
	c.finish(t)
}

// Whichever pins an interrupted hook has left, the next one begins anew, and Sweep leaves nothing.
func TestInterruptedSets(t *testing.T) {
	for _, missing := range append([]string{linkPin("enter"), linkPin("newtask"), programPin("enter")}, mapsOfEachSet...) {
		t.Run(missing, func(t *testing.T) {
			node := ownBPFFS(t)
			c := startContainer(t, "filtered")
			handle := track(t, node, c.Process.Pid, Options{})
			s, err := openSet(handle.Set, "recordings")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.maps["recordings"].Delete(handle.Recording); err != nil {
				t.Fatal(err)
			}
			s.close()
			if err := os.Remove(filepath.Join(handle.Set, missing)); err != nil {
				t.Fatal(err)
			}
			handle = track(t, node, c.Process.Pid, Options{})
			c.finish(t)
			if calls := numbers(harvest(t, node, handle).Calls[syscalls.Host()]); !slices.Contains(calls, allowed) {
				t.Errorf("calls %v", calls)
			}
			if err := node.LetGo(handle); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(handle.Set, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := node.Sweep(); err != nil {
				t.Fatal(err)
			}
			nothingLeft(t, node)
		})
	}
}

func TestForeignHandles(t *testing.T) {
	node := ownBPFFS(t)
	c := startContainer(t, "filtered")
	handle := track(t, node, c.Process.Pid, Options{})
	for _, set := range []string{"", "/", "/etc", handle.Set + "/..", filepath.Dir(handle.Set) + "/" + layoutVersion + "-000000000000"} {
		if _, err := node.Harvest(Handle{Set: set, Recording: handle.Recording}); !errors.Is(err, ErrGone) {
			t.Errorf("set %q: %v", set, err)
		}
	}
	if _, err := node.Harvest(Handle{Set: filepath.Dir(handle.Set) + "/v0-1", Recording: 1}); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("another version's set: %v", err)
	}
	c.finish(t)
	if err := node.LetGo(handle); err != nil {
		t.Fatal(err)
	}
}
