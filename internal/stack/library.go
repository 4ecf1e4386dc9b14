package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/safefile"
)

// Library finds profiles by their names.
type Library struct {
	// Dirs are searched in this order for NAME, NAME.json and NAME.yaml.
	Dirs []string
	// SeccompRoot is where localhost/NAME is.
	SeccompRoot string
	// Trusted lets profiles name their bases by path.
	Trusted bool
}

// suffixes are tried in this order in each directory.
var suffixes = []string{"", ".json", ".yaml"}

// Load reads a profile and those that it stands on, the undermost first. Files found
// by name must be root's and writable by nobody else, and links may not lead out of
// their directory; a path is the caller's choice.
func (l Library) Load(r reference.Reference) ([]*profile.Profile, profile.Warnings, error) {
	return profile.Load(r.String(), l.Document)
}

// LoadAll loads layers of a stack, for a Plan.
func (l Library) LoadAll(layers []reference.Reference) ([][]*profile.Profile, profile.Warnings, error) {
	var (
		chains [][]*profile.Profile
		all    profile.Warnings
	)
	for _, layer := range layers {
		chain, warnings, err := l.Load(layer)
		if err != nil {
			return nil, nil, err
		}
		chains = append(chains, chain)
		all = append(all, warnings...)
	}
	return chains, all, nil
}

// Document finds the text of a profile that a person or another profile names.
func (l Library) Document(name string) ([]byte, error) {
	parse := reference.Parse
	if l.Trusted {
		parse = reference.ParseTrusted
	}
	r, err := parse(name)
	if err != nil {
		return nil, err
	}
	switch r.Kind {
	case reference.Path:
		return safefile.ReadPath(r.Name, profile.MaxSize)
	case reference.Localhost:
		data, err := read(l.SeccompRoot, r.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("profile %v: %s is not in %s: %w", r, r.Name, l.SeccompRoot, fs.ErrNotExist)
		}
		return data, err
	case reference.Named:
		return l.named(r.Name)
	}
	if data, ok := profile.Builtin(r.String()); ok {
		return data, nil
	}
	return nil, fmt.Errorf("profile %v: there is none", r)
}

func (l Library) named(name string) ([]byte, error) {
	for _, dir := range l.Dirs {
		for _, suffix := range suffixes {
			data, err := read(dir, name+suffix)
			isDir := suffix == "" && errors.Is(err, safefile.ErrNotRegular) // base beside base.json
			if !isDir && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
				return data, err
			}
		}
	}
	return nil, fmt.Errorf("profile %s: neither it nor %s.json or %s.yaml is in %s: %w",
		name, name, name, strings.Join(l.Dirs, ", "), fs.ErrNotExist)
}

func read(dir, name string) ([]byte, error) {
	root, err := safefile.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Read(name, profile.MaxSize, safefile.InnerLinks, safefile.Guarded)
}
