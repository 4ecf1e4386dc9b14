// Package bundle reads and edits the configuration of a container as engines hand it to runtimes: config.json of an OCI
// bundle (opencontainers/runtime-spec, config.md).
//
// An edit is a splice: the bytes of one value are replaced, and every other byte stays, so that fields that Strata has
// never heard of, numbers of any precision and the order of members survive. Runtimes read JSON differently where a
// member stands twice or its name differs in case; what could so be read in two ways is refused.
//
// It must never know what annotations or profiles mean, or why a configuration is edited.
package bundle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxSize bounds a configuration, in bytes. Engines write some 10 KB, and a pod's annotations (256 KiB) several times.
	MaxSize = 16 << 20
	// MaxDepth bounds how many lists and objects stand inside each other; the specification needs 6.
	MaxDepth = 64
)

// Config is a configuration that was read. It does not change: an edit makes another one.
type Config struct {
	data    []byte
	objects map[string]object

	// Annotations of the container.
	Annotations map[string]string
	// Root is the path of the container's root file system, as it is written.
	Root string
	// Env of the container's process, NAME=VALUE.
	Env []string
	// Bounding lists the capabilities that the container can ever have, as CAP_….
	Bounding []string
	// NoNewPrivileges of the container's process.
	NoNewPrivileges bool
	// Seccomp is the value of linux.seccomp as it is written, nil where there is none.
	Seccomp json.RawMessage
	// Hooks are those of each stage that Stages lists.
	Hooks map[Stage][]Hook
}

// Stage is a point in a container's life at which runtimes call hooks.
type Stage string

// Stages of the specification.
const (
	Prestart        Stage = "prestart"
	CreateRuntime   Stage = "createRuntime"
	CreateContainer Stage = "createContainer"
	StartContainer  Stage = "startContainer"
	Poststart       Stage = "poststart"
	Poststop        Stage = "poststop"
)

// Stages lists all stages.
func Stages() []Stage {
	return []Stage{Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop}
}

// Hook is a program that the runtime calls.
type Hook struct {
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	// Timeout in seconds, 0 for none.
	Timeout int `json:"timeout,omitempty"`
}

// fields are the values that Config shows, beside hooks.
var fields = []struct {
	object, name string // the object that it is a member of, as a path of names
	into         func(*Config) any
}{
	{"", "annotations", func(c *Config) any { return &c.Annotations }},
	{"root", "path", func(c *Config) any { return &c.Root }},
	{"process", "env", func(c *Config) any { return &c.Env }},
	{"process.capabilities", "bounding", func(c *Config) any { return &c.Bounding }},
	{"process", "noNewPrivileges", func(c *Config) any { return &c.NoNewPrivileges }},
	{"linux", "seccomp", func(c *Config) any { return &c.Seccomp }},
}

// watched lists the objects whose members must not be ambiguous, each after the one that it is in.
var watched = []string{"", "annotations", "root", "process", "process.capabilities", "linux", "hooks"}

// Parse reads a configuration.
func Parse(data []byte) (*Config, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("config.json: it has %d bytes, the limit is %d", len(data), MaxSize)
	}
	if err := check(data); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	c := &Config{data: data, objects: map[string]object{}, Hooks: map[Stage][]Hook{}}
	for _, path := range watched {
		if err := c.find(path); err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
	}
	for _, f := range fields {
		if err := c.decode(f.object, f.name, f.into(c)); err != nil {
			return nil, err
		}
	}
	for _, stage := range Stages() {
		var hooks []Hook
		if err := c.decode("hooks", string(stage), &hooks); err != nil {
			return nil, err
		}
		c.Hooks[stage] = hooks
	}
	return c, nil
}

func (c *Config) decode(object, name string, into any) error {
	m, ok := c.objects[object].member(name)
	if !ok || m.null(c.data) {
		return nil
	}
	if err := json.Unmarshal(m.value.of(c.data), into); err != nil {
		return fmt.Errorf("config.json: %s: %w", join(object, name), err)
	}
	return nil
}

// Bytes is the configuration as it is written.
func (c *Config) Bytes() []byte { return c.data }

// find notes the members of a watched object. One that is null is not there, as to the runtimes.
func (c *Config) find(path string) error {
	at := span{0, len(c.data)}
	if path != "" {
		parent, name := split(path)
		m, ok := c.objects[parent].member(name)
		if !ok || m.null(c.data) {
			return nil
		}
		at = m.value
	}
	o, err := readObject(c.data, at)
	if err != nil {
		return fmt.Errorf("%s: %w", called(path), err)
	}
	c.objects[path] = o
	names := known(path)
	seen := map[string]bool{}
	for _, m := range o.members {
		if seen[m.name] {
			return fmt.Errorf("%s: %.80q stands there twice, and runtimes differ in which one they take", called(path), m.name)
		}
		seen[m.name] = true
		for _, name := range names {
			if m.name != name && strings.EqualFold(m.name, name) {
				return fmt.Errorf("%s: some runtimes take %+.80q for %q, others do not", called(path), m.name, name)
			}
		}
	}
	return nil
}

// known lists the names of members of an object that Strata or a runtime gives a meaning to that Strata relies on.
func known(path string) []string {
	var names []string
	for _, f := range fields {
		if f.object == path {
			names = append(names, f.name)
		}
	}
	if path == "hooks" {
		for _, stage := range Stages() {
			names = append(names, string(stage))
		}
	}
	for _, object := range watched[1:] {
		if parent, name := split(object); parent == path && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// split takes the last name off a path.
func split(path string) (parent, name string) {
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		return path[:dot], path[dot+1:]
	}
	return "", path
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

func called(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}
