package safefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tempPrefix begins the name of every file that is being written. A living
// writer holds a lock (flock(2)) on its file, which the kernel drops with the
// process: a file of this name without a lock is a leftover.
const tempPrefix = ".strata-tmp-"

// Replace makes name hold data, whole or not at all, also over a crash of the
// machine: a reader sees the old file or the new one. A link of that name is
// replaced, not followed; a device is left alone, with an error. The file gets exactly the permissions of mode;
// parents that are missing below the root are made, and may be entered by those
// who may read the file. When it fails the old file is as it was.
func (r *Root) Replace(name string, data []byte, mode fs.FileMode) error {
	if err := r.makeParents(name, mode.Perm()); err != nil {
		return err
	}
	return r.replace([]File{{name, data}}, func(f *os.File) error { return f.Chmod(mode.Perm()) })
}

// ReplacePath is Replace for a path that a trusted person said, in a directory that
// exists. What is no file, such as /dev/stdout or a pipe, is written to.
func ReplacePath(path string, data []byte, mode fs.FileMode) error {
	if strings.HasSuffix(path, "/") {
		return &fs.PathError{Op: "replace", Path: path, Err: unix.EISDIR}
	}
	if stream(path) {
		f, err := os.OpenFile(path, unix.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return errors.Join(err, f.Close())
	}
	root, err := OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Replace(filepath.Base(path), data, mode)
}

// stream reports whether a path leads to something that a file must not take the place of: a device, a FIFO, or one of
// the links by which the kernel shows open files.
func stream(path string) bool {
	to, err := os.Stat(path)
	if err != nil || to.IsDir() {
		return false
	}
	at, err := os.Lstat(path)
	shown := err == nil && at.Mode()&fs.ModeSymlink != 0 && (strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/"))
	return shown || !to.Mode().IsRegular()
}

// A File is one that is to be written.
type File struct {
	Name string
	Data []byte
}

// ReplaceInOrder is Replace for files that belong together: whoever sees one of them new sees those before it new as
// well. It waits for the disk once, not once for each. When it fails, the files before some one are new, and that one
// and those after it are as they were.
func (r *Root) ReplaceInOrder(files []File, mode fs.FileMode) error {
	for _, file := range files {
		if err := r.makeParents(file.Name, mode.Perm()); err != nil {
			return err
		}
	}
	return r.replace(files, func(f *os.File) error { return f.Chmod(mode.Perm()) })
}

// Rewrite is Replace for a regular file that is there: the new one belongs to
// the same user and group and has the same permissions.
func (r *Root) Rewrite(name string, data []byte) error {
	old, err := r.open(name, unix.O_PATH, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer old.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(old.Fd()), &st); err != nil {
		return r.replaceError(name, err)
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		return r.replaceError(name, fmt.Errorf("%w but %s", ErrNotRegular, kinds[kind]))
	}
	return r.replace([]File{{name, data}}, func(f *os.File) error {
		// The owner first: a change of it takes the set-user-ID bit away.
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
		return unix.Fchmod(int(f.Fd()), st.Mode&0o7777)
	})
}

// replace puts new files in place, in their order, after dress has given each its owner and permissions.
func (r *Root) replace(files []File, dress func(*os.File) error) error {
	ready := make([]*staged, len(files))
	failed := make([]error, len(files))
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() { ready[i], failed[i] = r.stage(file, dress) })
	}
	all.Wait()
	err := errors.Join(failed...)
	for i, file := range files {
		if ready[i] == nil {
			continue
		}
		defer ready[i].close()
		if err != nil {
			err = errors.Join(err, ready[i].discard())
		} else if err = ready[i].rename(); err != nil {
			err = r.replaceError(file.Name, errors.Join(err, ready[i].discard()))
		}
	}
	if err != nil {
		return err
	}
	synced := ""
	for i, file := range files {
		if dir := filepath.Dir(file.Name); i == 0 || dir != synced {
			if err := ready[i].dir.Sync(); err != nil {
				return r.replaceError(file.Name, err)
			}
			synced = dir
		}
	}
	return nil
}

// staged is a file that is complete on disk, under a temporary name.
type staged struct {
	dir, temp *os.File
	base      string
}

func (r *Root) stage(file File, dress func(*os.File) error) (*staged, error) {
	dir, base, err := r.parent(file.Name)
	if err != nil {
		return nil, err
	}
	if err := replaceable(dir, base); err != nil {
		return nil, r.replaceError(file.Name, errors.Join(err, dir.Close()))
	}
	temp, err := createTemp(dir)
	if err != nil {
		return nil, r.replaceError(file.Name, errors.Join(err, dir.Close()))
	}
	s := &staged{dir, temp, base}
	if err := fill(temp, file.Data, dress); err != nil {
		err = r.replaceError(file.Name, errors.Join(err, s.discard()))
		s.close()
		return nil, err
	}
	return s, nil
}

