package filter

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags are how the kernel treats a filter besides its program (seccomp(2)).
type Flags uint

// The flags of the OCI runtime specification that an installed filter can have.
const (
	// LogDenied has the kernel log what the filter denies.
	LogDenied Flags = unix.SECCOMP_FILTER_FLAG_LOG
	// SpecAllow leaves the mitigation of speculative store bypass off.
	SpecAllow Flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	// WaitKillable lets only fatal signals interrupt a call that a listener has received. It needs a listener,
	// which Load does not make.
	WaitKillable Flags = unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
)

var flagNames = []struct {
	flag Flags
	name string
}{{LogDenied, "LOG"}, {SpecAllow, "SPEC_ALLOW"}, {WaitKillable, "WAIT_KILLABLE_RECV"}}

func (f Flags) String() string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, "|")
}

// Load installs the program in all threads of the current process, for good. A process without CAP_SYS_ADMIN in
// its user namespace gets no_new_privs first, without which the kernel refuses filters.
func Load(p Program, flags Flags) error {
	if len(p) == 0 || len(p) > Limit {
		return fmt.Errorf("load: %d instructions, the kernel takes 1 to %d: %w", len(p), Limit, ErrTooLong)
	}
	if flags&WaitKillable != 0 {
		return errors.New("load: WAIT_KILLABLE_RECV needs a listener: leave the flag to the runtime")
	}
	runtime.LockOSThread() // no_new_privs is the thread's; TSYNC gives it to the others
	defer runtime.UnlockOSThread()
	err := install(p, flags, allThreads)
	if errors.Is(err, unix.EACCES) {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("load: set no_new_privs: %w", err)
		}
		err = install(p, flags, allThreads)
	}
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("load: the kernel refuses the program, or does not know a flag of TSYNC|%v: %w", flags, err)
	case err != nil:
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// Which threads a filter is installed in: the calling one, or all of the process.
const (
	thisThread = 0
	allThreads = unix.SECCOMP_FILTER_FLAG_TSYNC
)

func install(p Program, flags Flags, threads uintptr) error {
	raw := make([]unix.SockFilter, len(p))
	for i, in := range p {
		raw[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		uintptr(flags)|threads, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(raw)
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has another filter, so not all threads can have this one", thread)
	}
	return nil
}
