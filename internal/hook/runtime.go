package hook

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

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
		called, _, _ := strings.Cut(string(line), "\x00")
		if name := recording.RuntimeName(called); name != "" {
			return recording.Runtime{Name: name, Path: found(dir, called)}
		}
	}
	name, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return recording.Runtime{}
	}
	return recording.Runtime{Name: recording.RuntimeName(strings.TrimSpace(string(name)))}
}

// found is the file that a process was called as, searched as it was: in PATH, if there is no slash in it. It is empty
// where that can not be told.
func found(dir, called string) string {
	if strings.Contains(called, "/") {
		return absolute(called)
	}
	environment, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return ""
	}
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		list, ok := strings.CutPrefix(variable, "PATH=")
		if !ok {
			continue
		}
		for _, place := range filepath.SplitList(list) {
			path := absolute(filepath.Join(place, called))
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path
			}
		}
	}
	return ""
}

func absolute(path string) string {
	if !filepath.IsAbs(path) {
		return ""
	}
	return path
}
