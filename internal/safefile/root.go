package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrName says that a name is not one of a file below the root.
	ErrName = errors.New("not a name below the directory")
	// ErrLink says that a name leads through a symbolic link that may not be followed.
	ErrLink = errors.New("symbolic links are not followed here")
	// ErrOutside says that a symbolic link leads out of the root.
	ErrOutside = errors.New("leads out of the directory")
	// ErrNotRegular says that a name is that of a directory, FIFO, device or socket.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge says that a file is larger than its reader accepts.
	ErrTooLarge = errors.New("file too large")
	// ErrUnguarded says that somebody other than root could have written a file.
	ErrUnguarded = errors.New("not protected from other users")
)

// Root is an open directory. It stays the same directory when its path is
// renamed or replaced. A Root may be used by several goroutines at once.
type Root struct {
	dir *os.File
}

// OpenRoot opens a directory. Its own path is the administrator's: links in it
// are followed.
func OpenRoot(dir string) (*Root, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Root{dir: f}, nil
}

// MakeRoot is OpenRoot for a directory that may have to be made first, with its
// parents and the given permissions.
func MakeRoot(dir string, mode fs.FileMode) (*Root, error) {
	if err := os.MkdirAll(dir, mode.Perm()); err != nil {
		return nil, err
	}
	return OpenRoot(dir)
}

// Path returns the path that the root was opened by, for messages.
func (r *Root) Path() string { return r.dir.Name() }

// Close releases the directory.
func (r *Root) Close() error { return r.dir.Close() }

// Guarded reports an error wrapping ErrUnguarded unless the directory belongs to
// root, or to the user that Strata runs as, and nobody else may write in it.
func (r *Root) Guarded() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(r.dir.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: r.Path(), Err: err}
	}
	return guarded(r.Path(), &st)
}

// List returns the sorted names of what is in a directory below the root ("."
// is the root itself), without the temporary files of Replace.
func (r *Root) List(dir string) ([]string, error) {
	entries, err := r.entries(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, name := range entries {
		if !strings.HasPrefix(name, tempPrefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Remove removes a file (or a link, never what it leads to) below the root.
func (r *Root) Remove(name string) error {
	dir, base, err := r.parent(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Unlinkat(int(dir.Fd()), base, 0); err != nil {
		return &fs.PathError{Op: "remove", Path: r.join(name), Err: err}
	}
	return nil
}

func (r *Root) entries(dir string) ([]string, error) {
	f, err := r.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	return names, nil
}

// parent opens the directory that holds name and returns the last component.
func (r *Root) parent(name string) (dir *os.File, base string, err error) {
	if err := r.check(name); err != nil {
		return nil, "", err
	}
	name = filepath.Clean(name)
	if name == "." {
		return nil, "", &fs.PathError{Op: "open", Path: r.Path(), Err: ErrNotRegular}
	}
	dir, err = r.open(filepath.Dir(name), unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	return dir, filepath.Base(name), err
}

// open resolves a name below the root in the kernel and in one step.
func (r *Root) open(name string, flags int, resolve uint64) (*os.File, error) {
	if err := r.check(name); err != nil {
		return nil, err
	}
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: resolve | unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(int(r.dir.Fd()), name, &how)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), r.join(name)), nil
		case unix.EAGAIN, unix.EINTR:
			// EAGAIN: something was renamed while a ".." of a link was resolved.
			continue
		case unix.EXDEV:
			err := fmt.Errorf("%w %s", ErrOutside, r.Path())
			return nil, &fs.PathError{Op: "open", Path: r.join(name), Err: err}
		case unix.ELOOP:
			return nil, &fs.PathError{Op: "open", Path: r.join(name), Err: ErrLink}
		default:
			return nil, &fs.PathError{Op: "open", Path: r.join(name), Err: err}
		}
	}
}

func (r *Root) check(name string) error {
	if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) {
		return &fs.PathError{Op: "open", Path: clip(name), Err: fmt.Errorf("%w %s", ErrName, r.Path())}
	}
	return nil
}

// join names a file in messages, whatever its name holds.
func (r *Root) join(name string) string {
	return filepath.Join(r.Path(), clip(name))
}

// clip makes a name of any length and content fit for one line of a log.
func clip(name string) string {
	const most = 255
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(name, "?"))
}
