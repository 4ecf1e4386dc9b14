package ruleset

import (
	"fmt"
	"syscall"
)

// Kind is what the kernel does with a call. Kinds are ordered: the greater one is the more restrictive, in the
// order in which the kernel picks between several filters (seccomp(2), "Filters").
type Kind uint8

// The kinds, the most permissive first. The zero Kind is none.
const (
	Allow Kind = iota + 1
	Log
	Trace
	Notify
	Errno
	Trap
	KillThread
	KillProcess
)

var kindNames = [...]string{
	Allow: "ALLOW", Log: "LOG", Trace: "TRACE", Notify: "NOTIFY",
	Errno: "ERRNO", Trap: "TRAP", KillThread: "KILL_THREAD", KillProcess: "KILL_PROCESS",
}

// Kinds lists every kind, the most permissive first.
func Kinds() []Kind {
	return []Kind{Allow, Log, Trace, Notify, Errno, Trap, KillThread, KillProcess}
}

func (k Kind) String() string {
	if k.Valid() {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return k >= Allow && k <= KillProcess }

// HasData reports whether an action of this kind carries a number: ERRNO its errno, TRACE its message.
func (k Kind) HasData() bool { return k == Errno || k == Trace }

// StricterThan reports whether k is more restrictive than other.
func (k Kind) StricterThan(other Kind) bool { return k > other }

// Action is a kind with the number it carries: the errno of ERRNO or the message of TRACE, 0 for all others.
type Action struct {
	Kind  Kind
	Errno uint16
}

// MaxErrno is the greatest errno that the kernel returns to the caller (include/linux/err.h, MAX_ERRNO).
const MaxErrno = 4095

const (
	errnoPerm  = uint16(syscall.EPERM)
	errnoNoSys = uint16(syscall.ENOSYS)
)

// String gives the action as a person writes it: ALLOW, ERRNO(ENOSYS), TRACE(7).
func (a Action) String() string {
	switch a.Kind {
	case Errno:
		if name := errnoName(a.Errno); name != "" {
			return "ERRNO(" + name + ")"
		}
		return fmt.Sprintf("ERRNO(%d)", a.Errno)
	case Trace:
		return fmt.Sprintf("TRACE(%d)", a.Errno)
	}
	return a.Kind.String()
}

// errnoName names the errnos that profiles use; every other one is shown as its number.
func errnoName(errno uint16) string {
	switch syscall.Errno(errno) {
	case syscall.EPERM:
		return "EPERM"
	case syscall.ENOENT:
		return "ENOENT"
	case syscall.EACCES:
		return "EACCES"
	case syscall.EINVAL:
		return "EINVAL"
	case syscall.ENOSYS:
		return "ENOSYS"
	case syscall.EAFNOSUPPORT:
		return "EAFNOSUPPORT"
	case syscall.EOPNOTSUPP:
		return "EOPNOTSUPP"
	}
	return ""
}

// Valid explains what is wrong with an action, or returns nil.
func (a Action) Valid() error {
	switch {
	case !a.Kind.Valid():
		return fmt.Errorf("action %v: no such action", a.Kind)
	case a.Errno != 0 && !a.Kind.HasData():
		return fmt.Errorf("action %v: carries the number %d, which only ERRNO and TRACE do", a.Kind, a.Errno)
	case a.Kind == Errno && a.Errno > MaxErrno:
		return fmt.Errorf("action ERRNO: errno %d is above %d, the greatest that the kernel returns", a.Errno, MaxErrno)
	}
	return nil
}
