package hook

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"strata/internal/recording"
)

// runtime finds which runtime runs this hook: the parent, as the runtime calls its hooks itself. crun runs from a sealed
// copy of itself whose path says nothing, so what it was called as is looked at as well.
func (h *Hook) runtime() recording.Runtime {
	parent := h.parent
	if parent == 0 {
		parent = os.Getppid()
	}
	dir := filepath.Join("/proc", strconv.Itoa(parent))
	if path, err := os.Readlink(filepath.Join(dir, "exe")); err == nil && recording.RuntimeName(path) != "" {
		return recording.Runtime{Name: recording.RuntimeName(path), Path: path}
	}
	if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil {
		path, _, _ := bytes.Cut(line, []byte{0})
		if name := recording.RuntimeName(string(path)); name != "" && filepath.IsAbs(string(path)) {
			return recording.Runtime{Name: name, Path: string(path)}
		}
	}
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return recording.Runtime{}
	}
	return recording.Runtime{Name: recording.RuntimeName(string(bytes.TrimSpace(name)))}
}
