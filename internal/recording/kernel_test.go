package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"strata/internal/recorder"
	"strata/internal/syscalls"
)

// kernel is a tracker that keeps its tables as files, so that processes share it and it outlives them. It counts
// nothing: a test says what a container did.
type kernel struct{ dir string }

func (k kernel) Track(pid int, _ recorder.Options, save func(recorder.Handle) error) error {
	if pid <= 0 {
		return errors.New("not a process")
	}
	handle := recorder.Handle{Set: k.dir, Recording: rand.Uint64()}
	if err := save(handle); err != nil {
		return err
	}
	return k.set(handle, &recorder.Result{})
}

func (k kernel) table(h recorder.Handle) string {
	return filepath.Join(k.dir, strconv.FormatUint(h.Recording, 10))
}

func (k kernel) set(h recorder.Handle, r *recorder.Result) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(k.table(h), data, 0o600)
}

func (k kernel) Harvest(h recorder.Handle) (*recorder.Result, error) {
	data, err := os.ReadFile(k.table(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, recorder.ErrGone
	}
	if err != nil {
		return nil, err
	}
	r := new(recorder.Result)
	return r, json.Unmarshal(data, r)
}

func (k kernel) LetGo(h recorder.Handle) error {
	if err := os.Remove(k.table(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (k kernel) Sweep() error { return nil }

// node is a store in directories of its own, with such a kernel.
type node struct {
	*Store
	dir    string
	kernel kernel
}

func newNode(t *testing.T) *node {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "kernel"), 0o700))
	n, err := openNode(dir)
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	return n
}

func openNode(dir string) (*node, error) {
	k := kernel{filepath.Join(dir, "kernel")}
	s, err := Open(filepath.Join(dir, "state"), filepath.Join(dir, "recordings"), k)
	return &node{Store: s, dir: dir, kernel: k}, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// did makes a result: an execve by the runtime, and the named calls by the program.
func did(names ...string) *recorder.Result {
	abi := syscalls.Host()
	r := &recorder.Result{Processes: 1, Calls: map[syscalls.ABI][]recorder.Seen{}}
	add := func(name string, after time.Duration) {
		number, ok := abi.Number(name)
		if !ok {
			panic(name)
		}
		r.Calls[abi] = append(r.Calls[abi], recorder.Seen{Number: number, First: epoch.Add(after), ByRuntime: name == "execve", ByProgram: name != "execve"})
	}
	add("execve", time.Second)
	for _, name := range names {
		add(name, 2*time.Second)
	}
	return r
}

// job records this process, which lives as long as the test.
func job(id, name string) Job {
	return Job{Container: id, PID: os.Getpid(), Output: Output{Name: name}, Origin: Origin{Runtime: Runtime{Name: "crun"}}}
}

func (n *node) start(t *testing.T, job Job) {
	t.Helper()
	earlier, err := n.Start(job)
	must(t, err)
	if len(earlier) > 0 {
		t.Fatalf("an earlier run of %s was found: %+v", job.Container, earlier)
	}
}

// ran says what a container did while it was recorded.
func (n *node) ran(t *testing.T, id string, r *recorder.Result) {
	t.Helper()
	must(t, n.kernel.set(n.entry(t, id).Handle, r))
}

// entry is the running file of a container.
func (n *node) entry(t *testing.T, id string) *entry {
	t.Helper()
	e, err := n.entryOf(id)
	must(t, err)
	return e
}

// entryOf leaves out runs that were harvested already.
func (n *node) entryOf(id string) (*entry, error) {
	names, err := n.runs(id)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if e, err := n.readEntry(name); err != nil || e.Harvest == nil {
			return e, err
		}
	}
	return nil, fmt.Errorf("container %s is not recorded", id)
}

// end is Finish with the outcome of the container's last run.
func (n *node) end(id string) *Outcome {
	outcomes, err := n.Finish(id)
	switch {
	case err != nil:
		return &Outcome{Err: err}
	case len(outcomes) == 0:
		return nil
	}
	return outcomes[len(outcomes)-1]
}

func (n *node) finish(t *testing.T, id string) *Outcome {
	t.Helper()
	o := n.end(id)
	if o == nil {
		t.Fatalf("container %s is not recorded", id)
	}
	must(t, o.Err)
	return o
}

// record is a whole run of a container.
func (n *node) record(t *testing.T, job Job, r *recorder.Result) *Outcome {
	t.Helper()
	n.start(t, job)
	n.ran(t, job.Container, r)
	return n.finish(t, job.Container)
}

// idle checks that nothing is left of any recording but its output.
func (n *node) idle(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"state/running", "kernel"} {
		left, err := os.ReadDir(filepath.Join(n.dir, dir))
		must(t, err)
		for _, file := range left {
			t.Errorf("%s/%s is left", dir, file.Name())
		}
	}
}

// profile is what engines read of a profile.
type document struct {
	DefaultAction   string
	DefaultErrnoRet *int
	Architectures   []string
	Syscalls        []struct {
		Names  []string
		Action string
		Args   []map[string]any
	}
}

// recorded reads an output and checks that its two files belong together.
func (n *node) recorded(t *testing.T, profile string) (*document, *Metadata) {
	t.Helper()
	data, err := os.ReadFile(profile)
	must(t, err)
	d := new(document)
	must(t, json.Unmarshal(data, d))
	recording, err := Load(profile)
	must(t, err)
	return d, recording
}

func (n *node) output(name string) string { return filepath.Join(n.dir, "recordings", name+".json") }
