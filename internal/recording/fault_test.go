package recording

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/recorder"
	"strata/internal/safefile"
)

// TestMain is also the entry of the processes that tests start from this binary.
func TestMain(m *testing.M) {
	switch role := os.Getenv("STRATA_TEST_ROLE"); role {
	case "":
		os.Exit(m.Run())
	case "sleep": // until the test ends, whatever way it does
		_, err := io.Copy(io.Discard, os.Stdin)
		exit(err)
	case "replica":
		exit(replica(os.Getenv("STRATA_TEST_DIR"), os.Getenv("STRATA_TEST_CONTAINER")))
	case "full":
		exit(fullDisk(os.Getenv("STRATA_TEST_DIR")))
	default:
		exit(hook(role))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// sleeper is a container's init.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := child(t, "STRATA_TEST_ROLE=sleep")
	_, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { end(t, cmd) })
	return cmd
}

func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	must(t, cmd.Process.Kill())
	var exited *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
}

// faults stand between a store and what it works on. Each step, on disk or in the kernel, may be the last one.
type faults struct {
	steps int
	at    int
	// happen ends the process, or returns what the step fails with.
	happen func() error
}

func (f *faults) step() error {
	f.steps++
	if f.steps-1 == f.at {
		return f.happen()
	}
	return nil
}

func kill() error {
	if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
		return err
	}
	for {
		unix.Pause() // a signal to oneself may take a moment
	}
}

func (f *faults) into(s *Store) {
	s.state, s.running, s.recordings = faultyDirectory{s.state, f}, faultyDirectory{s.running, f}, faultyDirectory{s.recordings, f}
	s.tracker = faultyTracker{s.tracker, f}
	open := s.open
	s.open = func(path string) (directory, error) {
		dir, err := open(path)
		return faultyDirectory{dir, f}, err
	}
}

type faultyDirectory struct {
	directory
	*faults
}

func (d faultyDirectory) Read(name string, limit int64, options ...safefile.Option) ([]byte, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	return d.directory.Read(name, limit, options...)
}

func (d faultyDirectory) Replace(name string, data []byte, mode fs.FileMode) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.directory.Replace(name, data, mode)
}

// ReplaceInOrder may be interrupted before each of its files.
func (d faultyDirectory) ReplaceInOrder(files []safefile.File, mode fs.FileMode) error {
	for _, file := range files {
		if err := d.Replace(file.Name, file.Data, mode); err != nil {
			return err
		}
	}
	return nil
}

func (d faultyDirectory) Remove(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.directory.Remove(name)
}

type faultyTracker struct {
	Tracker
	*faults
}

func (k faultyTracker) Track(pid int, o recorder.Options, save func(recorder.Handle) error) error {
	err := k.Tracker.Track(pid, o, func(h recorder.Handle) error {
		return errors.Join(save(h), k.step()) // saved, and nothing in the kernel yet
	})
	return err
}

func (k faultyTracker) Harvest(h recorder.Handle) (*recorder.Result, error) {
	if err := k.step(); err != nil {
		return nil, err
	}
	return k.Tracker.Harvest(h)
}

func (k faultyTracker) LetGo(h recorder.Handle) error {
	if err := k.step(); err != nil {
		return err
	}
	return k.Tracker.LetGo(h)
}

// hook is a process that starts or finishes a recording and is killed on the way. It exits with 0 if it was not.
func hook(role string) error {
	at, err := strconv.Atoi(os.Getenv("STRATA_TEST_AT"))
	if err != nil {
		return err
	}
	n, err := openNode(os.Getenv("STRATA_TEST_DIR"))
	if err != nil {
		return err
	}
	(&faults{at: at, happen: kill}).into(n.Store)
	switch role {
	case "start":
		pid, err := strconv.Atoi(os.Getenv("STRATA_TEST_PID"))
		if err != nil {
			return err
		}
		j := job("c1", "web")
		j.PID = pid
		_, err = n.Start(j)
		return err
	case "finish":
		if o := n.end(os.Getenv("STRATA_TEST_CONTAINER")); o != nil {
			return o.Err
		}
		return nil
	case "recover":
		_, err := n.Recover()
		return err
	}
	return fmt.Errorf("role %q", role)
}

