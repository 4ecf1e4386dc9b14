package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"strata/internal/syscalls"
	. "strata/test/programs"
	"strata/test/testbed"
)

func writeJSON(t *testing.T, file string, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(data))
}

// A signal is a directory that containers see at /signal.
type signal string

func newSignal(t *testing.T) signal {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return signal(dir)
}

func (s signal) flags() []string { return []string{"--volume", string(s) + ":/signal"} }

// give lets containers go on that await the file.
func (s signal) give(t *testing.T, file string) {
	t.Helper()
	writeFile(t, filepath.Join(string(s), file), "")
}

// awaited waits until a container has made the file.
func (s signal) awaited(t *testing.T, file string) {
	t.Helper()
	testbed.Until(t, "the container makes "+file, func() error {
		_, err := os.Stat(filepath.Join(string(s), file))
		return err
	})
}

// says is the step by which a container makes the file.
func says(file string) Step { return Native("creat", "/signal/"+file, 0o644) }

// exited waits until a container has run to a good end and its recording is finished.
func exited(t *testing.T, w way, id string) {
	t.Helper()
	if status := w.Do(t, "wait", id); status != "0" {
		t.Errorf("container %s exits with %s: %s", id, status, w.Do(t, "logs", id))
	}
}

func TestExecutedByTheEngine(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		s := newSignal(t)
		main := Script{Native("getpgrp"), says("up"), Await("/signal/go"), Native("geteuid")}
		more := Script{Native("getsid", 0), Compat("getuid"), Fork(Thread(Exec(Native("alarm", 0))))}
		id := w.Create(t, slices.Concat(w.Flags(s.flags()...), record(nameOf(t))), testbed.Calls, calls(main)...)
		w.Do(t, "start", id)
		s.awaited(t, "up")
		w.Do(t, append([]string{"exec", id}, calls(more)...)...)
		w.Do(t, append([]string{"exec", "--user", "1000", "--workdir", "/tmp", id}, calls(Script{Native("getegid")})...)...)
		s.give(t, "go")
		exited(t, w, id)
		finishedAfterExit(t, nameOf(t)).exactly(t, w, sets(main.Made()).and(more.Made(), Script{Native("getegid")}.Made()))
	})
}

// finishedAfterExit reads the recording of a container that nobody waited for in the foreground: its end is Podman's
// to notice.
func finishedAfterExit(t *testing.T, name string) *recording {
	t.Helper()
	testbed.Until(t, "recording "+name+" is finished", func() error {
		_, err := os.Stat(filepath.Join(recordings, name+".json"))
		return err
	})
	return finished(t, name)
}

// A container that is started again is another run: it replaces the recording, or joins it where that was asked for.
func TestRestarted(t *testing.T) {
	for _, merge := range []bool{false, true} {
		t.Run(fmt.Sprintf("merge %t", merge), func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				s := newSignal(t)
				// What it does depends on how often it ran: the directory is there in the second run.
				both := Native("getpgrp")
				script := Script{both, Native("mkdir", "/signal/once", 0o755), Exec(Native("getsid", 0))}
				id := w.Create(t, slices.Concat(w.Flags(s.flags()...), record(nameOf(t), fmt.Sprintf("record.merge=%t", merge))), testbed.Calls, calls(script)...)
				for run := 1; run <= 3; run++ {
					w.Do(t, "start", "--attach", id)
					r := finished(t, nameOf(t))
					r.exactly(t, w, script.Made())
					want := 1
					if merge {
						want = run
					}
					if r.Metadata.Runs != want {
						t.Errorf("after run %d the recording is of %d runs, want %d", run, r.Metadata.Runs, want)
					}
				}
			})
		})
	}
}

