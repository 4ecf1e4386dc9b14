package recording

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Locks are byte ranges of two files, one byte for each thing that is locked, so that no file is left behind for each
// container or output. They belong to open file descriptions (fcntl(2), F_OFD_SETLK): goroutines of one process exclude
// each other too, and the kernel drops them with a process that is killed. Two things that share a byte wait for each
// other, no more. A container's lock is taken before its output's, never after.
const (
	runningLocks = "running.lock"
	outputLocks  = "outputs.lock"
)

// lock waits for the lock of key. The lock is dropped when the file is closed.
func lock(dir, file, key string) (*os.File, error) {
	return take(dir, file, key, unix.F_OFD_SETLKW)
}

// tryLock is lock without waiting: nil, nil says that somebody else holds it.
func tryLock(dir, file, key string) (*os.File, error) {
	f, err := take(dir, file, key, unix.F_OFD_SETLK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, nil
	}
	return f, err
}

func take(dir, file, key string, command int) (*os.File, error) {
	path := filepath.Join(dir, file)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	place := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(h.Sum64() >> 2), Len: 1}
	for {
		err := unix.FcntlFlock(f.Fd(), command, &place)
		switch err {
		case nil:
			return f, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN, unix.EACCES:
			f.Close()
			return nil, err
		default:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}
