package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where things are on the machine that the tests see. All of it is in memory and private to the test binary.
const (
	Work     = "/run/testbed"
	Programs = Work + "/bin"
)

// A Build makes programs in a directory.
type Build func(dir string) error

// Directories that may be written to, what is written staying in memory.
var overlaid = []string{"/etc", "/usr", "/var"}

// Directories that start empty, whatever the host has there. Those of an installed Strata are among them because the
// host's may change meanwhile, which an overlay does not allow.
var covered = []string{
	"/etc/containers", "/etc/strata", "/usr/local/libexec/strata", "/usr/local/share/strata", "/usr/share/containers/oci",
	"/var/lib/containers", "/var/lib/strata",
}

// prepareMachine makes the mounts and files that the tests' machine consists of, in this process's mount namespace.
func prepareMachine() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := mount("proc", "/proc", ""); err != nil {
		return err
	}
	needed, err := openNeeded()
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range needed {
			f.Close()
		}
	}()
	if err := cover("/run", needed, func() error { return mount("tmpfs", "/run", "mode=0755") }); err != nil {
		return err
	}
	for _, dir := range overlaid {
		if err := cover(dir, needed, func() error { return overlay(dir) }); err != nil {
			return err
		}
	}
	for _, dir := range covered {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := cover(dir, needed, func() error { return mount("tmpfs", dir, "mode=0755") }); err != nil {
			return err
		}
	}
	if err := mount("bpf", "/sys/fs/bpf", "mode=0700"); err != nil {
		return err
	}
	if err := oneCgroupVersion(); err != nil {
		return err
	}
	temporary := filepath.Join(Work, "tmp")
	if err := os.MkdirAll(temporary, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(temporary, 0o777|os.ModeSticky); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"TMPDIR":   temporary,
		"GOTMPDIR": temporary,
		"PATH":     os.Getenv("PATH") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", // runtimes are in sbin
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return configureEngine()
}

func mount(kind, dir, options string) error {
	if err := unix.Mount(kind, dir, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s at %s: %w", kind, dir, err)
	}
	return nil
}

func overlay(dir string) error {
	upper, work := filepath.Join(Work, "overlay", dir, "upper"), filepath.Join(Work, "overlay", dir, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return mount("overlay", dir, "lowerdir="+dir+",upperdir="+upper+",workdir="+work)
}

// openNeeded opens what the go command and the testing package use, wherever it was put, by its path: an overlay shows
// no file systems that are mounted below its lower directory.
func openNeeded() (map[string]*os.File, error) {
	paths := []string{filepath.Dir(os.Args[0]), "/etc/resolv.conf", "/etc/hosts"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "HOME"} {
		paths = append(paths, os.Getenv(name))
	}
	module, err := module()
	if err != nil {
		return nil, err
	}
	if command, err := exec.LookPath("go"); err == nil { // a test binary runs without it as well
		if command, err = filepath.EvalSymlinks(command); err != nil {
			return nil, err
		}
		paths = append(paths, filepath.Dir(filepath.Dir(command))) // GOROOT
	}
	open := map[string]*os.File{}
	for _, path := range append(paths, module) {
		if !filepath.IsAbs(path) {
			continue
		}
		if f, err := os.Open(path); err == nil { // what is not there is not used
			open[path] = f
		}
	}
	return open, nil
}

// module is the root of the module that the working directory is in.
func module() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == "/" {
			return "", errors.New("find the module: no go.mod above the working directory")
		}
	}
	return "", fmt.Errorf("find the module: %w", err)
}

// cover mounts something over dir and brings back what is needed below it.
func cover(dir string, needed map[string]*os.File, mount func() error) error {
	if err := mount(); err != nil {
		return err
	}
	for path, f := range needed {
		if !strings.HasPrefix(path, dir+"/") {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bring back %s: %w", path, err)
		}
	}
	return nil
}
