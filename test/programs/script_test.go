package programs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/internal/syscalls"
	"strata/test/trace"
)

func TestScriptSpellsWhatItMakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		script Script
		argv   string
		made   map[syscalls.ABI][]string
	}{
		{"nothing", nil, "", map[syscalls.ABI][]string{syscalls.X86_64: {"exit_group"}}},
		{"arguments", Script{Native("openat", -100, "/etc", 0), Native("close", Last).Gives(0), Native("read", 0, Scratch, 1)},
			"64:257,-100,'/etc,0 64:3,$=0 64:0,0,*,1",
			map[syscalls.ABI][]string{syscalls.X86_64: {"close", "exit_group", "openat", "read"}}},
		{"ABIs", Script{Compat("getpid"), X32("getpid"), Native("getpid")}, "32:20 x32:39 64:39",
			map[syscalls.ABI][]string{syscalls.X86_64: {"exit_group", "getpid"}, syscalls.X86: {"getpid"}, syscalls.X32: {"getpid"}}},
		{"blocks", Script{Loop(2, Thread(Fork(Native("getuid")).Ends(9))), Await("/x")},
			"loop:2 [ thread [ fork=9 [ 64:102 ] ] ] await:/x",
			map[syscalls.ABI][]string{syscalls.X86_64: {"access", "clone", "exit", "exit_group", "fork", "futex", "getuid", "select", "wait4"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if argv := strings.Join(c.script.Argv(), " "); argv != c.argv {
				t.Errorf("argv is %s, want %s", argv, c.argv)
			}
			if made := c.script.Made(); !reflect.DeepEqual(made, c.made) {
				t.Errorf("made is %v, want %v", made, c.made)
			}
		})
	}
}

func build(t *testing.T) string {
	dir := t.TempDir()
	if err := Build(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// everyWord has each word of the language, those that need a file with one that is there.
func everyWord(there string) Script {
	return Script{
		Native("openat", -100, "/", 0), Native("close", -1).Gives(-9), Native("read", -1, Scratch, 1), Native("kill", Last, 0),
		Thread(Native("getuid")), Together(4, Native("getuid"), Fork(Native("getgid"))),
		Fork(Native("getpid"), Native("kill", Last, 9)).Ends(9), VFork(Exec(Native("getppid"))),
		Clone(0, Loop(3, Native("getppid"))), Detach(Native("getpid")), Await(there),
		Compat("open", "/", 0), X32("getpid"), Fork(Thread(Exec(Native("getppid")))), Fork(Thread(Thread(Exec()))),
	}
}

func TestPrograms(t *testing.T) {
	dir := build(t)
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	calls := func(status int, says string, s ...Step) func(*testing.T) {
		return func(t *testing.T) { outcome(t, status, says, filepath.Join(dir, Calls), Script(s).Argv()...) }
	}
	t.Run("nothing", calls(0, ""))
	t.Run("each word", calls(7, "", append(everyWord(there), Thread(Thread(Exec(Native("exit_group", 7)))))...))
	t.Run("another result", calls(100, "calls: 64:3,-1=0\n", Native("close", -1).Gives(0)))
	t.Run("a child's result", calls(100, "calls: 64:3,-1=0\ncalls: fork\n", Fork(Native("close", -1).Gives(0))))
	t.Run("a thread's result", calls(100, "calls: 64:3,-1=0\n", Thread(Native("close", -1).Gives(0))))
	for _, nonsense := range []string{"what", "64:", "64:x", "64:1,", "64:1,2,3,4,5,6,7,8", "64:1=", "thread", "thread [", "loop:2 ]", "loop:x [ ]", "fork=", "together:33 [ ]"} {
		t.Run(nonsense, func(t *testing.T) {
			words := strings.Fields(nonsense)
			outcome(t, 101, "calls: "+words[0]+"\n", filepath.Join(dir, Calls), words...)
		})
	}
	t.Run("libc", func(t *testing.T) { outcome(t, 0, "libc: done\n", filepath.Join(dir, Libc)) })
}

func outcome(t *testing.T, status int, says, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	out, err := cmd.CombinedOutput()
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status || string(out) != says {
		t.Errorf("%s %s: %s, says %q; want status %d and %q", filepath.Base(name), strings.Join(args, " "), cmd.ProcessState, out, status, says)
	}
}

// The kernel's own account of what calls does is the measure of what its scripts say of themselves.
func TestScriptMakesWhatItSays(t *testing.T) {
	dir := build(t)
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	everything := everyWord(there)
	steps := map[string]Script{"everything": everything, "nothing": nil}
	for _, step := range everything {
		steps[step.word] = Script{step}
	}
	for name, script := range steps {
		t.Run(name, func(t *testing.T) {
			made := map[syscalls.ABI][]string{}
			_, err := trace.Run(exec.Command(filepath.Join(dir, Calls), script.Argv()...), func(c trace.Call) bool {
				name, ok := c.ABI.Name(c.Number)
				if !ok {
					t.Errorf("call %d of %v", c.Number, c.ABI)
				}
				if !slices.Contains(made[c.ABI], name) {
					made[c.ABI] = append(made[c.ABI], name)
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, names := range made {
				slices.Sort(names)
			}
			if want := script.Made(); !reflect.DeepEqual(made, want) {
				t.Errorf("%v makes %v, says %v", script.Argv(), made, want)
			}
		})
	}
}
