package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"strata/internal/recorder"
	"strata/internal/safefile"
)

// Directories of an installed Strata.
const (
	DefaultState      = "/run/strata"
	DefaultRecordings = "/var/lib/strata/recordings"
)

// maxRunning bounds how many recordings a node runs at once.
const maxRunning = 8192

var (
	// ErrRefused says that what a container asks for can not be: no node could do it.
	ErrRefused = errors.New("refused")
	// ErrLost says that what a recording counted is not in the kernel any more.
	ErrLost = errors.New("recording lost")
	// ErrDamaged says that a finished recording's metadata can not be read.
	ErrDamaged = errors.New("damaged metadata")
)

// directory is what the store needs of a *safefile.Root.
type directory interface {
	Read(name string, limit int64, options ...safefile.Option) ([]byte, error)
	Replace(name string, data []byte, mode fs.FileMode) error
	ReplaceInOrder(files []safefile.File, mode fs.FileMode) error
	Remove(name string) error
	List(dir string) ([]string, error)
	Sweep(dir string) (int, error)
	Path() string
	Close() error
}

// Store is where recordings live. Any number of processes may use the same one at once.
type Store struct {
	state, running, recordings directory
	tracker                    Tracker
	system                     system
	open                       func(path string) (directory, error)
}

// Open opens the store in a state directory (running recordings; does not outlive the machine's) and a recordings
// directory (finished ones). Both are made if they are missing. The tracker may be nil for a store that only reads.
func Open(state, recordings string, tracker Tracker) (*Store, error) {
	s := &Store{tracker: tracker, system: host, open: openDirectory}
	for _, part := range []struct {
		dir     *directory
		path    string
		mode    fs.FileMode
		guarded bool // what is in it is believed
	}{
		{&s.state, state, 0o700, true},
		{&s.running, filepath.Join(state, "running"), 0o700, true},
		{&s.recordings, recordings, 0o755, false},
	} {
		root, err := safefile.MakeRoot(part.path, part.mode)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open recordings: %w", err), s.Close())
		}
		*part.dir = root
		if part.guarded {
			if err := root.Guarded(); err != nil {
				return nil, errors.Join(fmt.Errorf("open recordings: %w", err), s.Close())
			}
		}
	}
	return s, nil
}

func openDirectory(path string) (directory, error) { return safefile.OpenRoot(path) }

// Close releases the directories, not the recordings.
func (s *Store) Close() error {
	var all []error
	for _, dir := range []directory{s.state, s.running, s.recordings} {
		if dir != nil {
			all = append(all, dir.Close())
		}
	}
	return errors.Join(all...)
}

// Start begins to record a container. When it returns an error nothing is recorded and nothing is left; when it is
// killed, Recover finds what it left. A second call for the same run of a container changes nothing. What earlier runs
// of it left is finished first, and the outcomes are returned as well.
func (s *Store) Start(job Job) ([]*Outcome, error) {
	if err := s.check(&job); err != nil {
		return nil, err
	}
	init, err := s.system.initial(job.PID)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", job.Container, err)
	}
	e := newEntry(job, init)
	held, err := lock(s.state.Path(), runningLocks, safeName(job.Container))
	if err != nil {
		return nil, err
	}
	defer held.Close()
	names, err := s.running.List(".")
	if err != nil {
		return nil, fmt.Errorf("list running recordings: %w", err)
	}
	if len(names) >= maxRunning {
		return nil, fmt.Errorf("%d containers are being recorded: no more are taken (strata-hook gc finishes those that have ended)", len(names))
	}
	var earlier []*Outcome
	for _, name := range names {
		if lockKey(name) != safeName(job.Container) {
			continue
		}
		old, err := s.readEntry(name)
		if err == nil && old.Tracked && old.Init.same(init) {
			return earlier, nil
		}
		o := s.finish(name)
		if earlier = append(earlier, o); name == e.name() && o.kept {
			return earlier, o.Err
		}
	}
	return earlier, s.track(e)
}

