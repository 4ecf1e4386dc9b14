package runtimebase

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/internal/syscalls"
	"strata/test/installation"
	"strata/test/programs"
	"strata/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m, installation.Install, programs.Build, fetchNext) }

const directory = "../../profiles/base"

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(directory, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// inBase are the calls of a runtime's base.
func inBase(t *testing.T, runtime string) []string { return testbed.Base(t, runtime).Syscalls[0].Names }

// The base, what was measured and what is possible say the same.
func TestFilesAgree(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		m, reasons := measured{}, map[string]string{}
		read(t, runtime+".measured.json", &m)
		read(t, runtime+".possible.json", &reasons)
		if want := m.unseen(); !maps.Equal(reasons, want) {
			t.Errorf("%s.possible.json has %v, want %v", runtime, reasons, want)
		}
		names := slices.Sorted(maps.Keys(m.Calls))
		for name, reason := range reasons {
			if reason == "" || !syscalls.Known(name) {
				t.Errorf("%s: %s: %q", runtime, name, reason)
			}
			names = append(names, name)
		}
		if want := base(names...).Syscalls[0].Names; !slices.Equal(inBase(t, runtime), want) {
			t.Errorf("%s.json has %v, want %v", runtime, inBase(t, runtime), want)
		}
	}
}

// What the installed runtimes do is in the checked-in base.
func TestRuntimesKeepToTheirBase(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			known := inBase(t, runtime)
			for combination := range combinations {
				t.Run(fmt.Sprint(combination), func(t *testing.T) {
					for _, name := range seen(t, runtime, combination) {
						if !slices.Contains(known, name) {
							t.Errorf("%s makes %s, which its base lacks: measure again (make bases)", runtime, name)
						}
					}
				})
			}
		})
	}
}

// The base and the program's own calls are enough, whatever happens to other ones.
func TestBaseStartsContainers(t *testing.T) {
	script := programs.Script{programs.Native("creat", "/signal/up", 0o644), programs.Await("/signal/go")}
	executed := programs.Script{programs.Native("getsid", 0)}
	for _, runtime := range testbed.Runtimes {
		for _, action := range []specs.LinuxSeccompAction{specs.ActErrno, specs.ActKillProcess} {
			for _, nnp := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s no_new_privs %t", runtime, action, nnp), func(t *testing.T) {
					t.Parallel()
					profile := base(append(inBase(t, runtime), script.Made()[syscalls.X86_64]...)...)
					profile.DefaultAction = action
					if action != specs.ActErrno {
						profile.DefaultErrnoRet = nil
					}
					for range 3 {
						signal := t.TempDir()
						b := testbed.NewBundle(t, runtime, testbed.Calls, append([]string{"/calls"}, append(programs.Script{}, script...).Argv()...)...)
						b.Spec.Linux.Seccomp = &profile
						b.Spec.Process.NoNewPrivileges = nnp
						b.Bind(signal, "/signal")
						profile.Syscalls[0].Names = slices.Compact(slices.Sorted(slices.Values(append(profile.Syscalls[0].Names, executed.Made()[syscalls.X86_64]...))))
						if outcome := b.Create(t); outcome.Code != 0 {
							t.Fatal(outcome)
						}
						b.Start(t)
						b.Await(t, filepath.Join(signal, "up"))
						if outcome := b.Exec(t, append([]string{"/calls"}, executed.Argv()...)...); outcome.Code != 0 {
							t.Error(outcome)
						}
						write(t, filepath.Join(signal, "go"))
						b.Wait(t)
						b.Delete(t)
					}
				})
			}
		}
	}
}

func TestWhatStartsHadInCommon(t *testing.T) {
	m := measured{Calls: map[string]*count{}}
	m.add(0b00000, []string{"always", "root", "root without terminal"})
	m.add(0b00010, []string{"always", "user"})
	m.add(0b00100, []string{"always", "root"})
	m.common()
	want := map[string]struct {
		starts int
		when   []string
	}{
		"always":                {3, []string{"not no_new_privs", "not path", "not exec"}},
		"root":                  {2, []string{"not no_new_privs", "not user", "not path", "not exec"}},
		"root without terminal": {1, []string{"not no_new_privs", "not user", "not terminal", "not path", "not exec"}},
		"user":                  {1, []string{"not no_new_privs", "user", "not terminal", "not path", "not exec"}},
	}
	for name, c := range m.Calls {
		if c.Starts != want[name].starts || !slices.Equal(c.When, want[name].when) {
			t.Errorf("%s: %+v, want %+v", name, c, want[name])
		}
	}
	if len(m.Calls) != len(want) || m.Starts != 3 {
		t.Errorf("%d calls in %d starts", len(m.Calls), m.Starts)
	}
}