func TestMergedRuns(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		runs := []Script{
			{Native("getpgrp"), Native("getsid", 0)},
			{Native("getpgrp"), Compat("getuid")},
			{Native("getpgrp"), X32("getuid"), Native("geteuid")},
		}
		all := sets{}
		for i, script := range runs {
			ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), record(nameOf(t), "record.merge=true")), testbed.Calls, calls(script)...))
			all = all.and(script.Made())
			r := finished(t, nameOf(t))
			r.exactly(t, w, all)
			for _, c := range r.Metadata.Calls {
				if c.Name == "getpgrp" && c.Runs != i+1 {
					t.Errorf("after %d runs getpgrp was seen in %d", i+1, c.Runs)
				}
				if c.Name == "getsid" && c.Runs != 1 {
					t.Errorf("after %d runs getsid was seen in %d, want 1", i+1, c.Runs)
				}
			}
		}
	})
}

// Replicas that end at the same time join one recording.
func TestMergedReplicas(t *testing.T) {
	const n = 8
	s := newSignal(t)
	name, all := nameOf(t), sets{}
	ids := make([]string, n)
	ways := make([]way, n)
	for i := range n {
		ways[i] = way{Podman: testbed.Podman{Runtime: "crun"}, NoNewPrivileges: i%2 == 1}
		script := Script{Native(marks[i]), says("up" + number(i)), Await("/signal/go")}
		all = all.and(script.Made())
		ids[i] = ways[i].Create(t, slices.Concat(ways[i].Flags(s.flags()...), record(name, "record.merge=true")), testbed.Calls, calls(script)...)
		ways[i].Do(t, "start", ids[i])
	}
	for i := range n {
		s.awaited(t, "up"+number(i))
	}
	s.give(t, "go")
	for i := range n {
		exited(t, ways[i], ids[i])
		ways[i].Do(t, "rm", ids[i])
	}
	r := finished(t, name)
	r.exactly(t, ways[0], all)
	if r.Metadata.Runs != n {
		t.Errorf("the recording is of %d runs, want %d", r.Metadata.Runs, n)
	}
	nothingLeft(t)
}

// The recording is on disk when the command returns that ran the container.
func TestThereWhenTheCommandReturns(t *testing.T) {
	script := Script{Native("getpgrp")}
	for verb, run := range map[string]func(*testing.T, way, []string){
		"run":      func(t *testing.T, w way, flags []string) { runScript(t, w, flags, script) },
		"run --rm": func(t *testing.T, w way, flags []string) { runScript(t, w, append(flags, "--rm"), script) },
		"start --attach": func(t *testing.T, w way, flags []string) {
			w.Do(t, "start", "--attach", w.Create(t, flags, testbed.Calls, calls(script)...))
		},
		"rm --force": func(t *testing.T, w way, flags []string) {
			s := newSignal(t)
			script := append(slices.Clone(script), Fork(), says("up"), Await("/signal/never"))
			id := w.Create(t, append(flags, s.flags()...), testbed.Calls, calls(script)...)
			w.Do(t, "start", id)
			s.awaited(t, "up")
			w.Do(t, "rm", "--force", "--time", "0", id)
		},
	} {
		t.Run(verb, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				for i := range times(3, 50) {
					name := nameOf(t, number(i))
					run(t, w, slices.Concat(w.Flags(), record(name)))
					if got := finished(t, name).application()[syscalls.X86_64]; !slices.Contains(got, "getpgrp") || !slices.Contains(got, "exit_group") {
						t.Errorf("the application's calls are %v", got)
					}
				}
			})
		})
	}
}

// runScript is podman run of a script, and the container's removal when the test ends.
func runScript(t *testing.T, w way, flags []string, script Script) {
	t.Helper()
	name := "run-" + strings.ToLower(rand.Text())
	t.Cleanup(func() { w.Do(t, "rm", "--force", "--ignore", "--time", "0", name) })
	ran(t, w.Run(t, append(flags, "--name", name), testbed.Calls, calls(script)...))
}

