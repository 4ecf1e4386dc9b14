package recording

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"time"
)

const (
	// swept bounds how many running files a hook looks at besides its own, so that what it takes does not grow with
	// the number of recordings.
	swept = 8
	// patienceOfDisks is how long hooks leave a recording alone that the disk refused.
	patienceOfDisks = time.Minute
)

// Recover finishes all recordings whose container has ended and whose hook never came or was killed, and removes what
// killed processes left. Recordings that a hook is at work on are left to it.
func (s *Store) Recover() ([]*Outcome, error) {
	names, err := s.running.List(".")
	if err != nil {
		return nil, err
	}
	outcomes := s.recover(names, true)
	return outcomes, errors.Join(s.tracker.Sweep(), s.tidy())
}

// Sweep is what a hook does for others after its own work: Recover for a few recordings. On a node with no more than
// that few it finds all.
func (s *Store) Sweep() ([]*Outcome, error) {
	names, err := s.running.List(".")
	if err != nil {
		return nil, err
	}
	if len(names) > swept {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		names = names[:swept]
	}
	outcomes := s.recover(names, false)
	if len(outcomes) == 0 {
		return nil, nil
	}
	return outcomes, s.tidy()
}

// tidy removes the temporary files that killed writers left.
func (s *Store) tidy() error {
	var all []error
	for _, dir := range []directory{s.state, s.running, s.recordings} {
		_, err := dir.Sweep(".")
		all = append(all, err)
	}
	return errors.Join(all...)
}

// tidyOutput is tidy for the directory of a recording that somebody else began to write.
func (s *Store) tidyOutput(o *Outcome, e *entry) {
	place, err := s.place(e.Job.Output)
	if err != nil {
		return // there is no such directory, and so nothing in it
	}
	defer place.close()
	if _, err := place.dir.Sweep(filepath.Dir(place.profile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.note("temporary files of %s are left: %v", place.path(place.profile), err)
	}
}

func (s *Store) recover(names []string, insist bool) []*Outcome {
	var outcomes []*Outcome
	for _, name := range names {
		if o := s.recoverOne(name, insist); o != nil {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes
}

// recoverOne returns nil where there is nothing to do.
func (s *Store) recoverOne(name string, insist bool) *Outcome {
	if s.system.running(name) {
		return nil // most are: neither the file nor its lock is needed to see that
	}
	held, err := tryLock(s.state.Path(), runningLocks, lockKey(name))
	if err != nil {
		return &Outcome{Container: lockKey(name), Err: err}
	}
	if held == nil {
		return nil
	}
	defer held.Close()
	e, err := s.readEntry(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !s.ended(e, insist) {
		return nil
	}
	o := s.finish(name)
	if err == nil {
		s.tidyOutput(o, e)
	}
	return o
}

// running says whether the init in a running file's name is there.
func (sys system) running(name string) bool {
	_, pid, start, ok := parseName(name)
	if !ok {
		return false
	}
	now, err := sys.startTime(pid)
	return err == nil && now == start
}

// ended says whether a recording is to be finished now. Where it can not be told whether the container lives, it does.
func (s *Store) ended(e *entry, insist bool) bool {
	if e.Harvest != nil {
		return insist || due(e.Harvest.Refused, time.Now())
	}
	alive, err := s.system.alive(e.Init)
	return err == nil && !alive
}

// due says whether what a disk refused is to be tried again. A clock that was set back is no reason to wait for it.
func due(refused, now time.Time) bool {
	since := now.Sub(refused)
	return since < 0 || since >= patienceOfDisks
}
