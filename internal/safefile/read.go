package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Option widens or narrows what Read accepts.
type Option uint8

const (
	// InnerLinks follows symbolic links that stay below the root.
	InnerLinks Option = iota + 1
	// Guarded refuses a file that does not belong to root (or to the user that
	// Strata runs as) or that others may write.
	Guarded
)

// Read returns the content of a regular file below the root that holds at most
// limit bytes. It never blocks on a FIFO and never opens a device.
func (r *Root) Read(name string, limit int64, options ...Option) ([]byte, error) {
	resolve := uint64(unix.RESOLVE_NO_SYMLINKS)
	if slices.Contains(options, InnerLinks) {
		resolve = 0
	}
	// O_PATH finds the file without opening it: opening a device can have effects.
	found, err := r.open(name, unix.O_PATH, resolve)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return read(found, limit, options)
}

// ReadPath is Read for a path that a trusted person said: links are followed
// wherever they lead.
func ReadPath(path string, limit int64, options ...Option) ([]byte, error) {
	found, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	return read(found, limit, options)
}

// read reads what an O_PATH descriptor stands for.
func read(found *os.File, limit int64, options []Option) ([]byte, error) {
	path := found.Name()
	var st unix.Stat_t
	if err := unix.Fstat(int(found.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w but %s", ErrNotRegular, kinds[kind])}
	}
	if slices.Contains(options, Guarded) {
		if err := guarded(path, &st); err != nil {
			return nil, err
		}
	}
	if st.Size > limit {
		return nil, tooLarge(path, limit)
	}
	f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(found.Fd())), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		// The path in /proc says nothing to a person.
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			err = &fs.PathError{Op: "open", Path: path, Err: p.Err}
		}
		return nil, err
	}
	defer f.Close()
	data := make([]byte, 0, st.Size+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, tooLarge(path, limit)
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: errors.Unwrap(err)}
		}
		data = slices.Grow(data, 1)
	}
}

func tooLarge(path string, limit int64) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, limit)}
}

var kinds = map[uint32]string{
	unix.S_IFDIR:  "a directory",
	unix.S_IFIFO:  "a FIFO",
	unix.S_IFCHR:  "a character device",
	unix.S_IFBLK:  "a block device",
	unix.S_IFSOCK: "a socket",
	unix.S_IFLNK:  "a symbolic link",
}

func guarded(path string, st *unix.Stat_t) error {
	if st.Uid != 0 && st.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s: %w: it belongs to user %d (chown root it)", path, ErrUnguarded, st.Uid)
	}
	if perm := st.Mode & 0o777; perm&0o022 != 0 {
		return fmt.Errorf("%s: %w: its mode is %04o (chmod go-w it)", path, ErrUnguarded, perm)
	}
	return nil
}
