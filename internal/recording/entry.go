package recording

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/internal/recorder"
)

const (
	// entryVersion is raised when an older Strata could not finish what a newer one began.
	entryVersion = 1
	// entryLimit bounds a running file: an input profile of 1 MiB, a harvest, and the rest.
	entryLimit = 4 << 20
	entryMode  = 0o600
)

// entry is the file of one recording that runs.
type entry struct {
	Version int `json:"version"`
	// Run tells the runs of one container from each other: a restarted one has the same id.
	Run     string          `json:"run"`
	Started time.Time       `json:"started"`
	Job     Job             `json:"job"`
	Init    initial         `json:"init"`
	Handle  recorder.Handle `json:"handle"`
	// Tracked says that the container is tracked and not only about to be.
	Tracked bool `json:"tracked"`
	// Harvest is what the tracker saw, kept here when it could not be written where it belongs. The tracker has let go.
	Harvest *harvest `json:"harvest,omitempty"`
}

// harvest is a tracker's result and when it was taken.
type harvest struct {
	Result  *recorder.Result `json:"result"`
	Ended   time.Time        `json:"ended"`
	Refused time.Time        `json:"refused"`
}

// The name of a running file tells whose run it is without being opened: ID@PID-START.json, where START is the init's
// start time. So a container's next run has a file of its own, whatever became of the one before.
const (
	runMark  = "@"
	hashMark = "sha256-"
	ending   = ".json"
)

const safeBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-."

// safeName is an id that does as a part of a file's name; others are hashed.
func safeName(id string) string {
	if len(id) <= 128 && id[0] != '.' && strings.Trim(id, safeBytes) == "" && !strings.HasPrefix(id, hashMark) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hashMark + hex.EncodeToString(sum[:])
}

func (e *entry) name() string {
	return fmt.Sprintf("%s%s%d-%d%s", safeName(e.Job.Container), runMark, e.Init.PID, e.Init.Start, ending)
}

// parseName is the part of a running file's name that is the container's, and its init; ok is false for other files.
func parseName(name string) (container string, pid int, start uint64, ok bool) {
	rest, isEntry := strings.CutSuffix(name, ending)
	container, init, hasInit := strings.Cut(rest, runMark)
	first, second, hasStart := strings.Cut(init, "-")
	pid, notPID := strconv.Atoi(first)
	start, notStart := strconv.ParseUint(second, 10, 64)
	return container, pid, start, isEntry && hasInit && hasStart && notPID == nil && notStart == nil
}

// runs lists the running files of a container.
func (s *Store) runs(id string) ([]string, error) {
	names, err := s.running.List(".")
	if err != nil {
		return nil, fmt.Errorf("list running recordings: %w", err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return lockKey(name) != safeName(id) }), nil
}

// lockKey is what the lock of a running file's container goes by.
func lockKey(name string) string {
	key, _, _ := strings.Cut(strings.TrimSuffix(name, ending), runMark)
	return key
}

func newEntry(job Job, init initial) *entry {
	return &entry{Version: entryVersion, Run: rand.Text(), Started: time.Now().UTC(), Job: job, Init: init}
}

// damage says that a running file is not what Strata wrote.
type damage struct {
	name string
	err  error
}

func (d *damage) Error() string { return fmt.Sprintf("running file %s is damaged: %v", d.name, d.err) }
func (d *damage) Unwrap() error { return d.err }

// readEntry returns an error wrapping fs.ErrNotExist when there is no such file and a *damage when it is none of ours.
func (s *Store) readEntry(name string) (*entry, error) {
	data, err := s.running.Read(name, entryLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read running file: %w", err)
	}
	e, err := parseEntry(name, data)
	if err != nil {
		return nil, &damage{name, err}
	}
	return e, nil
}

func parseEntry(name string, data []byte) (*entry, error) {
	e := new(entry)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, err
	}
	if e.Version != entryVersion {
		return nil, fmt.Errorf("its version is %d, this Strata knows %d", e.Version, entryVersion)
	}
	if e.Run == "" || e.Job.Container == "" || strings.Trim(e.Run, safeBytes) != "" {
		return nil, errors.New("it does not say whose run it is")
	}
	if name != e.name() {
		return nil, fmt.Errorf("it is that of container %.80q", e.Job.Container)
	}
	if e.Harvest != nil && e.Harvest.Result == nil {
		return nil, errors.New("its harvest is empty")
	}
	return e, e.Job.Output.validate()
}

func (s *Store) writeEntry(e *entry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("container %s: encode running file: %w", e.Job.Container, err)
	}
	if len(data) > entryLimit {
		return fmt.Errorf("container %s: its running file would hold %d bytes: at most %d are kept (is the input profile too large?)", e.Job.Container, len(data), entryLimit)
	}
	if err := s.running.Replace(e.name(), data, entryMode); err != nil {
		return fmt.Errorf("write running file: %w", err)
	}
	return nil
}

// quarantine moves a damaged running file out of the way and keeps it for a person to look at. It returns the error to
// tell that person, and whether the file is still where it was.
func (s *Store) quarantine(name string, cause *damage) (kept bool, err error) {
	data, err := s.running.Read(name, 4*entryLimit)
	if err == nil {
		err = s.state.Replace("damaged/"+name, data, entryMode)
	}
	if err == nil {
		err = s.running.Remove(name)
	}
	if err != nil {
		return true, fmt.Errorf("%w (and it can not be put aside: %w: remove it by hand)", cause, err)
	}
	return false, fmt.Errorf("%w: kept as %s/damaged/%s; that recording is lost, start its container again", cause, s.state.Path(), name)
}
