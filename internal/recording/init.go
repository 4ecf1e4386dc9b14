package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// initial is a container's init, and where else its processes can be found. A pid alone is not enough: it is used
// again, after a restart of the machine too.
type initial struct {
	PID int `json:"pid"`
	// Start is in clock ticks since boot: field 22 of proc_pid_stat(5).
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	// Cgroups are directories of the container's cgroup, one for each hierarchy, without those that the hook shares.
	Cgroups []string `json:"cgroups,omitempty"`
}

// system is where /proc and /sys are.
type system struct{ proc, cgroup string }

var host = system{proc: "/proc", cgroup: "/sys/fs/cgroup"}

// maxCgroups bounds how much of a container's own cgroup tree is looked at.
const maxCgroups = 4096

func (sys system) initial(pid int) (initial, error) {
	start, err := sys.startTime(pid)
	if err != nil {
		return initial{}, fmt.Errorf("process %d, the container's init: %w", pid, err)
	}
	boot, err := sys.boot()
	if err != nil {
		return initial{}, err
	}
	cgroups, err := sys.cgroups(pid)
	return initial{PID: pid, Start: start, Boot: boot, Cgroups: cgroups}, err
}

func (sys system) boot() (string, error) {
	id, err := os.ReadFile(filepath.Join(sys.proc, "sys/kernel/random/boot_id"))
	return strings.TrimSpace(string(id)), err
}

func (sys system) startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(filepath.Join(sys.proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The second field is the process's name, which may hold anything, blanks and brackets too.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: its stat file ends early", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// cgroups lists the container's own cgroups. One that the hook is in as well, or a root, tells nothing of a container.
func (sys system) cgroups(pid int) ([]string, error) {
	theirs, err := os.ReadFile(filepath.Join(sys.proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return nil, err
	}
	ours, err := os.ReadFile(filepath.Join(sys.proc, "self/cgroup"))
	if err != nil {
		return nil, err
	}
	shared := make(map[string]bool)
	for line := range strings.Lines(string(ours)) {
		shared[line] = true
	}
	var dirs []string
	for line := range strings.Lines(string(theirs)) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) != 3 || shared[line] || part[2] == "/" {
			continue
		}
		for _, dir := range sys.hierarchy(part[1]) {
			if dir = filepath.Join(dir, part[2]); isDir(dir) {
				dirs = append(dirs, dir)
				break
			}
		}
	}
	return dirs, nil
}

// hierarchy lists where a hierarchy of cgroups may be mounted: cgroups(7).
func (sys system) hierarchy(controllers string) []string {
	if controllers == "" {
		return []string{sys.cgroup, filepath.Join(sys.cgroup, "unified")}
	}
	return []string{filepath.Join(sys.cgroup, strings.TrimPrefix(controllers, "name="))}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// alive says whether anything of the container can still make a call: its init, or a process in its cgroup. A zombie
// counts as alive, since it may be the first thread of a process whose others go on.
func (sys system) alive(init initial) (bool, error) {
	boot, err := sys.boot()
	if err != nil {
		return false, err
	}
	if boot != init.Boot {
		return false, nil
	}
	switch start, err := sys.startTime(init.PID); {
	case err == nil && start == init.Start:
		return true, nil
	case err != nil && !gone(err):
		return false, err
	}
	for _, dir := range init.Cgroups {
		if populated, err := populated(dir); populated || err != nil {
			return populated, err
		}
	}
	return false, nil
}

// populated says whether a process is in a cgroup or below it. Version 2 says so itself (cgroup.events); in version 1
// every directory is asked.
func populated(dir string) (bool, error) {
	events, err := os.ReadFile(filepath.Join(dir, "cgroup.events"))
	if err == nil {
		return bytes.Contains(events, []byte("populated 1")), nil
	}
	if !gone(err) {
		return false, err
	}
	looked, found := 0, false
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		if looked++; looked > maxCgroups {
			found = true // too many to look at: nobody makes as many in a container that has ended
			return fs.SkipAll
		}
		members, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if gone(err) {
			return nil
		}
		if len(members) > 0 {
			found = true
			return fs.SkipAll
		}
		return err
	})
	return found, err
}

// gone says that a process or cgroup is not there any more, which the kernel says in three ways.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV)
}

func (init initial) same(other initial) bool {
	return init.PID == other.PID && init.Start == other.Start && init.Boot == other.Boot
}
