package safefile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is also the entry of the processes that tests start from this binary.
func TestMain(m *testing.M) {
	switch os.Getenv("SAFEFILE_TEST_CHILD") {
	case "full":
		exit(fullDisk(os.Args[1]))
	case "writer":
		exit(writer(os.Args[1]))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = []string{"SAFEFILE_TEST_CHILD=" + role}
	return cmd
}

func TestReplace(t *testing.T) {
	root, dir := open(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(in("sub"), 0o755))
	must(t, os.WriteFile(in("old"), []byte("a much longer old text"), 0o600))
	must(t, os.Symlink("../secret", in("link")))
	must(t, os.Symlink("..", in("updir")))
	must(t, os.Symlink("sub", in("inner")))
	must(t, unix.Mkfifo(in("fifo"), 0o644))

	for _, c := range []struct {
		name string
		mode fs.FileMode
		err  error
	}{
		{name: "new", mode: 0o644},
		{name: "old", mode: 0o644},
		{name: "private", mode: 0o600},
		{name: "wide", mode: 0o666},
		{name: "link", mode: 0o644}, // becomes a file
		{name: "fifo", mode: 0o644},
		{name: "sub/file", mode: 0o644},
		{name: "made/on/the/way", mode: 0o644},
		{name: "hidden/on/the/way", mode: 0o600},
		{name: "readonly/way", mode: 0o400},
		{name: strings.Repeat("n", 255), mode: 0o644},

		{name: "", err: ErrName},
		{name: "../secret", err: ErrName},
		{name: "/tmp/absolute", err: ErrName},
		{name: "nul\x00", err: ErrName},
		{name: ".", err: ErrNotRegular},
		{name: "sub/..", err: ErrNotRegular},
		{name: "sub", mode: 0o644, err: unix.EISDIR},
		{name: "old/file", mode: 0o644, err: unix.ENOTDIR},
		{name: "updir/secret", mode: 0o644, err: ErrLink},
		{name: "inner/file", mode: 0o644, err: ErrLink},
		{name: "inner/deeper/file", mode: 0o644, err: ErrLink},
		{name: strings.Repeat("n", 256), mode: 0o644, err: unix.ENAMETOOLONG},
	} {
		data := []byte("data of " + c.name)
		err := root.Replace(c.name, data, c.mode)
		if !errors.Is(err, c.err) {
			t.Errorf("Replace(%.40q): %v, want %v", c.name, err, c.err)
		}
		if c.err != nil {
			continue
		}
		got, err := root.Read(c.name, 1000)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("Read(%.40q) = %q, %v", c.name, got, err)
		}
		if st, err := os.Stat(in(c.name)); err != nil || st.Mode().Perm() != c.mode {
			t.Errorf("%.40q: mode %v, want %v (%v)", c.name, st.Mode(), c.mode, err)
		}
	}

	for name, want := range map[string]fs.FileMode{"made/on/the": 0o755, "hidden": 0o700, "readonly": 0o700} {
		if st, err := os.Stat(in(name)); err != nil || st.Mode().Perm() != want {
			t.Errorf("directory %s: mode %v, want %v (%v)", name, st.Mode(), want, err)
		}
	}
	if secret, err := os.ReadFile(filepath.Join(dir, "../secret")); err != nil || string(secret) != "secret" {
		t.Errorf("the neighbour was written: %q, %v", secret, err)
	}
	noLeftovers(t, dir)
}

func noLeftovers(t *testing.T, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), tempPrefix) {
			t.Errorf("left behind: %s", path)
		}
		return err
	}))
}

func TestReplacePath(t *testing.T) {
	dir := t.TempDir()
	must(t, ReplacePath(filepath.Join(dir, "out.json"), []byte("{}"), 0o644))
	if data, err := ReadPath(filepath.Join(dir, "out.json"), 10); err != nil || string(data) != "{}" {
		t.Errorf("read back %q, %v", data, err)
	}
	if err := ReplacePath(filepath.Join(dir, "missing/out.json"), nil, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without its directory: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	if err := ReplacePath(filepath.Join(dir, "sub")+"/", nil, 0o644); !errors.Is(err, unix.EISDIR) {
		t.Errorf("with a slash at the end: %v", err)
	}
}

// What is no file is written to where a person says its path, and no file takes a device's place.
func TestWhatIsNoFileStays(t *testing.T) {
	_, dir := open(t)
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	devices, err := os.Open("/dev")
	must(t, err)
	defer devices.Close()
	if err := replaceable(devices, "full"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a device: %v", err)
	}
	reader, err := os.OpenFile(fifo, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	must(t, err)
	defer reader.Close()
	must(t, ReplacePath(fifo, []byte("{}"), 0o644))
	got := make([]byte, 10)
	if n, err := reader.Read(got); err != nil || string(got[:n]) != "{}" {
		t.Errorf("from the FIFO came %q, %v", got[:n], err)
	}
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("/dev/full", link))
	if err := ReplacePath(link, []byte("{}"), 0o644); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a full device: %v", err)
	}
	for path, mode := range map[string]fs.FileMode{fifo: fs.ModeNamedPipe, link: fs.ModeSymlink} {
		if st, err := os.Lstat(path); err != nil || st.Mode().Type() != mode {
			t.Errorf("%s was replaced: %v", path, err)
		}
	}
	held, err := os.Create(filepath.Join(dir, "held"))
	must(t, err)
	defer held.Close()
	must(t, ReplacePath(fmt.Sprintf("/proc/self/fd/%d", held.Fd()), []byte("{}"), 0o644))
	if data, err := os.ReadFile(held.Name()); err != nil || string(data) != "{}" {
		t.Errorf("in the open file is %q, %v", data, err)
	}
	noLeftovers(t, dir)
}

func TestMakeRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b")
	for range 2 {
		root, err := MakeRoot(dir, 0o700)
		must(t, err)
		must(t, root.Guarded())
		must(t, root.Close())
	}
}

func TestRemove(t *testing.T) {
	root, dir := open(t)
	must(t, os.Symlink("../secret", filepath.Join(dir, "link")))
	must(t, root.Remove("link"))
	if err := root.Remove("link"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second time: %v", err)
	}
	if err := root.Remove("../secret"); !errors.Is(err, ErrName) {
		t.Errorf("outside: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "../secret")); err != nil {
		t.Error(err)
	}
}

// Readers beside writers see one of the whole texts, always.
func TestReplaceBesideReaders(t *testing.T) {
	root, dir := open(t)
	text := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 1000*(i+1)) }
	must(t, root.Replace("file", text(0), 0o644))
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for range 25 {
				if err := root.Replace("file", text(i), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Go(func() {
		for range 100 {
			// It may take a file that its writer has not locked yet: the writer makes another.
			if _, err := root.Sweep("."); err != nil {
				t.Errorf("sweep beside writers: %v", err)
			}
		}
	})
	for range 200 {
		data, err := root.Read("file", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if want := text(int(data[0] - 'a')); !bytes.Equal(data, want) {
			t.Fatalf("a mixture of %d bytes", len(data))
		}
	}
	writers.Wait()
	noLeftovers(t, dir)
}

// A killed writer's file is found by Sweep, a living one's is not touched.
func TestSweep(t *testing.T) {
	root, dir := open(t)
	must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o644))
	cmd := child(t, "writer", dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	must(t, err)

	if n, err := root.Sweep("."); n != 0 || err != nil {
		t.Errorf("beside a living writer: swept %d, %v", n, err)
	}
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Error("the writer ended by itself")
	}
	if n, err := root.Sweep("."); n != 1 || err != nil {
		t.Errorf("after a killed writer: swept %d, %v", n, err)
	}
	noLeftovers(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "other")); err != nil {
		t.Error(err)
	}
}

// writer stops for ever in the middle of writing a file.
func writer(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	if _, err := createTemp(dir); err != nil {
		return err
	}
	fmt.Println("written")
	<-make(chan int)
	return nil
}

// On a full disk the error says so, the old file stays and no other is left.
func TestReplaceOnFullDisk(t *testing.T) {
	cmd := child(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// fullDisk runs in a mount namespace of its own.
func fullDisk(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	root, err := OpenRoot(dir)
	if err != nil {
		return err
	}
	if err := root.Replace("file", []byte("old"), 0o644); err != nil {
		return err
	}
	err = root.Replace("file", make([]byte, 1<<20), 0o644)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(dir, "file")) || !strings.Contains(err.Error(), "no space left") {
		return fmt.Errorf("a full disk is reported as: %w", err)
	}
	if data, err := root.Read("file", 10); err != nil || string(data) != "old" {
		return fmt.Errorf("the old file is now %q, %w", data, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		return fmt.Errorf("left behind: %v, %w", names, err)
	}
	return nil
}

func TestRewriteKeepsOwnerAndMode(t *testing.T) {
	root, dir := open(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(in("old"), []byte("old"), 0o600))
	must(t, os.Chown(in("old"), 12, 34))
	must(t, os.Chmod(in("old"), 0o640|fs.ModeSetuid))
	must(t, root.Rewrite("old", []byte("new")))
	st, err := os.Lstat(in("old"))
	must(t, err)
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 12 || sys.Gid != 34 || st.Mode() != 0o640|fs.ModeSetuid {
		t.Errorf("user %d, group %d, mode %v", sys.Uid, sys.Gid, st.Mode())
	}
	data, err := os.ReadFile(in("old"))
	must(t, err)
	if string(data) != "new" {
		t.Errorf("it holds %q", data)
	}
}

func TestRewriteRefuses(t *testing.T) {
	root, dir := open(t)
	must(t, os.Symlink("missing", filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for name, want := range map[string]error{"link": ErrLink, "fifo": ErrNotRegular, "sub": ErrNotRegular, "missing": fs.ErrNotExist, "../x": ErrName} {
		if err := root.Rewrite(name, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestReplaceInOrder(t *testing.T) {
	dir := t.TempDir()
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Replace("second", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names []string
		fails bool
		want  map[string]string
	}{
		{[]string{"first", "second"}, false, map[string]string{"first": "0", "second": "1"}},
		{[]string{"first", "sub/third"}, false, map[string]string{"first": "0", "sub/third": "1"}},
		{[]string{"before", "taken", "second"}, true, map[string]string{"before": "0", "second": "1"}},
		{[]string{"new", "../outside"}, true, map[string]string{"second": "1"}},
	} {
		var files []File
		for i, name := range c.names {
			files = append(files, File{name, []byte{byte('0' + i)}})
		}
		if err := root.ReplaceInOrder(files, 0o640); (err != nil) != c.fails {
			t.Errorf("%v: %v", c.names, err)
		}
		for name, want := range c.want {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%v: %s holds %q, want %q (%v)", c.names, name, got, want, err)
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%v: left: %v (%v)", c.names, left, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file came although another could not: %v", err)
	}
}
