package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	cgroupRoot     = "/sys/fs/cgroup"
	cgroupPrefix   = "strata-test-"
	cgroupVariable = "STRATA_TESTBED_CGROUP"
)

// CgroupParent is the cgroup that every container of this test binary must be in, so that none is left behind.
func CgroupParent() string { return os.Getenv(cgroupVariable) }

// oneCgroupVersion leaves version 1 alone where version 2 is mounted beside it: crun refuses the mix.
func oneCgroupVersion() error {
	unified := filepath.Join(cgroupRoot, "unified")
	var at unix.Statfs_t
	switch err := unix.Statfs(unified, &at); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", unified, err)
	case at.Type != unix.CGROUP2_SUPER_MAGIC:
		return nil
	}
	if err := unix.Unmount(unified, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", unified, err)
	}
	return nil
}

// sweepCgroups removes what test binaries left that were killed together with their watcher.
func sweepCgroups() {
	for _, pattern := range []string{cgroupPrefix, "*/" + cgroupPrefix} {
		left, _ := filepath.Glob(filepath.Join(cgroupRoot, pattern+"*")) // the pattern is well-formed
		for _, dir := range left {
			pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), cgroupPrefix))
			if err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
				removeTree(dir)
			}
		}
	}
}

// removeCgroups removes a cgroup from every hierarchy. No process is in it any more.
func removeCgroups(name string) {
	removeTree(filepath.Join(cgroupRoot, name))
	dirs, _ := filepath.Glob(filepath.Join(cgroupRoot, "*", name)) // the pattern is well-formed
	for _, dir := range dirs {
		removeTree(dir)
	}
}

// removeTree removes directories from the deepest up; files in them are the kernel's. What cannot be removed is
// another's: a test binary that runs at the same time, or the host.
func removeTree(dir string) {
	var dirs []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	slices.Reverse(dirs)
	for _, d := range dirs {
		unix.Rmdir(d)
	}
}
