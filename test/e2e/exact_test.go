package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	. "strata/test/programs"
	"strata/test/testbed"
)

// calls is the command of a container that runs a script.
func calls(script Script) []string { return append([]string{"/calls"}, script.Argv()...) }

// lenient writes a profile that keeps a filter in the container but allows what the test needs, and returns the flags
// that ask for it.
func lenient(t *testing.T, denied ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lenient.json")
	writeJSON(t, file, testbed.Filter(append([]string{"reboot"}, denied...)...))
	return []string{"--security-opt", "seccomp=" + file}
}

const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID

// What the container's programs make is what the recording holds: not one call more, not one less.
func TestRecordedIsExactlyWhatWasMade(t *testing.T) {
	administrator := []string{"--cap-add", "SYS_ADMIN"}
	for _, c := range []struct {
		name    string
		script  Script
		flags   []string
		lenient bool // does what the engine's default profile denies
	}{
		{name: "nothing"},
		{name: "plain", script: Script{
			Native("getpid").Gives(1), Native("openat", -100, "/etc", 0), Native("close", Last).Gives(0),
			Native("read", -1, Scratch, 1).Gives(-int(unix.EBADF)), Native("getpgrp"), Native("sched_yield"),
		}},
		{name: "what the runtime makes too", script: Script{Native("prctl", 0), Native("capset"), Native("newfstatat", -1), Native("write", -1)}},
		{name: "repeated", script: Script{Loop(1000, Native("getppid"), Native("getuid"))}},
		{name: "threads", script: Script{Thread(Native("getsid", 0)), Together(16, Loop(50, Native("getpgid", 0), Native("sched_yield")))}},
		{name: "children", script: Script{
			Fork(Native("getpgrp"), Fork(Native("getsid", 0), Thread(Native("alarm", 0)))),
			VFork(Native("getgid")), Clone(0, Native("getegid")),
		}},
		{name: "orphans", script: Script{Fork(Detach(Native("getsid", 0), Native("creat", "/signal/orphan", 0o644))), Await("/signal/orphan")}},
		{name: "vfork and exec", script: Script{Loop(5, VFork(Exec(Native("getpgrp"), Fork(Native("getsid", 0)))))}},
		{name: "exec", script: Script{Native("getpgrp"), Exec(Native("getsid", 0), Exec(Native("geteuid")))}},
		{name: "exec from a thread", script: Script{Native("getpgrp"), Together(4, Native("getegid")), Thread(Exec(Native("getsid", 0), Thread(Exec(Native("geteuid")))))}},
		{name: "exec from a thread of a child", script: Script{Fork(Thread(Thread(Exec(Native("getsid", 0))))), Native("getpgrp")}},
		{name: "new mount and PID namespaces", lenient: true, flags: administrator, script: Script{
			Clone(namespaces, Native("getpid").Gives(1), Native("mount", 0, "/", 0, unix.MS_REC|unix.MS_PRIVATE, 0).Gives(0),
				Fork(Native("getsid", 0)), VFork(Exec(Native("getpgrp")))),
			Clone(unix.CLONE_NEWNS, Clone(unix.CLONE_NEWNS, Exec(Native("geteuid")))),
		}},
		{name: "its own new mount namespace", lenient: true, flags: administrator, script: Script{
			Native("unshare", unix.CLONE_NEWNS|unix.CLONE_NEWUTS).Gives(0), Native("getpgrp"), Fork(Native("getsid", 0)), Thread(Exec(Native("geteuid"))),
		}},
		{name: "new user namespace", lenient: true, flags: administrator, script: Script{
			Clone(unix.CLONE_NEWUSER|namespaces, Native("getpid").Gives(1), Native("getuid").Gives(65534), Fork(Native("getpgrp"))),
			Native("unshare", unix.CLONE_NEWUSER).Gives(0), VFork(Exec(Native("getsid", 0))),
		}},
		{name: "into another namespace and back", lenient: true, flags: append([]string{"--cap-add", "SYS_CHROOT"}, administrator...), script: Script{
			Native("openat", -100, "/proc/self/ns/mnt", 0).Gives(3), Native("unshare", unix.CLONE_NEWNS).Gives(0), Native("getpgrp"),
			Native("setns", 3, unix.CLONE_NEWNS).Gives(0), Native("getsid", 0), Fork(Native("geteuid")),
		}},
		{name: "32-bit", script: Script{
			Compat("getpid").Gives(1), Compat("open", "/", 0), Compat("socketcall", 0, Scratch),
			Thread(Compat("getuid32")), Fork(Compat("getppid"), Native("getpgrp")), VFork(Exec(Compat("gettid"))),
		}},
		{name: "x32", script: Script{X32("getpid"), Thread(X32("getuid")), Fork(X32("rt_sigaction"), Native("getpgrp"))}},
		{name: "every ABI", script: Script{Native("getsid", 0), Compat("getsid", 0), X32("getsid", 0)}},
		{name: "host PID", flags: []string{"--pid", "host"}, script: Script{Native("getpgrp"), Fork(Native("getsid", 0), Exec(Native("geteuid")))}},
		{name: "network of its own", flags: []string{"--network", "none"}, script: Script{Native("getpgrp"), Fork(Native("getsid", 0))}},
		{name: "another user", flags: []string{"--user", "1000:1000"}, script: Script{Native("getuid").Gives(1000), Native("getpgrp")}},
		{name: "no capabilities", flags: []string{"--cap-drop", "ALL"}, script: Script{Native("getpgrp"), Fork(Exec(Native("getsid", 0)))}},
		{name: "read-only root", flags: []string{"--read-only"}, script: Script{Native("getpgrp")}},
		{name: "terminal", flags: []string{"--tty"}, script: Script{Native("getpgrp")}},
		{name: "another directory", flags: []string{"--workdir", "/tmp", "--env", "A=B"}, script: Script{Native("getcwd", Scratch, 100).Gives(len("/tmp") + 1)}},
		{name: "a user namespace of the engine's", flags: []string{"--uidmap", "0:100000:65536"}, script: Script{Native("getuid").Gives(0), Native("getpgrp"), Fork(Exec(Native("getsid", 0)))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				flags := slices.Concat([]string{"--rm"}, w.Flags(c.flags...), record(nameOf(t)))
				if c.lenient {
					flags = append(flags, lenient(t)...)
				}
				ran(t, w.Run(t, flags, testbed.Calls, calls(c.script)...))
				finished(t, nameOf(t)).exactly(t, w, c.script.Made())
			})
		})
	}
}

