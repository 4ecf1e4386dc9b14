// Package installation installs Strata on a testbed's machine as the Makefile does it for an administrator.
//
// It must never know what is tested there.
package installation

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the Makefile puts things.
const (
	Hook        = "/usr/local/libexec/strata/strata-hook"
	PodmanHooks = "/usr/local/share/strata/hooks.d"
	CRIOHooks   = "/usr/share/containers/oci/hooks.d"
)

// Install builds and installs for Podman and for CRI-O, and makes Podman read the hooks as the README says. It is a
// testbed.Build that puts nothing into the directory of the tests' own programs.
func Install(string) error {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	makefile := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "Makefile")
	lock, err := os.Open(makefile) // test binaries that run at the same time build into the same directory
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", makefile, err)
	}
	cmd := exec.Command("make", "-s", "-C", filepath.Dir(makefile), "install-podman", "install-crio")
	for _, variable := range os.Environ() { // none of what make itself was called with
		if name, _, _ := strings.Cut(variable, "="); !slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PREFIX", "DESTDIR"}, name) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}
