package runtimebase

// possible are calls that a runtime can make under the filter though a start seldom shows them, with what they are made
// for. Those that a measurement sees are not listed beside it.
var possible = map[string]map[string]string{
	// runc's init is a Go program with cgo. Which thread does what, and when one sleeps, differs from start to start.
	"runc": {
		"clone":           "Go runtime: starts a thread when all others are busy or blocked",
		"clone3":          "libc: the same, since glibc 2.34 (cgo programs start threads by pthread_create)",
		"close":           "os: descriptors",
		"epoll_ctl":       "Go runtime: files that can be polled, such as pipes, join or leave the poller",
		"epoll_pwait":     "Go runtime: an idle thread polls",
		"exit_group":      "runc: ends itself when a step fails",
		"fcntl":           "os: whether a descriptor is blocking; descriptors marked close-on-exec",
		"fstat":           "os: descriptors",
		"futex":           "Go runtime: threads sleep and are woken",
		"getpid":          "Go runtime: whom to send the signal that preempts a goroutine",
		"gettid":          "Go runtime: a new thread learns its id",
		"madvise":         "Go runtime: memory is given back, or backed by huge pages",
		"mmap":            "Go runtime and libc: memory, the stack of a new thread",
		"mprotect":        "libc: the stack of a new thread",
		"munmap":          "Go runtime and libc: memory",
		"nanosleep":       "Go runtime: the monitor thread and contended locks sleep",
		"prctl":           "Go runtime: names its memory areas, since Go 1.25",
		"read":            "Go runtime: an idle thread was woken from polling",
		"restart_syscall": "kernel: a sleep goes on after the cgroup was frozen",
		"rseq":            "libc: a new thread registers itself, since glibc 2.35",
		"rt_sigaction":    "Go runtime: signal handlers",
		"rt_sigprocmask":  "Go runtime: around the start of a thread and execve",
		"rt_sigreturn":    "Go runtime: a goroutine was preempted by a signal",
		"sched_yield":     "Go runtime: a lock is contended",
		"set_robust_list": "libc: a new thread registers itself",
		"sigaltstack":     "Go runtime: a new thread's signal stack",
		"tgkill":          "Go runtime: preempts a goroutine by a signal",
		"write":           "runc: messages to its parent; Go runtime: wakes an idle thread from polling",
	},
	"crun": {
		"brk":             "libc: memory",
		"exit_group":      "crun: ends itself when a step fails",
		"mmap":            "libc: memory",
		"munmap":          "libc: memory",
		"restart_syscall": "kernel: waiting for start goes on after the cgroup was frozen",
		"rt_sigreturn":    "kernel: a signal was handled",
		"write":           "crun: messages to its parent",
	},
}
