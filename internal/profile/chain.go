package profile

import (
	"fmt"
	"slices"
	"strings"

	"strata/profiles"
)

// Names that need no file.
const (
	RuntimeDefault = "runtime/default" // the default profile of containers/common, which Podman and CRI-O use
	Unconfined     = "unconfined"      // says nothing: every call is allowed
)

// Builtin is the document of a name that needs no file.
func Builtin(name string) ([]byte, bool) {
	switch name {
	case RuntimeDefault:
		return profiles.RuntimeDefault, true
	case Unconfined:
		return []byte(`{"defaultAction": "SCMP_ACT_ALLOW"}`), true
	}
	return nil, false
}

// Load reads a profile and those that it stands on, the undermost first. Lookup finds the document of a name; it is not
// asked for built-in names.
func Load(name string, lookup func(name string) ([]byte, error)) ([]*Profile, Warnings, error) {
	var chain []*Profile
	var warnings Warnings
	var path []string
	for next := name; next != "" || len(path) == 0; {
		path = append(path, next)
		if len(path) > MaxBases+1 {
			return nil, nil, chainError(name, path, fmt.Errorf("has more than %d bases", MaxBases))
		}
		p, ws, err := load(next, lookup)
		if err != nil {
			return nil, nil, chainError(name, path, err)
		}
		chain = append(chain, p)
		warnings = append(warnings, ws...)
		next = p.Base
		if slices.Contains(path, next) {
			return nil, nil, chainError(name, append(path, next), fmt.Errorf("stands on itself"))
		}
	}
	slices.Reverse(chain)
	return chain, warnings, nil
}

func load(name string, lookup func(string) ([]byte, error)) (*Profile, Warnings, error) {
	data, ok := Builtin(name)
	if !ok {
		if strings.HasPrefix(name, "oci://") {
			return nil, nil, fmt.Errorf("profile %s is an artifact of a registry, which is not fetched: store it as a file and name that", quote(name))
		}
		var err error
		if data, err = lookup(name); err != nil {
			return nil, nil, err
		}
	}
	return Parse(name, data)
}

// chainError says on which way from the first profile an error was met.
func chainError(first string, path []string, err error) error {
	if len(path) == 1 {
		return err
	}
	const shown = 4 // names at each end of a long way
	names := make([]string, len(path))
	for i, p := range path {
		names[i] = clip(p)
	}
	if len(names) > 2*shown {
		names = slices.Concat(names[:shown], []string{"…"}, names[len(names)-shown:])
	}
	return fmt.Errorf("profile %s: by baseProfileName (%s): %w", quote(first), strings.Join(names, " -> "), err)
}
