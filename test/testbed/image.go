package testbed

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// An Image is a root file system made of this machine's programs, with what they link to.
type Image struct {
	Name     string
	Programs map[string]string // path in the image -> on this machine; a name without slash is one of Programs
	Links    map[string]string // path in the image -> what it says
	Files    map[string]string // path in the image -> contents
	Dirs     []string          // with everybody allowed to write to them

	root     sync.Once
	imported sync.Once
	err      error
}

// Dirs that every image has: mount points of runtimes that cannot make them where the root is read-only.
var mountPoints = []string{"dev", "proc", "sys", "etc", "run", "var"}

// Reference is the image's name as Podman reports it.
func (i *Image) Reference() string { return "localhost/" + i.Name + ":latest" }

// Root is the directory that holds the image's tree. It is shared: containers must mount it read-only or copy it.
func (i *Image) Root(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(Work, "images", i.Name)
	i.root.Do(func() { i.err = i.make(dir) })
	if i.err != nil {
		t.Fatalf("image %s: %v", i.Name, i.err)
	}
	return dir
}

// Imported is the image's name in Podman's storage.
func (i *Image) Imported(t testing.TB) string {
	t.Helper()
	root := i.Root(t)
	i.imported.Do(func() {
		archive := root + ".tar"
		for _, args := range [][]string{
			{"tar", "-C", root, "-cf", archive, "."},
			{"podman", "import", "--quiet", archive, i.Reference()},
		} {
			outcome, err := finish(exec.Command(args[0], args[1:]...))
			if err == nil && outcome.Code != 0 {
				err = fmt.Errorf("%v", outcome)
			}
			if err != nil {
				i.err = err
				return
			}
		}
		i.err = os.Remove(archive)
	})
	if i.err != nil {
		t.Fatalf("image %s: %v", i.Name, i.err)
	}
	return i.Reference()
}

func (i *Image) make(root string) error {
	for _, dir := range mountPoints {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range append(i.Dirs, "/tmp") {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(root, dir), 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	for at, program := range i.Programs {
		if filepath.Base(program) == program {
			program = filepath.Join(Programs, program)
		}
		libraries, err := linked(program)
		if err != nil {
			return err
		}
		libraries[at] = program
		for at, file := range libraries {
			if err := copyFile(filepath.Join(root, at), file); err != nil {
				return err
			}
		}
	}
	for at, text := range i.Files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, at)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, at), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for at, to := range i.Links {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, at)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(to, filepath.Join(root, at)); err != nil {
			return err
		}
	}
	return nil
}

// linked are the libraries that a program needs and its interpreter, by path; ldd says so in lines of
// "name => path (address)" and "path (address)", and fails for static programs.
func linked(program string) (map[string]string, error) {
	files := map[string]string{}
	out, err := exec.Command("ldd", program).CombinedOutput()
	if err != nil {
		if text := string(out); strings.Contains(text, "not a dynamic executable") {
			return files, nil
		}
		return nil, fmt.Errorf("ldd %s: %w: %s", program, err, out)
	}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		for _, word := range strings.Fields(lines.Text()) {
			if filepath.IsAbs(word) {
				files[word] = word
			}
		}
	}
	return files, lines.Err()
}

func copyFile(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
