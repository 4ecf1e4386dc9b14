package filter

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// The kernel is asked what it makes of two filters, one installed on the other, and of the one that Restrict
// merges: in child processes of the test binary, which make the same calls with the same arguments and report what
// each returned. The calls do no harm whatever their arguments are.

// harmless are calls that change nothing with any arguments. The descriptor in lseek and fcntl is never open.
var harmless = []string{"getppid", "getpriority", "lseek", "fcntl"}

const closedDescriptor = 1<<31 - 1

// A session is what a child process is told, and a series of them is done by one after another, each in a thread
// that ends with it, so that one process is enough for many.
type session struct {
	Filters [][]byte // programs, in the order of their installation
	Calls   []ruleset.Call
	Load    bool // have Load install them, in all threads, and make the calls in another one
}

const childMode = "STRATA_FILTER_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childMode); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := flag.Set("rapid.checks", "500"); err != nil { // unless the command line says how many
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child does the sessions of a file and writes the results beside it.
func child(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var sessions []session
	if err := json.Unmarshal(text, &sessions); err != nil {
		return err
	}
	results := make([][]string, len(sessions))
	for i, s := range sessions {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread and its filters end with the goroutine
			var err error
			results[i], err = s.run()
			done <- err
		}()
		if err := <-done; err != nil {
			return err
		}
	}
	text, err = json.Marshal(results)
	if err != nil {
		return err
	}
	return os.WriteFile(path+".results", text, 0o600)
}

func (s session) run() ([]string, error) {
	for _, raw := range s.Filters {
		p, err := Parse(raw)
		if err != nil {
			return nil, err
		}
		if s.Load {
			elsewhere := make(chan error)
			go func() { elsewhere <- Load(p, LogDenied) }() // not this thread, which is locked
			err = <-elsewhere
		} else {
			err = installHere(p)
		}
		if err != nil {
			return nil, err
		}
	}
	out := make([]string, len(s.Calls))
	for i, c := range s.Calls {
		r, _, errno := unix.RawSyscall6(uintptr(c.Number), uintptr(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]),
			uintptr(c.Args[3]), uintptr(c.Args[4]), uintptr(c.Args[5]))
		out[i] = fmt.Sprintf("%d %d", r, uint(errno))
	}
	return out, nil
}

// installHere installs a program in the calling thread alone.
func installHere(p Program) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return install(p, 0, thisThread)
}

func TestLoadIsForAllThreads(t *testing.T) {
	deny := ruleset.Action{Kind: ruleset.Errno, Errno: 100}
	proof, err := Proven(read(t, ruleset.Source{
		Default: ruleset.Action{Kind: ruleset.Allow}, ABIs: []syscalls.ABI{syscalls.Host()},
		Rules: []ruleset.Rule{{Names: []string{"getppid"}, Action: deny}},
	}), Options{OneLayout: true})
	if err != nil {
		t.Fatal(err)
	}
	nr, _ := syscalls.Host().Number("getppid")
	results := inChild(t, []session{{
		Filters: [][]byte{proof.Program.Bytes()}, Calls: []ruleset.Call{{ABI: syscalls.Host(), Number: nr}}, Load: true,
	}})
	if want := fmt.Sprintf("%d 100", ^uintptr(0)); results[0][0] != want {
		t.Errorf("getppid in another thread than Load's returns %q, want %q", results[0][0], want)
	}
}

func TestLoadRefuses(t *testing.T) {
	allow := Program{{Op: opRet, K: returns[ruleset.Allow]}}
	for _, test := range []struct {
		name, says string
		err        error
	}{
		{"no program", "0 instructions", Load(nil, 0)},
		{"a long program", "4097 instructions", Load(make(Program, Limit+1), 0)},
		{"a listener's flag", "leave the flag to the runtime", Load(allow, WaitKillable)},
		{"an unknown flag", "the kernel refuses", Load(allow, 1<<30)},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.says) {
			t.Errorf("%s: %v, want an error that says %q", test.name, test.err, test.says)
		}
	}
}

// survivable are actions after which a thread goes on, and Go's runtime does not notice.
var survivable = []ruleset.Action{
	{Kind: ruleset.Allow}, {Kind: ruleset.Allow}, {Kind: ruleset.Errno, Errno: 1}, {Kind: ruleset.Errno, Errno: 38},
	{Kind: ruleset.Errno, Errno: 100}, {Kind: ruleset.Log}, {Kind: ruleset.Trace, Errno: 1},
}

