package recording

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"strata/internal/recorder"
)

// Job says what a container's hook wants recorded.
type Job struct {
	// Container is the engine's id of the container.
	Container string `json:"container"`
	// PID is the container's init, as the host numbers it.
	PID int `json:"-"`
	// Output is where the recording goes.
	Output Output `json:"output"`
	// Merge joins this run with what the output already holds.
	Merge bool `json:"merge,omitempty"`
	// Input is a profile that the recording extends, if any.
	Input *Input `json:"input,omitempty"`
	// Seccomp is what was asked for the container's own profile: "keep" or "unconfined".
	Seccomp string `json:"seccomp,omitempty"`
	// Options are the tracker's.
	Options recorder.Options `json:"options"`
	// Origin says what was recorded.
	Origin Origin `json:"origin"`
}

// Output is a place for a recording: a name below the recordings directory, or the absolute path of a profile.
type Output struct {
	Name string `json:"name,omitempty"`
	Path string `json:"path,omitempty"`
}

// Input is a profile as its file held it when the recording began.
type Input struct {
	Path    string          `json:"path"`
	Profile json.RawMessage `json:"profile"`
}

// Origin is what the metadata tells of a container. Nothing is decided by it but the runtime's base.
type Origin struct {
	Engine string `json:"engine,omitempty"`
	// Image is the image as its engine names it.
	Image   string  `json:"image,omitempty"`
	Runtime Runtime `json:"runtime"`
}

// Runtime is the OCI runtime that started the container.
type Runtime struct {
	Name    string `json:"name,omitempty"`
	Path    string `json:"path,omitempty"`
	Version string `json:"version,omitempty"`
}

// maxID is far above what engines use (64) and short enough for a file's name.
const maxID = 1024

func (j *Job) validate() error {
	switch {
	case j.Container == "":
		return fmt.Errorf("container without an id")
	case len(j.Container) > maxID:
		return fmt.Errorf("container id of %d bytes: at most %d are taken", len(j.Container), maxID)
	case j.PID <= 0:
		return fmt.Errorf("container %s: no process to record (pid %d)", j.Container, j.PID)
	}
	return j.Output.validate()
}

func (o Output) validate() error {
	switch {
	case o.Name == "" && o.Path == "":
		return fmt.Errorf("recording without a name or path")
	case o.Name != "" && o.Path != "":
		return fmt.Errorf("recording %q: has a path too (%s): say one of them", o.Name, o.Path)
	case o.Path != "" && (!filepath.IsAbs(o.Path) || strings.HasSuffix(o.Path, "/")):
		return fmt.Errorf("recording %q: not the absolute path of a file", o.Path)
	case o.Name != "" && !filepath.IsLocal(o.Name):
		return fmt.Errorf("recording %q: not a name below the recordings directory", o.Name)
	case strings.HasSuffix(strings.TrimSuffix(o.String(), ".json"), ".recording"):
		return fmt.Errorf("recording %q: files of that name hold what is known of other recordings", o)
	}
	return nil
}

// String is how a person knows the output.
func (o Output) String() string {
	if o.Path != "" {
		return o.Path
	}
	return o.Name
}
