package recording

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"strata/internal/safefile"
)

// ErrStale says that a profile's metadata is that of another recording: the profile was edited, or its recording is
// being written at this moment or was when the machine stopped.
var ErrStale = errors.New("metadata of another profile")

// Load reads the metadata of the profile at a path, and only if it is that profile's. The error wraps fs.ErrNotExist
// for a profile that has none, ErrStale or ErrDamaged.
func Load(profile string) (*Metadata, error) {
	dir, err := safefile.OpenRoot(filepath.Dir(profile))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	base := filepath.Base(profile)
	data, err := dir.Read(base, metadataLimit)
	if err != nil {
		return nil, err
	}
	_, metadata := fileNames(strings.TrimSuffix(base, ".json"))
	m, err := readMetadata(dir, metadata)
	if err != nil {
		return nil, err
	}
	if digest(data) != m.Profile.SHA256 {
		return nil, fmt.Errorf("%s: %w", profile, ErrStale)
	}
	return m, nil
}