// Numbers that no table names are noted as numbers, and a profile cannot say them.
func TestUnknownNumbers(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		script := Script{Native("getpgrp"), Unknown(511), Unknown(100_000)}
		ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), record(nameOf(t)), lenient(t)), testbed.Calls, calls(script)...))
		r := finished(t, nameOf(t))
		r.exactly(t, w, script.Made())
		if n := slices.IndexFunc(r.Metadata.Calls, func(c callSeen) bool { return c.Number == 511 }); n < 0 || r.Metadata.Calls[n].Name != "" {
			t.Errorf("number 511 is not among %v", r.Metadata.Calls)
		}
		if r.Metadata.Beyond != 1 {
			t.Errorf("%d calls beyond all tables, want 1", r.Metadata.Beyond)
		}
	})
}

// Without a filter there is nothing that tells the runtime's calls, so the whole base is added.
func TestUnfilteredContainers(t *testing.T) {
	script := Script{Native("getpgrp"), Fork(Native("getsid", 0), VFork(Exec(Native("geteuid")))), Thread(Exec(Native("getegid")))}
	for name, flags := range map[string][]string{
		"unconfined": {"--security-opt", "seccomp=unconfined"},
		"powerful":   {"--security-opt", "seccomp=unconfined", "--cap-add", "ALL", "--security-opt", "label=disable", "--pid", "host"},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(flags...), record(nameOf(t))), testbed.Calls, calls(script)...))
				r := finished(t, nameOf(t))
				r.exactly(t, w, script.Made())
				if !r.Metadata.Options.Unfiltered {
					t.Error("the recording does not say that the container had no filter")
				}
			})
		})
	}
}

// ran checks that a container ran to a good end.
func ran(t *testing.T, outcome testbed.Outcome) {
	t.Helper()
	if outcome.Code != 0 {
		t.Fatal(outcome)
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
