package apps

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/test/testbed"
)

// recorded is what a profile was recorded from.
type recorded struct {
	Versions map[string]string  `json:"versions"` // of packages, and of the Go toolchain
	Kernel   string             `json:"kernel"`
	Engine   string             `json:"engine"`
	Runtimes map[string]*origin `json:"runtimes"` // by name
	Calls    map[string]int     `json:"calls"`    // in how many runs of containers each was made, by the application
}

type origin struct {
	Version string `json:"version"`
	Runs    int    `json:"runs"` // of containers
}

// metadata is what Strata writes beside a recording: see strata-hook(8).
type metadata struct {
	Engine   string
	Kernel   string
	Runtime  struct{ Name, Version string }
	Runs     int
	Failures uint64
	Beyond   uint64
	Calls    []struct {
		ABI, Name, Part string
		Runs            int
	}
}

// record lets an app do its work a number of times under a runtime, and returns what Strata saw.
func (a app) record(t *testing.T, runtime string, times int) metadata {
	t.Helper()
	name := a.name + "-" + runtime
	for i := range times {
		flags := []string{"--annotation", "io.strata.record=" + name, "--annotation", "io.strata.record.merge=true"}
		if i%2 == 1 {
			flags = append(flags, "--security-opt", "no-new-privileges")
		}
		a.work(t, run{Podman: testbed.Podman{Runtime: runtime}, flags: flags})
	}
	var m metadata
	read(t, filepath.Join("/var/lib/strata/recordings", name+".recording.json"), &m)
	if m.Failures != 0 || m.Beyond != 0 {
		t.Errorf("%s: %d events could not be noted, %d calls have no name", name, m.Failures, m.Beyond)
	}
	return m
}

// add adds what the application did in a recording.
func (r *recorded) add(t *testing.T, runtime string, m metadata) {
	t.Helper()
	r.Kernel, r.Engine = m.Kernel, m.Engine
	r.Runtimes[runtime] = &origin{m.Runtime.Version, m.Runs}
	for _, c := range m.Calls {
		switch {
		case c.ABI != "x86_64":
			t.Errorf("a call of %s: %s", c.ABI, c.Name)
		case c.Part == "application":
			r.Calls[c.Name] += c.Runs
		}
	}
}

// profile allows what the application did.
func (r *recorded) profile() specs.LinuxSeccomp {
	errno := uint(38) // ENOSYS
	return specs.LinuxSeccomp{
		DefaultAction:   specs.ActErrno,
		DefaultErrnoRet: &errno,
		Architectures:   []specs.Arch{specs.ArchX86_64},
		Syscalls:        []specs.LinuxSyscall{{Names: slices.Sorted(maps.Keys(r.Calls)), Action: specs.ActAllow}},
	}
}

// recordVariable asks for profiles to be recorded, from this many times of each app's work under each runtime.
const recordVariable = "STRATA_APPS"

// TestRecord writes the profiles where that is asked for; else it records one app once and checks what would be written.
func TestRecord(t *testing.T) {
	recording, times, dir, runtimes := []app{goHTTP}, 1, t.TempDir(), testbed.Runtimes[:1]
	if text := os.Getenv(recordVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", recordVariable, err)
		}
		recording, times, dir, runtimes = apps, n, directory, testbed.Runtimes
	}
	for _, a := range recording {
		t.Run(a.name, func(t *testing.T) {
			r := &recorded{Versions: a.versions(t), Runtimes: map[string]*origin{}, Calls: map[string]int{}}
			for _, runtime := range runtimes {
				r.add(t, runtime, a.record(t, runtime, times))
			}
			if t.Failed() {
				return
			}
			write(t, filepath.Join(dir, a.name+".json"), r.profile())
			write(t, filepath.Join(dir, a.name+".recorded.json"), r)
			a.check(t, dir)
		})
	}
}

// versions are those of an app's programs.
func (a app) versions(t *testing.T) map[string]string {
	t.Helper()
	if len(a.packages) == 0 {
		return map[string]string{"go": goVersion()}
	}
	versions := map[string]string{}
	for _, pattern := range a.packages {
		out := testbed.Must(t, exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", pattern))
		found := false
		for line := range strings.Lines(out) {
			if words := strings.Fields(line); len(words) == 3 && words[0] == "installed" {
				versions[words[1]], found = words[2], true
			}
		}
		if !found {
			t.Errorf("%s is not installed", pattern)
		}
	}
	return versions
}

func write(t *testing.T, file string, value any) {
	t.Helper()
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
