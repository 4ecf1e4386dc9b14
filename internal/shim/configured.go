package shim

import (
	"strings"

	"strata/internal/policy"
	"strata/internal/safefile"
)

// runtimeFile below the state directory holds the path of the runtime that the latest container was made with.
const (
	runtimeFile = "runtime"
	maxPath     = 4096 // bytes
)

// configured is the real runtime that the node's policy names. A broken policy lets no container be made, and keeps none
// from being ended: for that the runtime is the one that made the latest.
func (s *Shim) configured(call Call) (string, error) {
	p, err := policy.Load(s.Policy)
	if err == nil {
		return p.Runtime.Path, s.keep(call, p.Runtime.Path)
	}
	if call.Command == "" {
		if path := s.latest(); path != "" {
			return path, nil
		}
	}
	return "", err
}

// keep writes down the runtime that makes a container.
func (s *Shim) keep(call Call, path string) error {
	if call.Command == "" || s.latest() == path {
		return nil
	}
	root, err := safefile.MakeRoot(s.State, 0o755)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Replace(runtimeFile, []byte(path), 0o600)
}

// latest is what was written down, or "".
func (s *Shim) latest() string {
	root, err := safefile.OpenRoot(s.State)
	if err != nil {
		return ""
	}
	defer root.Close()
	data, err := root.Read(runtimeFile, maxPath, safefile.Guarded)
	if err != nil || !strings.HasPrefix(string(data), "/") {
		return ""
	}
	return string(data)
}