// goes are the calls that Go's runtime makes in a thread, now or then.
var goes = []string{
	"clock_gettime", "clone", "clone3", "close", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "exit",
	"exit_group", "futex", "getpid", "gettid", "madvise", "mincore", "mlock", "mmap", "mprotect", "munmap", "nanosleep",
	"openat", "pipe2", "prctl", "pread64", "read", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity",
	"sched_yield", "seccomp", "set_robust_list", "rseq", "setitimer", "sigaltstack", "tgkill", "tkill", "timer_create",
	"timer_delete", "timer_settime", "uname", "write",
}

// harmlessSource is a profile that says things of the harmless calls, and lets Go's runtime go on.
func (d *decoder) harmlessSource(layer string) ruleset.Source {
	src := d.source(layer, []syscalls.ABI{syscalls.Host()}, survivable)
	for i := range src.Rules {
		src.Rules[i].Names = []string{pick(d, harmless)}
	}
	src.Rules = append(src.Rules, ruleset.Rule{
		Action: ruleset.Action{Kind: ruleset.Allow}, Names: goes, Origin: ruleset.Origin{Layer: layer, Rule: len(src.Rules)},
	})
	return src
}

func (d *decoder) harmlessCalls(n int) []ruleset.Call {
	calls := make([]ruleset.Call, n)
	for i := range calls {
		name := pick(d, harmless)
		nr, _ := syscalls.Host().Number(name)
		calls[i] = ruleset.Call{ABI: syscalls.Host(), Number: nr}
		for arg := range calls[i].Args {
			v := pick(d, someValues)
			switch d.next(4) {
			case 0:
				v++
			case 1:
				v--
			}
			calls[i].Args[arg] = v
		}
		if name == "lseek" || name == "fcntl" {
			calls[i].Args[0] = closedDescriptor | calls[i].Args[0]&^0xffffffff
		}
	}
	return calls
}

func TestKernelDoesWithTwoFiltersWhatItDoesWithTheRestrictedOne(t *testing.T) {
	const pairs, callsEach = 200, 60
	var sessions []session
	var sets []*ruleset.Set
	for i := int64(0); len(sets) < pairs; i++ {
		raw := make([]byte, 600)
		rand.New(rand.NewSource(i)).Read(raw)
		d := &decoder{raw}
		lower, upper := read(t, d.harmlessSource("lower")), read(t, d.harmlessSource("upper"))
		merged, err := ruleset.Restrict(upper, lower)
		if err != nil {
			t.Fatal(err)
		}
		calls := d.harmlessCalls(callsEach)
		var programs [][]byte
		for _, set := range []*ruleset.Set{lower, upper, merged} {
			proof, err := Proven(set, Options{Linear: i%2 == 1, OneLayout: true})
			if errors.Is(err, ruleset.ErrTooComplex) || errors.Is(err, ErrTooLong) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			programs = append(programs, proof.Program.Bytes())
		}
		if len(programs) < 3 {
			continue // one of them has no filter that the kernel would take
		}
		sessions = append(sessions, session{Filters: programs[:2], Calls: calls}, session{Filters: programs[2:], Calls: calls})
		sets = append(sets, merged)
	}
	results := inChild(t, sessions)
	denied := 0
	for i, merged := range sets {
		two, one := results[2*i], results[2*i+1]
		for j, call := range sessions[2*i].Calls {
			if two[j] != one[j] {
				t.Errorf("pair %d: %v returns %q under both filters and %q under the merged one", i, call, two[j], one[j])
			}
			if a := merged.At(call.ABI, call.Number, call.Args); a.Kind == ruleset.Errno {
				denied++
				if want := fmt.Sprintf("%d %d", ^uintptr(0), a.Errno); one[j] != want {
					t.Errorf("pair %d: %v returns %q under %v", i, call, one[j], a)
				}
			}
		}
	}
	if denied < pairs {
		t.Errorf("only %d calls were denied: the random profiles say too little", denied)
	}
}

// inChild does sessions in a child process and gives what each call returned.
func inChild(t *testing.T, sessions []session) [][]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sessions")
	text := mustJSON(t, sessions)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childMode+"="+path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("child: %v: %s", err, stderr.String())
	}
	text, err := os.ReadFile(path + ".results")
	if err != nil {
		t.Fatal(err)
	}
	var results [][]string
	if err := json.Unmarshal(text, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
