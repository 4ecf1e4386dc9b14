package e2e

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// marks are calls by which containers are told from each other; no runtime and no other step makes them.
var marks = []string{"getpgrp", "getsid", "getegid", "geteuid", "getresgid", "getpgid", "getrusage", "times", "sysinfo", "getpriority"}

// marked is a script with the marks of a number's bits.
func marked(n int) Script {
	var s Script
	for i, name := range marks {
		if n&(1<<i) != 0 {
			s = append(s, Native(name, -1, Scratch, -1))
		}
	}
	return s
}

// inTwos runs do for each number below n, two at a time, in a random order.
func inTwos(t *testing.T, n int, do func(int)) {
	t.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	for range 2 {
		all.Go(func() {
			defer func() { // where do ends the test, the rest is left out
				for range next {
				}
			}()
			for i := range next {
				do(i)
			}
		})
	}
	for _, i := range rand.Perm(n) {
		next <- i
	}
	close(next)
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// A hundred containers recorded at once: each has its own calls, and when the last one goes, all goes.
func TestManyAtOnce(t *testing.T) {
	const n = 100
	s := newSignal(t)
	scripts := make([]Script, n)
	ids := make([]string, n)
	ways := make([]way, n)
	for i := range n {
		ways[i] = way{Podman: testbed.Podman{Runtime: testbed.Runtimes[i%2]}, NoNewPrivileges: i/2%2 == 1}
		scripts[i] = slices.Concat(Script{Fork(marked(i)...)}, Script{says("up" + number(i)), Await("/signal/go" + number(i))})
	}
	inTwos(t, n, func(i int) {
		w := ways[i]
		ids[i] = w.Create(t, slices.Concat(w.Flags(s.flags()...), record(nameOf(t, number(i)))), testbed.Calls, calls(scripts[i])...)
		w.Do(t, "start", ids[i])
	})
	for i := range n {
		s.awaited(t, "up"+number(i))
	}
	killed := func(i int) bool { return i%3 == 0 } // the others end by themselves
	inTwos(t, n, func(i int) {
		if !killed(i) {
			s.give(t, "go"+number(i))
			exited(t, ways[i], ids[i])
		}
		ways[i].Do(t, "rm", "--force", "--time", "0", ids[i])
	})
	for i := range n {
		// The child of each has called exit_group, so it is among the calls of those too that were killed.
		finished(t, nameOf(t, number(i))).exactly(t, ways[i], scripts[i].Made())
	}
	nothingLeft(t)
}

// Short containers in a row have the same set every time.
func TestManyInARow(t *testing.T) {
	script := Script{Native("getpgrp"), Thread(Native("getsid", 0)), Fork(Native("geteuid"), Exec(Compat("getuid")))}
	for _, runtime := range testbed.Runtimes {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			w := way{Podman: testbed.Podman{Runtime: runtime}}
			for i := range times(50, 500) {
				w.NoNewPrivileges = i%2 == 1
				ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), record(nameOf(t))), testbed.Calls, calls(script)...))
				finished(t, nameOf(t)).exactly(t, w, script.Made())
			}
		})
	}
	nothingLeft(t)
}

// The same program under load that others make: their calls are theirs.
func TestNothingOfABusyHost(t *testing.T) {
	stop := make(chan struct{})
	var noise sync.WaitGroup
	defer func() {
		close(stop)
		noise.Wait()
	}()
	busy := Script{Loop(60, Fork(marked(1<<len(marks)-1)...), Thread(Native("getitimer", 0, Scratch)))}
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if outcome := testbed.RunProgram(t, Calls, busy.Argv()...); outcome.Code != 0 {
					t.Error(outcome)
					return
				}
			}
		}
	})
	script := Script{Native("getppid"), Fork(Thread(Native("getitimer", 0, Scratch)))}
	for i := range 8 {
		w := way{Podman: testbed.Podman{Runtime: testbed.Runtimes[i%2]}, NoNewPrivileges: i/2%2 == 1}
		ran(t, w.Run(t, slices.Concat([]string{"--rm", "--pid", "host"}, w.Flags(), record(nameOf(t))), testbed.Calls, calls(script)...))
		r := finished(t, nameOf(t))
		if got := r.application(); !reflect.DeepEqual(got, sets(script.Made())) {
			t.Errorf("the application's calls are %v, made were %v", got, script.Made())
		}
	}
}
