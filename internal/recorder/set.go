package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A set is the pinned maps and programs that serve all recordings of one layout.
type set struct {
	directory string
	maps      map[string]*ebpf.Map
	kernel    *kernelTypes       // read when a program is to be loaded
	programs  map[string]program // likewise
}

// Programs by what needs them. A set is complete when the maps and the always needed programs' links are pinned.
var (
	alwaysNeeded  = []string{"enter", "newtask", "executed"}
	whenDenied    = []string{"leave"}
	whenOpen      = []string{"enter_open"}
	everyProgram  = []string{"enter", "newtask", "leave", "executed", "enter_open"}
	mapsOfEachSet = []string{"members", "recordings", "namespaces", "epoch"}
)

// The pins of a program: the link keeps it attached, the program itself tells how often it was skipped.
func linkPin(name string) string    { return name + "_link" }
func programPin(name string) string { return name + "_program" }

func (s *set) path(pin string) string { return filepath.Join(s.directory, pin) }

func (s *set) close() {
	for _, m := range s.maps {
		m.Close()
	}
}

// openSet opens pinned maps of a set, those that are needed; ErrGone if one is not there.
func openSet(directory string, maps ...string) (*set, error) {
	s := &set{directory: directory, maps: map[string]*ebpf.Map{}}
	for _, name := range maps {
		m, err := ebpf.LoadPinnedMap(s.path(name), nil)
		if err != nil {
			s.close()
			if errors.Is(err, os.ErrNotExist) {
				return nil, ErrGone
			}
			return nil, fmt.Errorf("pinned map %s: %w", name, err)
		}
		s.maps[name] = m
	}
	return s, nil
}

func (s *set) attached(name string) bool {
	_, err := os.Lstat(s.path(linkPin(name)))
	return err == nil
}

func (s *set) complete() bool {
	for _, name := range alwaysNeeded {
		if !s.attached(name) {
			return false
		}
	}
	return true
}

// newSet makes and pins the maps of a set. What an interrupted hook left in the directory is removed first; there can
// be no recording in it, because recordings begin after a set is complete and end before it is taken apart.
func newSet(directory string) (*set, error) {
	if err := removeSet(directory); err != nil {
		return nil, err
	}
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, fmt.Errorf("pins: %w", err)
	}
	s := &set{directory: directory, maps: map[string]*ebpf.Map{}}
	for name, spec := range mapSpecs() {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
		s.maps[name] = m
		if err := m.Pin(s.path(name)); err != nil {
			s.close()
			return nil, fmt.Errorf("pin map %s: %w", name, err)
		}
	}
	return s, nil
}

// attach loads, attaches and pins the programs that are not attached yet.
func (s *set) attach(names ...string) error {
	for _, name := range names {
		if s.attached(name) {
			continue
		}
		if err := s.attachOne(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *set) attachOne(name string) (err error) {
	if s.kernel == nil {
		if s.kernel, err = readKernelTypes(); err != nil {
			return err
		}
		if s.programs, err = readObject(object); err != nil {
			return err
		}
	}
	loaded, err := s.programs[name].load(s.maps, s.kernel)
	if err != nil {
		return err
	}
	defer loaded.Close()
	if err := s.unpin(programPin(name)); err != nil { // of an interrupted hook
		return err
	}
	if err := loaded.Pin(s.path(programPin(name))); err != nil {
		return fmt.Errorf("pin program %s: %w", name, err)
	}
	attached, err := link.AttachTracing(link.TracingOptions{Program: loaded, AttachType: ebpf.AttachTraceRawTp})
	if err != nil {
		return fmt.Errorf("attach program %s: %w", name, err)
	}
	defer attached.Close()
	if err := attached.Pin(s.path(linkPin(name))); err != nil {
		return fmt.Errorf("pin link of program %s: %w", name, err)
	}
	return nil
}

// detach takes away programs that no recording needs any more.
func (s *set) detach(names ...string) error {
	for _, name := range names {
		for _, pin := range []string{linkPin(name), programPin(name)} {
			if err := s.unpin(pin); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpin removes a pin if it is there.
func (s *set) unpin(pin string) error {
	if err := unix.Unlink(s.path(pin)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unpin %s: %w", pin, err)
	}
	return nil
}

// removeSet unpins a set: links first, so that an interrupted removal leaves what openSet calls incomplete.
func removeSet(directory string) error {
	s := &set{directory: directory}
	if err := s.detach(everyProgram...); err != nil {
		return err
	}
	for _, name := range mapsOfEachSet {
		if err := s.unpin(name); err != nil {
			return err
		}
	}
	if err := os.Remove(directory); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("pins: %w", err)
	}
	return nil
}

// skipped is how often the kernel has left out one of the programs that note calls, because it already ran on that
// processor. On the kernels of today that cannot happen at a system call's entry; a recording in which it did is not whole.
func (s *set) skipped() (uint64, error) {
	var sum uint64
	for _, name := range []string{"enter", "newtask", "enter_open"} {
		misses, err := recursionMisses(s.path(programPin(name)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("pinned program %s: %w", name, err)
		}
		sum += misses
	}
	return sum, nil
}

// advanceEpoch makes every task that was found to belong to no recording be looked at again. The programs count on from
// the epoch, which is a time in ns, so none comes twice.
func (s *set) advanceEpoch() error {
	if err := s.maps["epoch"].Update(uint32(0), sinceBoot(), ebpf.UpdateExist); err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	return nil
}

// recordings lists the recordings of a set.
func (s *set) recordings() ([]uint64, error) {
	var keys []uint64
	var at any // nil: from the beginning
	for range mostRecordings + 1 {
		var next uint64
		err := s.maps["recordings"].NextKey(at, &next)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return keys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list recordings: %w", err)
		}
		keys = append(keys, next)
		at = next
	}
	return nil, errors.New("list recordings: no end")
}
