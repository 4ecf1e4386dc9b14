package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoBPFFS says that there is no place where BPF programs can stay.
var ErrNoBPFFS = errors.New("no BPF file system")

// usualBPFFS is where systemd mounts it. Only tests change it.
var usualBPFFS = "/sys/fs/bpf"

// pinDirectory gives the directory for pinned sets: on the usual BPF file system, or on one of Strata's own below its
// state directory, which is mounted when it is not there yet.
func pinDirectory(state string) (string, error) {
	if isBPFFS(usualBPFFS) {
		return privateDirectory(filepath.Join(usualBPFFS, "strata"))
	}
	own := filepath.Join(state, "bpf")
	if err := os.Mkdir(own, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("%w: %w", ErrNoBPFFS, err)
	}
	if !isBPFFS(own) {
		if err := unix.Mount("bpf", own, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700"); err != nil {
			return "", fmt.Errorf("%w at %s, and mounting one at %s failed: %w", ErrNoBPFFS, usualBPFFS, own, err)
		}
	}
	return privateDirectory(filepath.Join(own, "strata"))
}

// pinDirectories gives the directories that may hold pinned sets and exist.
func pinDirectories(state string) []string {
	var found []string
	for _, mount := range []string{usualBPFFS, filepath.Join(state, "bpf")} {
		directory := filepath.Join(mount, "strata")
		if isBPFFS(mount) && checkPrivate(directory) == nil {
			found = append(found, directory)
		}
	}
	return found
}

func isBPFFS(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
}

// privateDirectory makes a directory that only root can change. The usual BPF file system may be writable for others,
// who could have put a directory of their own there.
func privateDirectory(path string) (string, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("pins: %w", err)
	}
	return path, checkPrivate(path)
}

func checkPrivate(path string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return fmt.Errorf("pins: %s: %w", path, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o022 != 0 {
		return fmt.Errorf("pins: %s is not a directory that only root can change; remove it", path)
	}
	return nil
}
