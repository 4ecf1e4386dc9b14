package safefile

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// open returns a root in a directory that also has a neighbour with a secret.
func open(t *testing.T) (root *Root, dir string) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "root")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644))
	root, err := OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { must(t, root.Close()) })
	return root, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	root, dir := open(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(in("sub/deep"), 0o755))
	must(t, os.WriteFile(in("plain"), []byte("plain"), 0o644))
	must(t, os.WriteFile(in("empty"), nil, 0o644))
	must(t, os.WriteFile(in("sub/deep/file"), []byte("deep"), 0o644))
	must(t, os.WriteFile(in("ten"), bytes.Repeat([]byte("x"), 10), 0o644))
	must(t, os.WriteFile(in("eleven"), bytes.Repeat([]byte("x"), 11), 0o644))
	must(t, unix.Mkfifo(in("fifo"), 0o644))
	for link, target := range map[string]string{
		"link":           "plain",
		"sub/up":         "../plain",
		"linked":         "sub",
		"outside":        "../secret",
		"absolute":       in("plain"),
		"sub/deep/above": "../../../secret",
		"updir":          "..",
		"passwd":         "/etc/passwd",
		"loop":           "loop",
		"dangling":       "nothing",
		"tofifo":         "fifo",
		"device":         "/dev/zero",
		"magic":          "/proc/self/fd/0",
	} {
		must(t, os.Symlink(target, in(link)))
	}
	must(t, listen(t, dir, "socket"))

	for _, c := range []struct {
		name    string
		options []Option
		want    string
		err     error
	}{
		{name: "plain", want: "plain"},
		{name: "empty", want: ""},
		{name: "./plain", want: "plain"},
		{name: "sub/deep/file", want: "deep"},
		{name: "sub/../plain", want: "plain"},
		{name: "ten", want: "xxxxxxxxxx"},
		{name: "eleven", err: ErrTooLarge},
		{name: "missing", err: fs.ErrNotExist},
		{name: "plain/file", err: unix.ENOTDIR},

		{name: "", err: ErrName},
		{name: "..", err: ErrName},
		{name: "../secret", err: ErrName},
		{name: "sub/../../secret", err: ErrName},
		{name: "/etc/passwd", err: ErrName},
		{name: in("plain"), err: ErrName},
		{name: "plain\x00", err: ErrName},
		{name: "plain\x00/../../secret", err: ErrName},
		{name: strings.Repeat("n", 64<<10), err: unix.ENAMETOOLONG},
		{name: strings.Repeat("n/", 32<<10), err: unix.ENAMETOOLONG},
		{name: "control\n\x1b[2Jcharacters", err: fs.ErrNotExist},

		{name: ".", err: ErrNotRegular},
		{name: "sub", err: ErrNotRegular},
		{name: "fifo", err: ErrNotRegular},
		{name: "socket", err: ErrNotRegular},

		{name: "link", err: ErrLink},
		{name: "linked/deep/file", err: ErrLink},
		{name: "outside", err: ErrLink},
		{name: "passwd", err: ErrLink},
		{name: "updir/secret", err: ErrLink},
		{name: "loop", err: ErrLink},

		{name: "link", options: []Option{InnerLinks}, want: "plain"},
		{name: "sub/up", options: []Option{InnerLinks}, want: "plain"},
		{name: "linked/deep/file", options: []Option{InnerLinks}, want: "deep"},
		{name: "outside", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "absolute", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "sub/deep/above", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "linked/deep/above", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "updir/secret", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "passwd", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "device", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "magic", options: []Option{InnerLinks}, err: ErrOutside},
		{name: "loop", options: []Option{InnerLinks}, err: ErrLink},
		{name: "dangling", options: []Option{InnerLinks}, err: fs.ErrNotExist},
		{name: "tofifo", options: []Option{InnerLinks}, err: ErrNotRegular},
	} {
		data, err := root.Read(c.name, 10, c.options...)
		if !errors.Is(err, c.err) || string(data) != c.want {
			t.Errorf("Read(%.40q, %v) = %.40q, %v; want %q, %v", c.name, c.options, data, err, c.want, c.err)
		}
		if err != nil && (len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x00\n\x1b")) {
			t.Errorf("Read(%.40q): the error is unfit for a log: %.2000q", c.name, err)
		}
	}
}

