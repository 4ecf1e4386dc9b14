// Package kernelfilter reads the seccomp filters of a process back from the kernel.
//
// It must never know who installed them or what they should be.
package kernelfilter

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"strata/internal/filter"
)

// getFilter is PTRACE_SECCOMP_GET_FILTER of linux/ptrace.h: the address is the filter's index, 0 for the one
// installed first, and the result its number of instructions (kernel/seccomp.c, get_nth_filter).
const getFilter = 0x420c

// Of returns the filters of a process that this one may trace, the first that was installed first. It needs
// CAP_SYS_ADMIN and a caller without a filter of its own.
func Of(pid int) (filters []filter.Program, err error) {
	runtime.LockOSThread() // ptrace knows threads, not processes
	defer runtime.UnlockOSThread()
	if _, err := ptrace(unix.PTRACE_SEIZE, pid, 0, 0); err != nil {
		return nil, fmt.Errorf("process %d: seize: %w", pid, err)
	}
	if _, err := ptrace(unix.PTRACE_INTERRUPT, pid, 0, 0); err != nil {
		return nil, fmt.Errorf("process %d: interrupt: %w", pid, err)
	}
	var status unix.WaitStatus
	for {
		if _, err = unix.Wait4(pid, &status, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil || !status.Stopped() {
		return nil, fmt.Errorf("process %d: it did not stop (status %#x, %v)", pid, status, err)
	}
	defer func() {
		if e := unix.PtraceDetach(pid); e != nil {
			err = errors.Join(err, fmt.Errorf("process %d: detach: %w", pid, e))
		}
	}()
	for index := 0; ; index++ {
		program, err := read(pid, index)
		switch {
		case errors.Is(err, unix.ENOENT), index == 0 && errors.Is(err, unix.EINVAL): // no more, none at all
			return filters, nil
		case err != nil:
			return nil, fmt.Errorf("process %d: filter %d: %w", pid, index, err)
		}
		filters = append(filters, program)
	}
}

func read(pid, index int) (filter.Program, error) {
	length, err := ptrace(getFilter, pid, uintptr(index), 0)
	if err != nil {
		return nil, err
	}
	program := make(filter.Program, length)
	if _, err := ptrace(getFilter, pid, uintptr(index), uintptr(unsafe.Pointer(&program[0]))); err != nil {
		return nil, err
	}
	return program, nil
}

func ptrace(request, pid int, addr, data uintptr) (int, error) {
	n, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(pid), addr, data, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
