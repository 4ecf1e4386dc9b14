package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"strata/internal/syscalls"
)

// ErrGone says that a recording's table is not in the kernel any more: it was let go, or the machine was restarted.
var ErrGone = errors.New("recording is not in the kernel any more")

// Options say what a recording is to note.
type Options struct {
	// Unfiltered: the container has no seccomp filter, so its calls count from the execve of its program on.
	Unfiltered bool `json:"unfiltered,omitempty"`
	// Denied: also note which calls the container's present filter answered itself.
	Denied bool `json:"denied,omitempty"`
}

// A Handle names a recording in the kernel. It is to be kept on disk while the container runs.
type Handle struct {
	// Set is the directory with the pinned maps and programs.
	Set string `json:"set"`
	// Recording is its key there.
	Recording uint64 `json:"recording"`
}

// A recording's key is the time at which it began, in ns since boot, with its options in the lowest bits. So the keys
// alone tell which programs are still needed.
const (
	keyBits    = 2
	keyDenied  = 1 << 0
	keyUnbound = 1 << 1
)

// Seen is a system call and when it was first made, to about a millisecond.
type Seen struct {
	Number uint32
	First  time.Time
	// ByRuntime: the runtime made it under the container's filter, on its way to execute a program there.
	ByRuntime bool
	// ByProgram: a program made it that was executed in the container, or a process that descends from one.
	ByProgram bool
}

// A Result is what a recording holds.
type Result struct {
	// Calls are those that the container made, in the order of their numbers; without an ABI that was not used.
	Calls map[syscalls.ABI][]Seen
	// Denied are those that its filter answered; without the time.
	Denied map[syscalls.ABI][]uint32
	// Processes counts the container's processes.
	Processes uint64
	// Beyond counts calls with numbers that no table has; the kernel answers them with ENOSYS.
	Beyond uint64
	// Failures counts what could not be noted: children that could not be followed for want of memory, and runs of
	// the programs that the kernel left out. A recording with failures may lack calls.
	Failures uint64
}

// A Node is this machine's recorder.
type Node struct {
	state string
}

// Open gives the node's recorder, which keeps its lock, and where /sys/fs/bpf is not mounted its pins, in the
// directory state.
func Open(state string) (*Node, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("recorder: %w", err)
	}
	return &Node{state: state}, nil
}

// lock serialises the changes of pinned sets between processes. The kernel releases it when its holder dies.
func (n *Node) lock() (unlock func(), err error) {
	path := filepath.Join(n.state, "recorder.lock")
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("recorder: lock %s: %w", path, err)
	}
	for {
		err = unix.Flock(fd, unix.LOCK_EX)
		if err == nil {
			return func() { unix.Close(fd) }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			unix.Close(fd)
			return nil, fmt.Errorf("recorder: lock %s: %w", path, err)
		}
	}
}

// Track begins to record the container whose init is the process pid, a number of the hook's PID namespace. save is
// given the recording's handle before anything is recorded, to be written to disk: so a recording in the kernel is
// always known on disk, whenever the hook is killed. When Track fails, nothing is recorded.
func (n *Node) Track(pid int, o Options, save func(Handle) error) error {
	init, err := findInit(pid)
	if err != nil {
		return err
	}
	defer init.close()
	unlock, err := n.lock()
	if err != nil {
		return err
	}
	defer unlock()
	pins, err := pinDirectory(n.state)
	if err != nil {
		return err
	}
	directory := filepath.Join(pins, layout())
	s, err := openSet(directory, mapsOfEachSet...)
	if err == nil && !s.complete() {
		s.close()
		err = ErrGone
	}
	if errors.Is(err, ErrGone) {
		s, err = newSet(directory)
	}
	if err != nil {
		return err
	}
	defer s.close()
	handle, err := s.track(init, o, save)
	if err != nil {
		return errors.Join(err, s.letGo(handle.Recording))
	}
	return nil
}

func (s *set) track(init *initProcess, o Options, save func(Handle) error) (Handle, error) {
	names := alwaysNeeded
	flags := uint32(0)
	key := sinceBoot() << keyBits
	if o.Denied {
		names = append(names[:len(names):len(names)], whenDenied...)
		flags |= flagDenied
		key |= keyDenied
	}
	if o.Unfiltered {
		names = append(names[:len(names):len(names)], whenOpen...)
		flags |= flagOpen
		key |= keyUnbound
	}
	if init.filters > 0 {
		flags |= flagOuter
	}
	handle := Handle{Set: s.directory, Recording: key}
	if err := s.attach(names...); err != nil {
		return handle, err
	}
	skipped, err := s.skipped()
	if err != nil {
		return handle, err
	}
	if err := save(handle); err != nil {
		return handle, err
	}
	fresh := &table{Processes: 1, Flags: flags, Outer: init.filters, Skipped: skipped, Began: sinceBoot()}
	if err := s.maps["recordings"].Update(key, fresh, ebpf.UpdateNoExist); err != nil {
		return handle, fmt.Errorf("begin recording: %w", err)
	}
	flags |= flagInit
	if o.Unfiltered {
		flags |= flagWaiting
	}
	if init.sharedMounts {
		flags |= flagShared
	}
	first := &member{Recording: key, Flags: flags, Outer: init.filters}
	if err := s.maps["members"].Update(int32(init.pidfd), first, ebpf.UpdateAny); err != nil {
		return handle, fmt.Errorf("record process %d: %w", init.pid, err)
	}
	return handle, s.advanceEpoch()
}

