package recording

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"strata/internal/safefile"
)

// write makes the two files of a recording. Doing it again for the same run, after a crash or beside others that write
// to the same output, gives the same files as doing it once.
func (s *Store) write(o *Outcome, e *entry, seen *harvest) error {
	place, err := s.place(e.Job.Output)
	if err != nil {
		return err
	}
	defer place.close()
	m := e.run(seen)
	s.describe(o, m)
	if m.Base, err = baseOf(m.Runtime.Name); err != nil {
		return err
	}

	held, err := lock(s.state.Path(), outputLocks, place.path(place.profile))
	if err != nil {
		return err
	}
	defer held.Close()
	o.Profile, o.Metadata = place.path(place.profile), place.path(place.metadata)
	done, err := s.join(o, place, e, m)
	if err != nil || done {
		return err
	}
	profile, err := m.document(e.Job.Input)
	if err != nil {
		return err
	}
	m.warn(o)
	m.Profile = Digest{File: place.profile, SHA256: digest(profile)}
	metadata, err := encode(m)
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	// The metadata comes first: it is what the profile is made from. See the package's comment.
	return place.dir.ReplaceInOrder([]safefile.File{
		{Name: place.metadata, Data: metadata},
		{Name: place.profile, Data: profile},
	}, outputMode)
}

// join brings in what the output holds: all of it for a merge, else only the runs that somebody may still be
// finishing. A run that is in the metadata already is not brought in again: done says that its profile is there too.
func (s *Store) join(o *Outcome, place *place, e *entry, m *Metadata) (done bool, err error) {
	old, err := readMetadata(place.dir, place.metadata)
	if err == nil && old.Profile.File != place.profile {
		err = fmt.Errorf("%s: %w: it is that of %q", place.path(place.metadata), ErrStale, old.Profile.File)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && !e.Job.Merge:
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, s.alone(place)
	case err != nil && e.Job.Merge:
		return false, fmt.Errorf("%w: nothing can be merged into it: move it away", err)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrStale):
		o.note("%v: it is replaced", err)
		return false, nil
	case err != nil:
		return false, err
	}
	if old.holds(e.Run) {
		*m = *old
		profile, err := place.dir.Read(place.profile, metadataLimit)
		return err == nil && digest(profile) == old.Profile.SHA256, nil
	}
	old.Unfinished = s.unfinished(old.Unfinished)
	if e.Job.Merge {
		m.merge(old)
		return false, nil
	}
	if old.Ended.After(m.Started) {
		o.note("another container recorded to %s at the same time, and this recording replaces that one: io.strata.record.merge=true joins them", place.path(place.profile))
	}
	m.Unfinished = append(old.Unfinished, m.Unfinished...)
	return false, nil
}

// alone makes sure that a merge does not replace a profile that nothing is known of.
func (s *Store) alone(place *place) error {
	_, err := place.dir.Read(place.profile, metadataLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s has no metadata beside it: nothing can be merged into it: move it away", place.path(place.profile))
}

// warn tells a person what a recording does not hold.
func (m *Metadata) warn(o *Outcome) {
	var nameless int
	for _, call := range m.Calls {
		if call.Name == "" {
			nameless++
		}
	}
	if m.Failures > 0 {
		o.note("%d events could not be noted: calls may be missing, record again", m.Failures)
	}
	if nameless > 0 || m.Beyond > 0 {
		o.note("%d system calls without a name and %d beyond all tables were made: no profile can say those", nameless, m.Beyond)
	}
	if len(m.Kept) > 0 {
		o.note("%s: limited by the input profile %s, and stay so", strings.Join(m.Kept, ", "), m.Options.Input)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// encode writes JSON as people like to read it. The same value always gives the same bytes.
func encode(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}