// track keeps the running file ahead of the kernel: it says that the container will be tracked before it is, and that
// it is after it was.
func (s *Store) track(e *entry) error {
	err := s.tracker.Track(e.Job.PID, e.Job.Options, func(handle recorder.Handle) error {
		e.Handle = handle
		return s.writeEntry(e)
	})
	if err == nil {
		e.Tracked = true
		if err = s.writeEntry(e); err == nil {
			return nil
		}
		err = errors.Join(err, s.tracker.LetGo(e.Handle))
	}
	err = fmt.Errorf("container %s: %w", e.Job.Container, err)
	if gone := s.running.Remove(e.name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// Finish ends the recording of a container: what was counted is written, then the kernel's tables are freed. A
// container that is not recorded, or not any more, has no outcome; one has several when earlier runs of it had not been
// finished. An outcome with an error has kept everything that Recover needs to try again, unless the error says so.
func (s *Store) Finish(container string) ([]*Outcome, error) {
	if container == "" || len(container) > maxID {
		return nil, fmt.Errorf("container id of %d bytes: 1 to %d are taken", len(container), maxID)
	}
	held, err := lock(s.state.Path(), runningLocks, safeName(container))
	if err != nil {
		return nil, err
	}
	defer held.Close()
	names, err := s.runs(container)
	if err != nil {
		return nil, err
	}
	var outcomes []*Outcome
	for _, name := range names {
		outcomes = append(outcomes, s.finish(name))
	}
	return outcomes, nil
}

// finish finishes what a running file says, under its container's lock.
func (s *Store) finish(name string) *Outcome {
	e, err := s.readEntry(name)
	if err == nil {
		return s.complete(name, e)
	}
	o := &Outcome{Container: lockKey(name), Err: err, kept: true}
	var d *damage
	if errors.As(err, &d) {
		o.kept, o.Err = s.quarantine(name, d)
	}
	return o
}

// Outcome is what became of one run of a container.
type Outcome struct {
	Container string
	// Profile and Metadata are the files that were written, or should have been; empty for a container without a recording.
	Profile, Metadata string
	// Notes are for a person to know; the recording is whole all the same.
	Notes []string
	Err   error

	kept bool
}

func (o *Outcome) note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// complete finishes one run. Its steps can each be the last one before a crash: they are in the order in which doing
// them all again ends in the same state.
func (s *Store) complete(name string, e *entry) *Outcome {
	o := &Outcome{Container: e.Job.Container}
	seen, err := s.harvest(e)
	switch {
	case errors.Is(err, recorder.ErrGone) && !e.Tracked:
		o.note("the hook that was to record it was interrupted, so the container was not started: no recording is written")
		return s.remove(o, name)
	case errors.Is(err, recorder.ErrGone) && s.written(e):
		return s.remove(o, name)
	case errors.Is(err, recorder.ErrGone):
		o = s.remove(o, name)
		o.Err = errors.Join(fmt.Errorf("container %s: %w: %w (was the node's BPF file system emptied?)", e.Job.Container, ErrLost, err), o.Err)
		return o
	case err != nil:
		o.Err, o.kept = fmt.Errorf("container %s: %w", e.Job.Container, err), true
		return o
	}
	if started(seen.Result) {
		if err := s.write(o, e, seen); err != nil {
			return s.keep(o, e, seen, err)
		}
	} else {
		o.note("the container's program never ran: no recording is written")
	}
	if e.Harvest == nil {
		if err := s.tracker.LetGo(e.Handle); err != nil {
			o.Err, o.kept = fmt.Errorf("container %s: %w", e.Job.Container, err), true
			return o
		}
	}
	return s.remove(o, name)
}

func (s *Store) harvest(e *entry) (*harvest, error) {
	if e.Harvest != nil {
		return e.Harvest, nil
	}
	result, err := s.tracker.Harvest(e.Handle)
	return &harvest{Result: result, Ended: time.Now().UTC()}, err
}

// keep puts what was counted into the running file when the disk refuses the recording, so that the kernel need not
// keep it.
func (s *Store) keep(o *Outcome, e *entry, seen *harvest, cause error) *Outcome {
	o.kept = true
	o.Err = fmt.Errorf("container %s: %w (nothing is lost: strata-hook gc tries again)", e.Job.Container, cause)
	tracked := e.Harvest == nil
	seen.Refused = time.Now().UTC()
	e.Harvest = seen
	if err := s.writeEntry(e); err != nil {
		e.Harvest = nil
		o.Err = errors.Join(o.Err, err)
		return o
	}
	if tracked {
		if err := s.tracker.LetGo(e.Handle); err != nil {
			o.Err = errors.Join(o.Err, err)
		}
	}
	return o
}

func (s *Store) remove(o *Outcome, name string) *Outcome {
	if err := s.running.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Err, o.kept = errors.Join(o.Err, err), true
	}
	return o
}

// check refuses, before a container starts, what could not be written after it has ended.
func (s *Store) check(job *Job) error {
	err := job.validate()
	if err == nil && job.Input != nil {
		_, err = job.Input.parse()
	}
	if err != nil {
		return refused{err}
	}
	place, err := s.place(job.Output)
	if err != nil {
		return refused{err}
	}
	defer place.close()
	profile := place.path(place.profile)
	// The nearest directory that is there: names may have directories of their own, made when they are needed.
	dir := filepath.Dir(profile)
	for !isDir(dir) && len(dir) > len(place.dir.Path()) {
		dir = filepath.Dir(dir)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("recording %s: directory %s: %w", job.Output, dir, err)
	}
	info, err := os.Lstat(profile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("recording %s: %w", job.Output, err)
	case !info.Mode().IsRegular():
		return refused{fmt.Errorf("recording %s: %s is there and is no regular file", job.Output, profile)}
	}
	if !job.Merge {
		return nil
	}
	if _, err := os.Lstat(place.path(place.metadata)); err != nil {
		return refused{fmt.Errorf("recording %s: nothing can be merged into %s without its metadata: %w (move the profile away or do not ask for merge)", job.Output, profile, err)}
	}
	return nil
}

// refused is an error that is ErrRefused as well, and says no more for it.
type refused struct{ error }

func (r refused) Unwrap() []error { return []error{ErrRefused, r.error} }
