package recording

import (
	"fmt"
	"path/filepath"
	"strings"
)

// place is where an output's two files are: a directory and their names in it.
type place struct {
	dir               directory
	profile, metadata string
	borrowed          bool
}

// place finds an output's files. The directory of a path must be there; that of a name is the recordings directory.
func (s *Store) place(o Output) (*place, error) {
	if o.Path == "" {
		profile, metadata := fileNames(o.Name)
		return &place{dir: s.recordings, profile: profile, metadata: metadata, borrowed: true}, nil
	}
	dir, err := s.open(filepath.Dir(o.Path))
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", o, err)
	}
	base := filepath.Base(o.Path)
	_, metadata := fileNames(strings.TrimSuffix(base, ".json"))
	return &place{dir: dir, profile: base, metadata: metadata}, nil
}

// fileNames are the names of a recording's profile and metadata.
func fileNames(name string) (profile, metadata string) {
	return name + ".json", name + ".recording.json"
}

func (p *place) close() {
	if !p.borrowed {
		p.dir.Close() // opened O_PATH: closing it can not fail
	}
}

// path names a file of the place for messages and locks.
func (p *place) path(name string) string { return filepath.Join(p.dir.Path(), name) }