// Two containers of one image at once, one beside them that nobody records, and the host: each is on its own.
func TestNothingOfOthers(t *testing.T) {
	for _, c := range []struct {
		name   string
		shared func(first string) []string
	}{
		{"apart", func(string) []string { return nil }},
		{"host PID", func(string) []string { return []string{"--pid", "host"} }},
		{"shared PID", func(first string) []string { return []string{"--pid", "container:" + first} }},
		{"shared PID, network, IPC and UTS", func(first string) []string {
			return []string{"--pid", "container:" + first, "--network", "container:" + first, "--ipc", "container:" + first, "--uts", "container:" + first}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				s := newSignal(t)
				script := func(own Step, up string) Script {
					return Script{own, says(up), Await("/signal/go-" + up), Fork(own)}
				}
				first := script(Native("getpgrp"), "first")
				second := script(Native("getsid", 0), "second")
				beside := script(Native("geteuid"), "beside")
				flags := append(w.Flags(s.flags()...), "--ipc", "shareable")
				a := w.Create(t, slices.Concat(flags, record(nameOf(t, "a"))), testbed.Calls, calls(first)...)
				w.Do(t, "start", a)
				flags = w.Flags(append(s.flags(), c.shared(a)...)...)
				b := w.Create(t, slices.Concat(flags, record(nameOf(t, "b"))), testbed.Calls, calls(second)...)
				w.Do(t, "start", b)
				other := w.Create(t, flags, testbed.Calls, calls(beside)...)
				w.Do(t, "start", other)
				for _, up := range []string{"first", "second", "beside"} {
					s.awaited(t, up)
				}
				onHost := Script{Native("getegid"), Fork(Thread(Native("getgid")))}
				if outcome := testbed.RunProgram(t, Calls, onHost.Argv()...); outcome.Code != 0 {
					t.Fatal(outcome)
				}
				// The first one last: with it, a PID namespace that it shares ends.
				for _, end := range []struct{ up, id string }{{"second", b}, {"beside", other}, {"first", a}} {
					s.give(t, "go-"+end.up)
					exited(t, w, end.id)
				}
				finishedAfterExit(t, nameOf(t, "a")).exactly(t, w, first.Made())
				finishedAfterExit(t, nameOf(t, "b")).exactly(t, w, second.Made())
			})
		})
	}
}

// What the container's own profile denies is listed apart, and is not in what was recorded.
func TestDeniedCalls(t *testing.T) {
	script := Script{
		Native("getpgrp"), Native("getsid", 0).Gives(-1), Fork(Native("alarm", 0).Gives(-1), Compat("getsid", 0).Gives(-1)),
	}
	made := sets(Script{Native("getpgrp"), Fork()}.Made())
	denied := sets{syscalls.X86_64: {"alarm", "getsid"}, syscalls.X86: {"getsid"}}
	for asked, want := range map[string]sets{"": denied, "record.denied=true": denied, "record.denied=false": {}} {
		t.Run("asked "+asked, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w way) {
				var more []string
				if asked != "" {
					more = append(more, asked)
				}
				flags := slices.Concat([]string{"--rm"}, w.Flags(), record(nameOf(t), more...), lenient(t, "getsid", "alarm"))
				ran(t, w.Run(t, flags, testbed.Calls, calls(script)...))
				r := finished(t, nameOf(t))
				r.exactly(t, w, made)
				if got := r.denied(); !reflect.DeepEqual(got, want) {
					t.Errorf("denied are %v, want %v", got, want)
				}
			})
		})
	}
}

// Recorded unconfined, a container gets to do what its profile would deny.
func TestUnconfinedWhileRecorded(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		script := Script{Native("getsid", 0), Fork(Native("alarm", 0).Gives(0)), Compat("alarm", 0).Gives(0), X32("getsid", 0)}
		flags := slices.Concat([]string{"--rm"}, w.Flags(), record(nameOf(t), "record.seccomp=unconfined"), lenient(t, "getsid", "alarm"))
		ran(t, w.Run(t, flags, testbed.Calls, calls(script)...))
		r := finished(t, nameOf(t))
		r.exactly(t, w, script.Made())
		if got := r.denied(); len(got) > 0 {
			t.Errorf("denied are %v", got)
		}
	})
}
