package shim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"strata/internal/reference"
)

const (
	// Name is what the shim is called when the node's policy says which runtime is the real one.
	Name = "strata-runtime"
	// prefix of the name by which the shim itself is told: strata-crun stands for crun.
	prefix = "strata-"
)

// Dirs are searched in this order for a runtime by its name. The engine's PATH is not: what runs as the runtime should
// not depend on who started the engine.
var Dirs = []string{
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
	"/usr/libexec/crio", // packages of CRI-O since 1.31
}

// Runtime finds the real runtime for a shim that was called by a name. Configured says what the node's policy has; it is
// asked only if the name does not tell.
func Runtime(called string, configured func() (string, error)) (string, error) {
	name := filepath.Base(called)
	if name == Name {
		path, err := configured()
		if err != nil {
			return "", err
		}
		return path, check(path)
	}
	real, ok := strings.CutPrefix(name, prefix)
	if !ok || reference.CheckName(real) != nil {
		return "", fmt.Errorf("called as %.80q: call it %s, or %sRUNTIME for one that the policy does not name", name, Name, prefix)
	}
	for _, dir := range Dirs {
		path := filepath.Join(dir, real)
		switch err := check(path); {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errSelf):
			continue
		default:
			return path, err
		}
	}
	return "", fmt.Errorf("runtime %s: in none of %s", real, strings.Join(Dirs, ", "))
}

var errSelf = errors.New("it is this shim")

// check makes sure that a path is another program's.
func check(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	switch {
	case os.SameFile(st, self):
		return fmt.Errorf("runtime %s: %w: name the real runtime (runtime.path in strata.toml)", path, errSelf)
	case !st.Mode().IsRegular() || st.Mode()&0o111 == 0:
		return fmt.Errorf("runtime %s: not a program", path)
	}
	return nil
}

// guard is a variable in the real runtime's environment with the id of the process, which is the shim's: if a shim finds
// its own id there, what it takes for the runtime called it.
const guard = "STRATA_RUNTIME_PID"

// Exec makes this process the real runtime, with the same arguments. It returns only if that fails.
func Exec(path string, args []string) error {
	pid := fmt.Sprintf("%s=%d", guard, os.Getpid())
	var env []string
	for _, variable := range os.Environ() {
		if variable == pid {
			return fmt.Errorf("runtime %s: it calls this shim again: name the real runtime (runtime.path in strata.toml)", path)
		}
		if !strings.HasPrefix(variable, guard+"=") {
			env = append(env, variable)
		}
	}
	err := unix.Exec(path, append([]string{path}, args...), append(env, pid))
	return fmt.Errorf("runtime %s: %w", path, err)
}