// listen makes a socket below a directory whose path may be too long for one.
func listen(t *testing.T, dir, name string) error {
	t.Helper()
	short, err := os.MkdirTemp("/tmp", "safefile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(short)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, name), Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { must(t, l.Close()) })
	if err := os.Rename(filepath.Join(short, name), filepath.Join(dir, name)); err == nil {
		return nil
	}
	// Another file system: a socket node is all that is needed.
	return unix.Mknod(filepath.Join(dir, name), unix.S_IFSOCK|0o644, 0)
}

func TestReadSaysTheLimit(t *testing.T) {
	root, dir := open(t)
	must(t, os.WriteFile(filepath.Join(dir, "big"), make([]byte, 4097), 0o644))
	_, err := root.Read("big", 4096)
	if err == nil || !strings.Contains(err.Error(), "4096 bytes") || !strings.Contains(err.Error(), "big") {
		t.Errorf("the error names neither the file nor the limit: %v", err)
	}
}

// Files of /proc say that they are empty and are not.
func TestReadCountsWhatItReads(t *testing.T) {
	if _, err := ReadPath("/proc/self/status", 16); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file that hides its size: %v", err)
	}
	if data, err := ReadPath("/proc/self/status", 1<<20); err != nil || !bytes.HasPrefix(data, []byte("Name:")) {
		t.Errorf("a file that hides its size, with room: %.20q, %v", data, err)
	}
}

func TestReadPath(t *testing.T) {
	_, dir := open(t)
	must(t, os.Symlink("../secret", filepath.Join(dir, "link")))
	if data, err := ReadPath(filepath.Join(dir, "link"), 10); err != nil || string(data) != "secret" {
		t.Errorf("through a link: %q, %v", data, err)
	}
	for path, want := range map[string]error{
		"/dev/zero":                   ErrNotRegular,
		dir:                           ErrNotRegular,
		filepath.Join(dir, "nothing"): fs.ErrNotExist,
	} {
		if _, err := ReadPath(path, 10); !errors.Is(err, want) {
			t.Errorf("ReadPath(%s): %v, want %v", path, err, want)
		}
	}
}

func TestGuarded(t *testing.T) {
	root, dir := open(t)
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, []byte("x"), 0o644))
	for mode, want := range map[fs.FileMode]error{
		0o644: nil, 0o600: nil, 0o755: nil,
		0o664: ErrUnguarded, 0o646: ErrUnguarded, 0o666: ErrUnguarded, 0o622: ErrUnguarded,
	} {
		must(t, os.Chmod(file, mode))
		if _, err := root.Read("file", 10, Guarded); !errors.Is(err, want) {
			t.Errorf("a file of mode %04o: %v, want %v", mode, err, want)
		}
		must(t, os.Chmod(dir, mode|0o100))
		if err := root.Guarded(); !errors.Is(err, want) {
			t.Errorf("a directory of mode %04o: %v, want %v", mode, err, want)
		}
		must(t, os.Chmod(dir, 0o755))
	}
}

func TestGuardedOwner(t *testing.T) {
	for uid, want := range map[uint32]error{0: nil, uint32(os.Geteuid()): nil, 4242: ErrUnguarded} {
		if err := guarded("file", &unix.Stat_t{Uid: uid, Mode: unix.S_IFREG | 0o644}); !errors.Is(err, want) {
			t.Errorf("a file of user %d: %v, want %v", uid, err, want)
		}
	}
}

// While a name changes hands between a file and a link out of the root, a reader
// gets the file or an error, and never what the link leads to.
func TestReadWhileSwapped(t *testing.T) {
	root, dir := open(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(in("real"), 0o755))
	must(t, os.WriteFile(in("real/secret"), []byte("plain"), 0o644))
	must(t, os.Symlink("..", in("evil")))
	must(t, os.Rename(in("real"), in("sub")))

	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := unix.Renameat2(unix.AT_FDCWD, in("sub"), unix.AT_FDCWD, in("evil"), unix.RENAME_EXCHANGE); err != nil {
					t.Errorf("swap: %v", err)
					return
				}
			}
		}
	})
	for range 2000 {
		for _, options := range [][]Option{nil, {InnerLinks}} {
			data, err := root.Read("sub/secret", 10, options...)
			if err == nil && string(data) != "plain" {
				t.Errorf("read %q from outside", data)
			}
			if err != nil && !errors.Is(err, ErrLink) && !errors.Is(err, ErrOutside) {
				t.Errorf("while swapped: %v", err)
			}
		}
	}
	close(stop)
	wg.Wait()
}

func TestList(t *testing.T) {
	root, dir := open(t)
	for _, name := range []string{"b", "a", tempPrefix + "x", ".hidden"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	names, err := root.List(".")
	if got := strings.Join(names, " "); err != nil || got != ".hidden a b" {
		t.Errorf("List = %q, %v", got, err)
	}
	if _, err := root.List("../root"); !errors.Is(err, ErrName) {
		t.Errorf("List outside: %v", err)
	}
	if _, err := root.List("a"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("List of a file: %v", err)
	}
}