// measureVariable asks for a measurement, with this many starts under each combination of conditions.
const measureVariable = "STRATA_MEASURE"

// TestMeasure writes the bases where that is asked for; else it measures a little and checks that counting works.
func TestMeasure(t *testing.T) {
	starts, write := 1, false
	if text := os.Getenv(measureVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", measureVariable, err)
		}
		starts, write = n, true
	}
	all := map[string]*measured{}
	for _, runtime := range testbed.Runtimes {
		all[runtime] = &measured{Runtime: runtime, Each: meanings, Calls: map[string]*count{}}
	}
	releases := []func(*testing.T) map[string]string{installed}
	if write {
		releases = append(releases, installNext)
	}
	for i, install := range releases {
		packages := install(t)
		t.Run(fmt.Sprint("release ", i), func(t *testing.T) {
			for _, runtime := range testbed.Runtimes {
				t.Run(runtime, func(t *testing.T) {
					t.Parallel()
					m := all[runtime]
					before := m.Starts
					for range starts {
						for combination := range combinations {
							if !write && combination%5 != 0 {
								continue
							}
							t.Run(fmt.Sprint(combination), func(t *testing.T) { m.add(combination, seen(t, runtime, combination)) })
						}
					}
					v := version{Packages: map[string]string{}, Starts: m.Starts - before}
					for _, name := range []string{runtime, "libseccomp2", "libc6"} {
						v.Packages[name] = packages[name]
					}
					m.Versions = append(m.Versions, v)
				})
			}
		})
	}
	for runtime, m := range all {
		m.common()
		if c := m.Calls["execve"]; c == nil || c.Starts != m.Starts || len(c.When) != 0 {
			t.Errorf("%s: of %d starts execve was seen in %+v", runtime, m.Starts, c)
		}
		if !write || t.Failed() {
			continue
		}
		reasons := m.unseen()
		names := append(slices.Collect(maps.Keys(m.Calls)), slices.Collect(maps.Keys(reasons))...)
		for file, value := range map[string]any{runtime + ".json": base(names...), runtime + ".measured.json": m, runtime + ".possible.json": reasons} {
			data, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(directory, file), append(data, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// installed are the versions of packages that matter.
func installed(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, name := range []string{"runc", "crun", "libseccomp2", "libc6"} {
		versions[name] = testbed.Must(t, exec.Command("dpkg-query", "-W", "-f", "${Version}", name))
	}
	return versions
}

// The next release of the distribution, as apt knows it.
const (
	next     = "trixie"
	nextDebs = testbed.Work + "/" + next
)

// fetchNext downloads the next release's runtimes with what they link to, for a measurement. It is a testbed.Build.
func fetchNext(string) error {
	if os.Getenv(measureVariable) == "" {
		return nil
	}
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(nextDebs, dir), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"sources.list": "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian " + next + " main\n",
		"status":       "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(nextDebs, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	options := []string{"-q", "-o", "Dir::Etc::sourcelist=" + nextDebs + "/sources.list", "-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State=" + nextDebs, "-o", "Dir::State::status=" + nextDebs + "/status", "-o", "Dir::Cache=" + nextDebs,
		"-o", "APT::Sandbox::User=root"}
	for _, args := range [][]string{{"update"}, {"install", "--yes", "--download-only", "--no-install-recommends", "runc", "crun"}} {
		if out, err := exec.Command("apt-get", append(options, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// installNext unpacks what was fetched over this release, on the testbed's machine, and returns its versions.
func installNext(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	packages, err := filepath.Glob(nextDebs + "/archives/*.deb")
	if err != nil || len(packages) == 0 {
		t.Fatalf("nothing was fetched: %v", err)
	}
	for _, file := range packages {
		name := testbed.Must(t, exec.Command("dpkg-deb", "--field", file, "Package"))
		versions[name] = testbed.Must(t, exec.Command("dpkg-deb", "--field", file, "Version"))
		testbed.Must(t, exec.Command("dpkg-deb", "--extract", file, "/"))
	}
	return versions
}