// killed runs a hook that is killed before its step at, and says whether it was.
func (n *node) killed(t *testing.T, role string, at int, env ...string) bool {
	t.Helper()
	cmd := child(t, append(env, "STRATA_TEST_ROLE="+role, "STRATA_TEST_DIR="+n.dir, "STRATA_TEST_AT="+strconv.Itoa(at))...)
	err := cmd.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) && exited.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	must(t, err)
	return false
}

// mostSteps ends a loop over the steps of a hook that does not end itself.
const mostSteps = 200

// A prestart that is killed leaves nothing that stays, and no recording: its container was not started.
func TestKilledStart(t *testing.T) {
	for at := range mostSteps {
		n := newNode(t)
		init := sleeper(t)
		killed := n.killed(t, "start", at, "STRATA_TEST_PID="+strconv.Itoa(init.Process.Pid))
		end(t, init)
		outcomes, err := n.Recover()
		must(t, err)
		for _, o := range outcomes {
			must(t, o.Err)
		}
		n.idle(t)
		if _, err := os.Stat(n.output("web")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("killed at %d: there is a recording: %v", at, err)
		}
		if !killed {
			if at < 3 {
				t.Errorf("a start has only %d steps", at)
			}
			return
		}
	}
	t.Fatalf("a start has more than %d steps", mostSteps)
}

// A poststop that is killed, and a recovery that is killed after it: the next one finishes, and counts nothing twice.
func TestKilledFinish(t *testing.T) {
	for _, merge := range []bool{false, true} {
		t.Run(fmt.Sprintf("merge=%v", merge), func(t *testing.T) {
			for at := range mostSteps {
				n := newNode(t)
				start := func(id string) {
					j := job(id, "web")
					j.Merge = merge
					init := sleeper(t)
					j.PID = init.Process.Pid
					n.start(t, j)
					n.ran(t, id, did("getpid"))
					end(t, init)
				}
				start("c0")
				n.finish(t, "c0")
				start("c1")
				killed := n.killed(t, "finish", at, "STRATA_TEST_CONTAINER=c1")
				n.killed(t, "recover", at/2)
				outcomes, err := n.Recover()
				must(t, err)
				for _, o := range outcomes {
					must(t, o.Err)
				}
				n.idle(t)
				want := 1
				if merge {
					want = 2
				}
				if _, m := n.recorded(t, n.output("web")); m.Runs != want || len(m.Calls) != 2 || m.Calls[0].Runs != want {
					t.Errorf("killed at %d: %d runs, calls %+v, want %d", at, m.Runs, m.Calls, want)
				}
				if !killed {
					if at < 5 {
						t.Errorf("a finish has only %d steps", at)
					}
					return
				}
			}
			t.Fatalf("a finish has more than %d steps", mostSteps)
		})
	}
}

// After a crash between an output's two files, another recording goes to the same output before anybody finishes the
// first one: that one must not come back over it.
func TestKilledFinishThenAnother(t *testing.T) {
	for at := range mostSteps {
		n := newNode(t)
		n.start(t, job("c1", "web"))
		n.ran(t, "c1", did("getpid"))
		killed := n.killed(t, "finish", at, "STRATA_TEST_CONTAINER=c1")
		wrote := false
		if m, err := readMetadata(n.recordings, "web.recording.json"); err == nil {
			wrote = m.Runs == 1
		}
		n.record(t, job("c2", "web"), did("getppid"))
		if o := n.end("c1"); o != nil {
			must(t, o.Err)
		}
		n.idle(t)
		profile, _ := n.recorded(t, n.output("web"))
		last := "getpid" // c1 had written nothing, so it ends after c2
		if wrote {
			last = "getppid"
		}
		if got := profile.allowed(); !contains(got, last) {
			t.Errorf("killed at %d: the profile is not that of the last run: %v", at, got)
		}
		if !killed {
			return
		}
	}
	t.Fatalf("a finish has more than %d steps", mostSteps)
}

func contains(list []string, name string) bool {
	for _, one := range list {
		if one == name {
			return true
		}
	}
	return false
}