// Harvest reads a recording. ErrGone if it is not in the kernel any more.
func (n *Node) Harvest(h Handle) (*Result, error) {
	s, err := n.setOf(h, "recordings")
	if err != nil {
		return nil, err
	}
	defer s.close()
	var t table
	err = s.maps["recordings"].Lookup(h.Recording, &t)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	skipped, err := s.skipped()
	if err != nil {
		return nil, err
	}
	return t.result(skipped), nil
}

func (t *table) result(skipped uint64) *Result {
	began := time.Now().Add(-time.Duration(sinceBoot() - t.Began))
	r := &Result{
		Calls:     map[syscalls.ABI][]Seen{},
		Denied:    map[syscalls.ABI][]uint32{},
		Processes: t.Processes,
		Beyond:    t.Beyond,
		Failures:  t.Failures + max(skipped, t.Skipped) - t.Skipped,
	}
	for i, abi := range abis {
		for slot := range calls {
			runtime, program := t.First[0][i][slot], t.First[1][i][slot]
			if runtime == 0 && program == 0 {
				continue
			}
			r.Calls[abi] = append(r.Calls[abi], Seen{
				Number:    number(abi, slot),
				First:     began.Add(time.Duration(min(runtime-1, program-1)) * momentUnit), // 0-1 is the latest of all
				ByRuntime: runtime != 0,
				ByProgram: program != 0,
			})
		}
		for slot, denied := range t.Denied[i] {
			if denied != 0 {
				r.Denied[abi] = append(r.Denied[abi], number(abi, slot))
			}
		}
	}
	return r
}

// LetGo ends a recording. With the last one, the programs and maps go. A recording that is gone already is no error.
func (n *Node) LetGo(h Handle) error {
	unlock, err := n.lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, err := n.setOf(h, "recordings", "namespaces")
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.close()
	return s.letGo(h.Recording)
}

// letGo removes a recording and what only that one needed.
func (s *set) letGo(key uint64) error {
	var t table
	err := s.maps["recordings"].Lookup(key, &t)
	if err == nil && t.MountNamespace != 0 {
		err = s.maps["namespaces"].Delete(t.MountNamespace)
	}
	if err == nil || errors.Is(err, ebpf.ErrKeyNotExist) {
		err = s.maps["recordings"].Delete(key)
	}
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("end recording: %w", err)
	}
	return s.tidy()
}

// tidy takes away the programs that no recording of the set needs, and the set itself when it has none.
func (s *set) tidy() error {
	keys, err := s.recordings()
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return removeSet(s.directory)
	}
	var wanted uint64
	for _, key := range keys {
		wanted |= key
	}
	if wanted&keyDenied == 0 {
		err = s.detach(whenDenied...)
	}
	if err == nil && wanted&keyUnbound == 0 {
		err = s.detach(whenOpen...)
	}
	return err
}

// Sweep removes sets that an interrupted hook left without any recording.
func (n *Node) Sweep() error {
	unlock, err := n.lock()
	if err != nil {
		return err
	}
	defer unlock()
	var failed []error
	for _, pins := range pinDirectories(n.state) {
		entries, err := os.ReadDir(pins)
		if err != nil {
			failed = append(failed, fmt.Errorf("pins: %w", err))
			continue
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), layoutVersion+"-") {
				failed = append(failed, sweepSet(filepath.Join(pins, entry.Name())))
			}
		}
	}
	return errors.Join(failed...)
}

func sweepSet(directory string) error {
	s, err := openSet(directory, "recordings")
	if errors.Is(err, ErrGone) {
		return removeSet(directory)
	}
	if err != nil {
		return err
	}
	defer s.close()
	return s.tidy()
}

// setOf opens maps of a handle's set, which comes from a file that only root can write, but not from this program.
func (n *Node) setOf(h Handle, maps ...string) (*set, error) {
	name := filepath.Base(h.Set)
	for _, pins := range pinDirectories(n.state) {
		if filepath.Join(pins, name) != h.Set {
			continue
		}
		if !strings.HasPrefix(name, layoutVersion+"-") {
			return nil, fmt.Errorf("recording of another version of Strata (%s): end it with that version's strata-hook gc", name)
		}
		return openSet(h.Set, maps...)
	}
	return nil, ErrGone
}

// sinceBoot is CLOCK_BOOTTIME in ns, the clock of the tables.
func sinceBoot() uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic("clock_gettime: " + err.Error()) // has no failure for this clock
	}
	return uint64(now.Nano())
}

// initProcess is what Track needs to know of a container's init.
type initProcess struct {
	pid          int
	pidfd        int
	filters      uint32 // seccomp filters that it stands under already
	sharedMounts bool   // its mount namespace is the hook's own
}

func (p *initProcess) close() { unix.Close(p.pidfd) }

func findInit(pid int) (*initProcess, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("process %d: not a process id", pid)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	p := &initProcess{pid: pid, pidfd: pidfd}
	directory := "/proc/" + strconv.Itoa(pid)
	if p.filters, err = filtersOf(directory + "/status"); err == nil {
		p.sharedMounts, err = sameNamespace(directory+"/ns/mnt", "/proc/self/ns/mnt")
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return p, nil
}

// filtersOf reads how many seccomp filters a process has (proc(5): Seccomp_filters, since Linux 5.9).
func filtersOf(status string) (uint32, error) {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "Seccomp_filters:"); ok {
			count, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			return uint32(count), err
		}
	}
	return 0, nil
}

func sameNamespace(a, b string) (bool, error) {
	var of [2]unix.Stat_t
	for i, path := range []string{a, b} {
		if err := unix.Stat(path, &of[i]); err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
	}
	return of[0].Ino == of[1].Ino && of[0].Dev == of[1].Dev, nil
}