// replaceable reports a device, which a file would break for everybody.
func replaceable(dir *os.File, base string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFCHR || kind == unix.S_IFBLK {
		return fmt.Errorf("%w but %s", ErrNotRegular, kinds[kind])
	}
	return nil
}

func (s *staged) rename() error {
	return unix.Renameat(int(s.dir.Fd()), s.temp.Name(), int(s.dir.Fd()), s.base)
}

func (s *staged) discard() error { return discard(s.dir, s.temp) }

// close comes after the rename: until then the lock on the file says that it has an owner.
func (s *staged) close() {
	s.temp.Close()
	s.dir.Close()
}

// Sweep removes what killed writers left in a directory below the root ("." is
// the root itself) and returns how many files that were. Files that are being
// written at this moment are left alone.
func (r *Root) Sweep(dir string) (int, error) {
	names, err := r.entries(dir)
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, name := range names {
		if !strings.HasPrefix(name, tempPrefix) {
			continue
		}
		removed, err := r.sweep(filepath.Join(dir, name))
		if err != nil {
			return swept, err
		}
		if removed {
			swept++
		}
	}
	return swept, nil
}

func (r *Root) sweep(name string) (bool, error) {
	f, err := r.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // its writer was quicker
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	} else if err != nil {
		return false, &fs.PathError{Op: "lock", Path: r.join(name), Err: err}
	}
	if err := r.Remove(name); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}

// createTemp makes a file that Sweep leaves alone until it is closed.
func createTemp(dir *os.File) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for {
		name := tempPrefix + rand.Text()
		fd, err := unix.Openat(int(dir.Fd()), name, flags, 0o600)
		if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		temp := os.NewFile(uintptr(fd), name)
		if err := lock(temp); err != nil {
			return nil, errors.Join(err, discard(dir, temp), temp.Close())
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, errors.Join(err, discard(dir, temp), temp.Close())
		}
		if st.Nlink > 0 {
			return temp, nil
		}
		// A sweep came between the open and the lock.
		if err := temp.Close(); err != nil {
			return nil, err
		}
	}
}

func lock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func fill(f *os.File, data []byte, dress func(*os.File) error) error {
	if _, err := f.Write(data); err != nil {
		return unwrapPath(err)
	}
	if err := dress(f); err != nil { // the umask had a say in the open
		return unwrapPath(err)
	}
	return unwrapPath(f.Sync())
}

func discard(dir, temp *os.File) error {
	return unix.Unlinkat(int(dir.Fd()), temp.Name(), 0)
}

func (r *Root) replaceError(name string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w (the file is as it was; free space and try again)", err)
	}
	return &fs.PathError{Op: "replace", Path: r.join(name), Err: err}
}

// makeParents makes the missing directories of name, one by one below the
// descriptor of the one before, so that no link is followed on the way.
func (r *Root) makeParents(name string, mode fs.FileMode) error {
	if err := r.check(name); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(name))
	if parent == "." {
		return nil
	}
	at := r
	for _, part := range strings.Split(parent, "/") {
		sub, err := at.enter(part, directoryMode(mode))
		if at != r {
			at.Close()
		}
		if err != nil {
			return err
		}
		at = sub
	}
	return at.Close()
}

// directoryMode lets those enter a directory who may read a file in it.
func directoryMode(file fs.FileMode) fs.FileMode {
	return file&^0o022 | file&0o444>>2 | 0o300
}

func (r *Root) enter(part string, mode fs.FileMode) (*Root, error) {
	err := unix.Mkdirat(int(r.dir.Fd()), part, uint32(mode))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "make directory", Path: r.join(part), Err: err}
	}
	made := err == nil
	dir, err := r.open(part, unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, err
	}
	if made {
		if err := errors.Join(dir.Chmod(mode), r.sync()); err != nil {
			return nil, errors.Join(err, dir.Close())
		}
	}
	return &Root{dir: dir}, nil
}

// sync makes the entries of the directory durable; the root's own descriptor is
// an O_PATH one, which can not.
func (r *Root) sync() error {
	dir, err := r.open(".", unix.O_RDONLY|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// unwrapPath drops the path of an error: the temporary file's name says nothing
// to a person.
func unwrapPath(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
