package recording

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeSystem has one process, 7, in a container's cgroups.
func fakeSystem(t *testing.T) (sys system, write func(path, content string)) {
	t.Helper()
	dir := t.TempDir()
	sys = system{proc: filepath.Join(dir, "proc"), cgroup: filepath.Join(dir, "cgroup")}
	write = func(path, content string) {
		t.Helper()
		path = filepath.Join(dir, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
	write("proc/sys/kernel/random/boot_id", "first\n")
	write("proc/7/stat", stat(7, "init", 1000))
	return sys, write
}

func stat(pid int, name string, start int) string {
	return fmt.Sprintf("%d (%s) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 1 2 3\n", pid, name, start)
}

func TestCgroups(t *testing.T) {
	for _, c := range []struct {
		name, ours, theirs string
		dirs               []string
		want               []string
	}{
		{"version 2", "0::/system.slice/x\n", "0::/machine/c1\n", []string{"machine/c1"}, []string{"machine/c1"}},
		{"version 1", "3:pids:/\n1:name=systemd:/\n", "3:pids:/pod/c1\n1:name=systemd:/pod/c1\n", []string{"pids/pod/c1", "systemd/pod/c1"}, []string{"pids/pod/c1", "systemd/pod/c1"}},
		{"both", "0::/\n", "0::/c1\n", []string{"unified/c1"}, []string{"unified/c1"}},
		{"controllers together", "4:cpu,cpuacct:/\n", "4:cpu,cpuacct:/c1\n", []string{"cpu,cpuacct/c1"}, []string{"cpu,cpuacct/c1"}},
		{"the hook's own", "0::/user.slice\n", "0::/user.slice\n", []string{"user.slice"}, nil},
		{"the root", "0::/user.slice\n", "0::/\n", nil, nil},
		{"not mounted", "0::/x\n", "0::/c1\n5:pids:/c1\n", nil, nil},
		{"colons", "0::/x\n", "0::/a:b\n", []string{"a:b"}, []string{"a:b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys, write := fakeSystem(t)
			write("proc/self/cgroup", c.ours)
			write("proc/7/cgroup", c.theirs)
			for _, dir := range c.dirs {
				write("cgroup/"+dir+"/cgroup.procs", "")
			}
			init, err := sys.initial(7)
			must(t, err)
			for i := range c.want {
				c.want[i] = filepath.Join(sys.cgroup, c.want[i])
			}
			if got := strings.Join(init.Cgroups, " "); got != strings.Join(c.want, " ") {
				t.Errorf("cgroups are %v, want %v", init.Cgroups, c.want)
			}
			if init.Start != 1000 || init.Boot != "first" {
				t.Errorf("init is %+v", init)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string // "" removes
		want  bool
	}{
		{"running", nil, true},
		{"odd name", map[string]string{"proc/7/stat": stat(7, "a) S 1 (b", 1000)}, true},
		{"zombie", map[string]string{"proc/7/stat": strings.Replace(stat(7, "init", 1000), " S ", " Z ", 1)}, true},
		{"ended", map[string]string{"proc/7/stat": ""}, false},
		{"the number is used again", map[string]string{"proc/7/stat": stat(7, "other", 2000)}, false},
		{"the machine was restarted", map[string]string{"proc/sys/kernel/random/boot_id": "second\n"}, false},
		{"children, version 1", map[string]string{"proc/7/stat": "", "cgroup/pids/c1/cgroup.procs": "8\n"}, true},
		{"children in a cgroup of their own", map[string]string{"proc/7/stat": "", "cgroup/pids/c1/sub/cgroup.procs": "8\n"}, true},
		{"children, version 2", map[string]string{"proc/7/stat": "", "cgroup/c1/cgroup.events": "populated 1\nfrozen 0\n"}, true},
		{"no children, version 2", map[string]string{"proc/7/stat": "", "cgroup/c1/cgroup.events": "populated 0\nfrozen 0\n"}, false},
		{"empty cgroup", map[string]string{"proc/7/stat": "", "cgroup/pids/c1/cgroup.procs": ""}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sys, write := fakeSystem(t)
			init := initial{PID: 7, Start: 1000, Boot: "first", Cgroups: []string{filepath.Join(sys.cgroup, "pids/c1"), filepath.Join(sys.cgroup, "c1")}}
			for path, content := range c.files {
				if content == "" && strings.HasPrefix(path, "proc/") {
					must(t, os.RemoveAll(filepath.Dir(filepath.Join(filepath.Dir(sys.proc), path))))
					continue
				}
				write(path, content)
			}
			alive, err := sys.alive(init)
			must(t, err)
			if alive != c.want {
				t.Errorf("alive: %v, want %v", alive, c.want)
			}
		})
	}
}

// Where it can not be told whether a container lives, it is not declared dead.
func TestAliveUnknown(t *testing.T) {
	sys, write := fakeSystem(t)
	write("proc/7/stat", "7 (cut")
	if _, err := sys.alive(initial{PID: 7, Start: 1000, Boot: "first"}); err == nil {
		t.Error("no error for a stat file that ends early")
	}
	must(t, os.RemoveAll(sys.proc))
	if _, err := sys.alive(initial{PID: 7, Start: 1000, Boot: "first"}); err == nil {
		t.Error("no error without /proc")
	}
}

// The machine's own files are as the fake ones.
func TestHost(t *testing.T) {
	init, err := host.initial(os.Getpid())
	must(t, err)
	again, err := host.initial(os.Getpid())
	must(t, err)
	if !init.same(again) || init.Start == 0 || init.Boot == "" {
		t.Errorf("init is %+v, then %+v", init, again)
	}
	alive, err := host.alive(init)
	must(t, err)
	if !alive {
		t.Error("this process is dead")
	}
}