// A step that fails makes a start fail and leave nothing; a finish fails or has a whole recording, and nothing is lost.
func TestFailingSteps(t *testing.T) {
	noSpace := func() error { return fmt.Errorf("step: %w", unix.ENOSPC) }
	for at := range mostSteps {
		n := newNode(t)
		f := &faults{at: at, happen: noSpace}
		f.into(n.Store)
		if _, err := n.Start(job("c1", "web")); err != nil {
			f.at = -1
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("start, step %d: %v", at, err)
			}
			if o := n.end("c1"); o != nil { // a file that could not be removed
				must(t, o.Err)
			}
			n.idle(t)
			continue
		}
		steps := f.steps
		f.at = -1
		n.ran(t, "c1", did("getpid"))
		f.steps, f.at = steps, at
		o := n.end("c1")
		failed := f.steps > f.at
		f.at = -1
		if o != nil && o.Err == nil {
			n.recorded(t, n.output("web"))
		}
		if again := n.end("c1"); again != nil {
			must(t, again.Err)
		}
		n.idle(t)
		n.recorded(t, n.output("web"))
		if !failed {
			return
		}
	}
	t.Fatalf("more than %d steps", mostSteps)
}

func TestFullDisk(t *testing.T) {
	cmd := child(t, "STRATA_TEST_ROLE=full", "STRATA_TEST_DIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	must(t, cmd.Run())
}

// fullDisk runs in a mount namespace of its own. The recordings' disk fills up while a container is recorded.
func fullDisk(dir string) error {
	recordings := filepath.Join(dir, "recordings")
	for _, sub := range []string{recordings, filepath.Join(dir, "kernel")} {
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("strata-test", recordings, "tmpfs", 0, "size=64k"); err != nil {
		return err
	}
	n, err := openNode(dir)
	if err != nil {
		return err
	}
	init := exec.Command("/proc/self/exe")
	init.Env = append(os.Environ(), "STRATA_TEST_ROLE=sleep")
	if _, err := init.StdinPipe(); err != nil {
		return err
	}
	if err := init.Start(); err != nil {
		return err
	}
	j := job("c1", "web")
	j.PID = init.Process.Pid
	if _, err := n.Start(j); err != nil {
		return err
	}
	e, err := n.entryOf("c1")
	if err != nil {
		return err
	}
	if err := n.kernel.set(e.Handle, did("getpid")); err != nil {
		return err
	}
	if err := init.Process.Kill(); err != nil {
		return err
	}
	if _, err := init.Process.Wait(); err != nil {
		return err
	}
	filler := filepath.Join(recordings, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("fill the disk: %v", err)
	}
	if o := n.end("c1"); o == nil || !errors.Is(o.Err, unix.ENOSPC) {
		return fmt.Errorf("outcome on a full disk is %+v", o)
	}
	if left, err := os.ReadDir(n.kernel.dir); err != nil || len(left) > 0 {
		return fmt.Errorf("the kernel still keeps %v (%v)", left, err)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	outcomes, err := n.Recover()
	if err != nil || len(outcomes) != 1 || outcomes[0].Err != nil {
		return fmt.Errorf("recovery: %+v, %v", outcomes, err)
	}
	m, err := Load(n.output("web"))
	if err != nil || m.Runs != 1 {
		return fmt.Errorf("recording: %+v, %v", m, err)
	}
	return n.Close()
}

// Hooks of replicas are processes of their own.
func TestReplicas(t *testing.T) {
	n := newNode(t)
	var replicas []*exec.Cmd
	for i := range 6 {
		cmd := child(t, "STRATA_TEST_ROLE=replica", "STRATA_TEST_DIR="+n.dir, "STRATA_TEST_CONTAINER="+fmt.Sprint("c", i))
		must(t, cmd.Start())
		replicas = append(replicas, cmd)
	}
	for _, cmd := range replicas {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	n.idle(t)
	if _, m := n.recorded(t, n.output("web")); m.Runs != 6*replicaRuns || m.Processes != 6*replicaRuns || m.Calls[0].Runs != 6*replicaRuns {
		t.Errorf("%d runs, %d processes, calls %+v", m.Runs, m.Processes, m.Calls)
	}
}

const replicaRuns = 5

// replica is a container that is recorded several times and merged with others.
func replica(dir, id string) error {
	for range replicaRuns {
		n, err := openNode(dir)
		if err != nil {
			return err
		}
		j := job(id, "web")
		j.Merge = true
		if _, err := n.Start(j); err != nil {
			return err
		}
		e, err := n.entryOf(id)
		if err == nil {
			err = n.kernel.set(e.Handle, did("getpid"))
		}
		if err != nil {
			return err
		}
		if o := n.end(id); o == nil || o.Err != nil {
			return fmt.Errorf("outcome is %+v", o)
		}
		if err := n.Close(); err != nil {
			return err
		}
	}
	return nil
}
