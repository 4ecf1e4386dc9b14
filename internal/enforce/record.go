package enforce

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"strata/internal/reference"
	"strata/internal/safefile"
)

const (
	enforcedDir = "enforced"
	maxRecord   = 64 << 10 // bytes
)

// Record says under what a container was started, for people to look at. Nothing is decided by it.
type Record struct {
	Container string `json:"container"`
	// PID of the container's init as the host numbers it, 0 where it was not known.
	PID      int      `json:"pid,omitempty"`
	Image    string   `json:"image,omitempty"`
	Layers   []string `json:"layers"`
	Ceilings []string `json:"ceilings,omitempty"`
	// Because says what the decision follows from.
	Because []string `json:"because"`
	// SHA256 of the value of linux.seccomp, "" for a container without a filter.
	SHA256       string    `json:"sha256,omitempty"`
	Instructions int       `json:"instructions,omitempty"`
	Time         time.Time `json:"time"`
}

// Record is what there is to say of a container that runs under e.
func (e *Enforced) Record(container string, because []string) Record {
	r := Record{
		Container: container, Layers: e.Layers, Ceilings: e.Ceilings, Because: because,
		Instructions: e.Instructions, Time: time.Now().UTC().Truncate(time.Second),
	}
	if e.Profile != nil {
		sum := sha256.Sum256(e.Profile)
		r.SHA256 = hex.EncodeToString(sum[:])
	}
	return r
}

// Write writes a record below a state directory.
func (r Record) Write(state string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	root, err := safefile.MakeRoot(state, 0o755)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Replace(recordFile(r.Container), append(data, '\n'), 0o644)
}

// Forget removes the record of a container. That there is none is no error.
func Forget(state, container string) error {
	root, err := safefile.OpenRoot(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Remove(recordFile(container)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Sweep removes the records of containers whose init is gone: their engine crashed, or never said that they ended.
func Sweep(state string) error {
	all, err := Records(state)
	if err != nil {
		return err
	}
	var failed []error
	for _, r := range all {
		if r.PID > 0 && errors.Is(unix.Kill(r.PID, 0), unix.ESRCH) {
			failed = append(failed, Forget(state, r.Container))
		}
	}
	return errors.Join(failed...)
}

// Records lists all records below a state directory, by the containers' ids.
func Records(state string) ([]Record, error) {
	root, err := safefile.OpenRoot(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	names, err := root.List(enforcedDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Record
	for _, name := range names {
		data, err := root.Read(filepath.Join(enforcedDir, name), maxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its container has ended
		}
		if err != nil {
			return nil, err
		}
		var r Record
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(state, enforcedDir, name), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// recordFile names the file of a container. Runtimes take ids that no file should have.
func recordFile(container string) string {
	if reference.CheckName(container) != nil || strings.HasPrefix(container, digested) {
		sum := sha256.Sum256([]byte(container))
		container = digested + hex.EncodeToString(sum[:])
	}
	return filepath.Join(enforcedDir, container+".json")
}

const digested = "sha256-"
