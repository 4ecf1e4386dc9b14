package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strata/test/installation"
	"strata/test/testbed"
)

// nothingLeft checks that no recording is under way and nothing of one stayed behind: no pin (and so no map, link or
// program), no file of a running recording, no temporary file, no process. Call it when no container is recorded.
func nothingLeft(t *testing.T) {
	t.Helper()
	for _, file := range files(t, "/sys/fs/bpf/strata", "/run/strata/bpf/strata") {
		t.Errorf("pin left: %s", file)
	}
	for _, file := range files(t, "/run/strata/running") {
		t.Errorf("running recording left: %s", file)
	}
	for _, file := range files(t, recordings) {
		if !strings.HasSuffix(file, ".json") {
			t.Errorf("not a recording: %s", file)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range processes {
		if to, err := os.Readlink(exe); err == nil && strings.HasPrefix(to, installation.Hook) {
			t.Errorf("process left: %s", exe)
		}
	}
}

// files lists what is below directories that may be missing, directories left out.
func files(t *testing.T, dirs ...string) []string {
	t.Helper()
	var all []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				all = append(all, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// collect is strata-hook gc, which must find everything in order or put it there.
func collect(t *testing.T) {
	t.Helper()
	testbed.Must(t, gc())
}

func gc() *exec.Cmd { return exec.Command(installation.Hook, "gc") }

// onlyWhole says whether a recording's profile is there, and checks that it is not without the metadata, which is
// written first.
func onlyWhole(t *testing.T, name string) bool {
	t.Helper()
	there := func(ending string) bool {
		_, err := os.Stat(filepath.Join(recordings, name+ending))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil
	}
	profile := there(".json")
	if profile && !there(".recording.json") {
		t.Errorf("recording %s: a profile without metadata", name)
	}
	return profile
}
