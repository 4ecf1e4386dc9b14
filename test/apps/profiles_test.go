package apps

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/internal/syscalls"
	"strata/test/testbed"
)

const directory = "../../profiles/app"

// Every profile is what its recording says, and there are no others.
func TestProfilesAreWhatWasRecorded(t *testing.T) {
	var want []string
	for _, a := range apps {
		t.Run(a.name, func(t *testing.T) { a.check(t, directory) })
		want = append(want, a.name+".json", a.name+".recorded.json")
	}
	slices.Sort(want)
	files, err := filepath.Glob(directory + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if !slices.Equal(files, want) {
		t.Errorf("the profiles are %v, want %v", files, want)
	}
}

// check checks a profile and what is written beside it.
func (a app) check(t *testing.T, dir string) {
	t.Helper()
	var (
		r recorded
		p specs.LinuxSeccomp
	)
	read(t, filepath.Join(dir, a.name+".recorded.json"), &r)
	read(t, filepath.Join(dir, a.name+".json"), &p)
	if want := r.profile(); !reflect.DeepEqual(p, want) {
		t.Errorf("the profile is %+v, recorded was %+v", p, want)
	}
	runs := 0
	for name, o := range r.Runtimes {
		if !slices.Contains(testbed.Runtimes, name) || o.Version == "" || o.Runs < 1 {
			t.Errorf("runtime %s: %+v", name, o)
		}
		runs += o.Runs
	}
	for name, n := range r.Calls {
		if !syscalls.Known(name) || n < 1 || n > runs {
			t.Errorf("%s was made in %d of %d runs", name, n, runs)
		}
	}
	for _, name := range []string{"read", "write", "exit_group"} {
		if r.Calls[name] == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	if r.Kernel == "" || r.Engine == "" || len(r.Versions) == 0 {
		t.Errorf("it was recorded from %+v with %q on %q", r.Versions, r.Engine, r.Kernel)
	}
	for name, version := range r.Versions {
		if version == "" {
			t.Errorf("which version of %s it was recorded from is not known", name)
		}
	}
}

// The profiles are found by name, valid, and say by themselves what the stack says with them.
func TestProfilesAreInstalled(t *testing.T) {
	for _, a := range apps {
		for _, runtime := range testbed.Runtimes {
			stack := filepath.Join(t.TempDir(), "stack.json")
			strata(t, "stack", "base/"+runtime, "app/"+a.name, "-o", stack)
			strata(t, "check", "app/"+a.name, "--within", stack)
		}
		if files, err := filepath.Glob("/usr/local/share/strata/profiles/app/" + a.name + "*"); err != nil || len(files) != 1 {
			t.Errorf("installed are %v, %v", files, err)
		}
		strata(t, "validate", "--strict", filepath.Join(directory, a.name+".json"))
	}
	readme, err := os.ReadFile(filepath.Join(directory, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		if !strings.Contains(string(readme), "`app/"+a.name+"`") {
			t.Errorf("the README does not tell of app/%s", a.name)
		}
	}
}
