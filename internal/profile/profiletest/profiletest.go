// Package profiletest carries profiles for the tests of all rooms: the default profiles of container engines. Where they come
// from is said in defaults/README.md. No program uses it.
package profiletest

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed defaults/*.json
var files embed.FS

// Default is an engine's default profile.
type Default struct {
	Name string // moby, crio, containerd-amd64-none…
	Data []byte
}

// Defaults lists the engines' default profiles, sorted by name.
func Defaults() ([]Default, error) {
	entries, err := files.ReadDir("defaults")
	if err != nil {
		return nil, err
	}
	var all []Default
	for _, e := range entries {
		data, err := files.ReadFile("defaults/" + e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, Default{strings.TrimSuffix(e.Name(), ".json"), data})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no default profiles are embedded")
	}
	return all, nil
}
