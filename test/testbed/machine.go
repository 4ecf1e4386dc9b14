package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where things are on the machine that the tests see. All of it is in memory and private to the test binary.
const (
	Work     = "/run/testbed"
	Programs = Work + "/bin"
	bpffs    = "/sys/fs/bpf"
)

// A Build makes programs in a directory.
type Build func(dir string) error

// covered directories start empty, whatever the host has there.
var covered = []string{"/run", "/var/lib/containers", "/var/lib/strata", "/etc/strata", "/etc/containers"}

// prepareMachine makes the mounts and files that the tests' machine consists of, in this process's mount namespace.
func prepareMachine() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := mount("proc", "/proc"); err != nil {
		return err
	}
	needed, err := needed()
	if err != nil {
		return err
	}
	for _, dir := range covered {
		if err := cover(dir, needed); err != nil {
			return err
		}
	}
	if err := mount("bpf", bpffs); err != nil {
		return err
	}
	if err := oneCgroupVersion(); err != nil {
		return err
	}
	temporary := filepath.Join(Work, "tmp")
	if err := os.MkdirAll(temporary, 0o1777); err != nil {
		return err
	}
	for name, value := range map[string]string{"TMPDIR": temporary, "GOTMPDIR": temporary} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return configureEngine()
}

func mount(kind, dir string) error {
	if err := unix.Mount(kind, dir, kind, 0, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", kind, dir, err)
	}
	return nil
}

// needed are the directories that the go command and the testing package use, wherever they were put.
func needed() ([]string, error) {
	dirs := []string{filepath.Dir(os.Args[0])}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "HOME"} {
		if dir := os.Getenv(name); filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	module, err := os.Getwd()
	for err == nil && module != "/" {
		if _, missing := os.Stat(filepath.Join(module, "go.mod")); missing == nil {
			return append(dirs, module), nil
		}
		module = filepath.Dir(module)
	}
	return nil, fmt.Errorf("find the module: no go.mod above the working directory (%v)", err)
}

// cover mounts an empty file system over dir and brings those directories below it back that are needed.
func cover(dir string, needed []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	kept := map[string]*os.File{}
	for _, path := range needed {
		if strings.HasPrefix(path, dir+"/") {
			f, err := os.Open(path)
			if err != nil {
				continue // what is not there is not used
			}
			defer f.Close()
			kept[path] = f
		}
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("cover %s: %w", dir, err)
	}
	for path, f := range kept {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bring back %s: %w", path, err)
		}
	}
	return nil
}
