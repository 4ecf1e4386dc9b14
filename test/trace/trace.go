// Package trace runs a program under ptrace and shows every system call that it and its descendants enter. The tests
// measure with it what programs make, by other means than Strata's, and end processes at a call of their choice.
//
// It must never know about containers or Strata.
package trace

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"strata/internal/syscalls"
)

// A Call is a system call about to be made.
type Call struct {
	Process int // thread id of the caller
	ABI     syscalls.ABI
	Number  uint32 // without the x32 bit
	Args    [6]uint64
}

const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL

// Run runs cmd to the end of its last descendant and calls each before every system call from its execve on. Where
// each returns false, the caller's process is killed at once and does not make the call. The status is that of cmd's
// own process.
func Run(cmd *exec.Cmd, each func(Call) bool) (syscall.WaitStatus, error) {
	runtime.LockOSThread() // ptrace requests must come from the thread that started the program
	defer runtime.UnlockOSThread()

	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Process.Release()
	var own syscall.WaitStatus
	known := map[int]bool{}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.ECHILD:
			return own, nil
		case err != nil:
			return own, fmt.Errorf("wait for the traced: %w", err)
		case !status.Stopped():
			delete(known, pid)
			if pid == cmd.Process.Pid {
				own = status
			}
			continue
		}
		if err := proceed(pid, status.StopSignal(), known, each); err != nil && !errors.Is(err, syscall.ESRCH) {
			return own, fmt.Errorf("trace process %d: %w", pid, err)
		}
	}
}

// proceed deals with one stop of a traced thread and lets it run on. ESRCH means that it was killed meanwhile.
func proceed(pid int, signal syscall.Signal, known map[int]bool, each func(Call) bool) error {
	deliver := 0
	switch {
	case !known[pid]: // the first stop, by the tracer's own doing
		known[pid] = true
		if err := syscall.PtraceSetOptions(pid, options); err != nil {
			return err
		}
	case signal == syscall.SIGTRAP|0x80:
		call, entered, err := callOf(pid)
		if err != nil {
			return err
		}
		if entered && !each(call) {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	case signal == syscall.SIGTRAP: // an event that options asked for
	default:
		deliver = int(signal)
	}
	return syscall.PtraceSyscall(pid, deliver)
}

// callOf reads struct ptrace_syscall_info of linux/ptrace.h.
func callOf(pid int) (Call, bool, error) {
	var info struct {
		op   uint8
		_    [3]uint8
		arch uint32
		_    [2]uint64 // instruction and stack pointer
		nr   uint64
		args [6]uint64
		_    [2]uint64
	}
	const get, entry = 0x420e, 1 // PTRACE_GET_SYSCALL_INFO, PTRACE_SYSCALL_INFO_ENTRY
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, get, uintptr(pid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); errno != 0 {
		return Call{}, false, errno
	}
	if info.op != entry {
		return Call{}, false, nil
	}
	call := Call{Process: pid, Number: uint32(info.nr), Args: info.args}
	for _, abi := range syscalls.ABIs() {
		if abi.Audit() == info.arch && (abi == syscalls.X32) == (info.arch == syscalls.X32.Audit() && call.Number&syscalls.X32Bit != 0) {
			call.ABI = abi
		}
	}
	if call.ABI == syscalls.X32 {
		call.Number &^= syscalls.X32Bit
	}
	return call, true, nil
}
