package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"strata/internal/recorder"
)

// A worker's arguments: the second one says that it is executed for the second time.
const (
	workerArgument = "worker"
	executed       = "executed"
)

// work is a process that makes system calls when it is told to. It reads lines: "filter" puts it under a seccomp
// filter and executes it anew, as a container's program is, "load PROGRAM" puts it under that one, and "getppid N" and
// others make N calls and answer with the nanoseconds that each took.
func work(commands io.Reader, answers io.Writer) error {
	runtime.LockOSThread()
	if os.Args[len(os.Args)-1] == executed {
		if _, err := fmt.Fprintln(answers, 0); err != nil { // to "filter"
			return err
		}
	}
	lines := bufio.NewScanner(commands)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch command, argument, _ := strings.Cut(lines.Text(), " "); command {
		case "filter":
			if err := allowAll(); err != nil {
				return err
			}
			return unix.Exec("/proc/self/exe", []string{"bench", workerArgument, executed}, os.Environ())
		case "load":
			if err := load(argument); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(answers, 0); err != nil {
				return err
			}
		case "getppid", "gettid", "clone":
			n, err := strconv.Atoi(argument)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(answers, "%f\n", loop(command, n)); err != nil {
				return err
			}
		default:
			return fmt.Errorf("command %q", command)
		}
	}
	return lines.Err()
}

// loop makes n calls and gives the nanoseconds of each. Its clone has flags that the kernel refuses at once.
func loop(call string, n int) float64 {
	number, argument := uintptr(unix.SYS_GETPPID), uintptr(0)
	switch call {
	case "gettid":
		number = unix.SYS_GETTID
	case "clone":
		number, argument = unix.SYS_CLONE, unix.CLONE_SIGHAND
	}
	begin := time.Now()
	for range n {
		unix.RawSyscall(number, argument, 0, 0)
	}
	return float64(time.Since(begin).Nanoseconds()) / float64(n)
}

// allowAll installs a filter that allows everything, for all threads.
func allowAll() error {
	program := []unix.SockFilter{{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW}}
	whole := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&whole)))
	if errno != 0 {
		return errno
	}
	return nil
}

// A worker is such a process, in a mount namespace of its own.
type worker struct {
	*exec.Cmd
	commands io.WriteCloser
	answers  *bufio.Reader
}

func startWorker(under ...string) (*worker, error) {
	arguments := append(slices.Clone(under), "/proc/self/exe", workerArgument)
	if len(under) > 0 { // under a tracer /proc/self would be the tracer's
		own, err := os.Executable()
		if err != nil {
			return nil, err
		}
		arguments[len(under)] = own
	}
	w := &worker{Cmd: exec.Command(arguments[0], arguments[1:]...)}
	w.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	w.Stderr = os.Stderr
	stdin, err := w.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := w.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.commands, w.answers = stdin, bufio.NewReader(stdout)
	return w, w.Start()
}

func (w *worker) tell(command string) (float64, error) {
	if _, err := fmt.Fprintln(w.commands, command); err != nil {
		return 0, err
	}
	answer, err := w.answers.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("%.20s: %w", command, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(answer), 64)
}

func (w *worker) end() error {
	w.commands.Close()
	return w.Wait()
}

// cost is the nanoseconds of a call: the least of several loops, which the machine's other work disturbs least.
func (w *worker) cost(call string) (float64, error) {
	const loops, calls = 7, 100_000
	least := 0.0
	for range loops {
		ns, err := w.tell(fmt.Sprint(call, " ", calls))
		if err != nil {
			return 0, err
		}
		if least == 0 || ns < least {
			least = ns
		}
	}
	return least, nil
}

// measureCalls gives the ratios of a call's cost with recordings to the cost without.
func measureCalls(rounds int) ([]Figure, error) {
	var figures []Figure
	for _, denied := range []bool{false, true} {
		extra, with := 0.0, ""
		if denied {
			extra, with = 0.15, ", with denials"
		}
		for _, recordings := range []int{1, 10, 100} {
			var samples [4][]float64
			for range rounds {
				ratios, err := roundOfCalls(recordings, denied)
				if err != nil {
					return nil, err
				}
				for i, ratio := range ratios {
					samples[i] = append(samples[i], ratio)
				}
			}
			of := fmt.Sprintf(", %d recorded%s", recordings, with)
			own := 1.25
			if denied {
				own = 1.45
			}
			figures = append(figures,
				figure("a call in a recorded container"+of, "x", own, samples[0]),
				figure("in another container"+of, "x", 1.30+extra, samples[1]),
				figure("elsewhere"+of, "x", 1.20+extra, samples[2]),
				figure("elsewhere, when nothing is recorded any more", "x", 0, samples[3]))
		}
	}
	floor, err := floors(rounds)
	if err != nil {
		return nil, err
	}
	figures = append(figures,
		figure("for comparison: an empty BPF program, under a filter", "x", 0, floor[0]),
		figure("for comparison: an empty BPF program, elsewhere", "x", 0, floor[1]))
	traced, err := costUnder(rounds, "strace", "-f", "-o", "/dev/null")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		figures = append(figures, figure("for comparison: a call under strace", "x", 0, traced))
	}
	return figures, nil
}

// roundOfCalls measures four ratios: recorded, in another container, elsewhere, and elsewhere afterwards.
func roundOfCalls(recordings int, denied bool) (ratios [4]float64, err error) {
	state, err := os.MkdirTemp("", "strata-bench-")
	if err != nil {
		return ratios, err
	}
	defer os.RemoveAll(state)
	defer unix.Unmount(state+"/bpf", unix.MNT_DETACH)
	node, err := recorder.Open(state)
	if err != nil {
		return ratios, err
	}
	var workers []*worker
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.end())
		}
	}()
	for range recordings + 2 {
		w, err := startWorker()
		if err != nil {
			return ratios, err
		}
		workers = append(workers, w)
	}
	elsewhere, other, recorded := workers[0], workers[1], workers[2:]
	if _, err := other.tell("filter"); err != nil {
		return ratios, err
	}
	costs := func(of ...*worker) (ns []float64, err error) {
		for _, w := range of {
			cost, err := w.cost("getppid")
			if err != nil {
				return nil, err
			}
			ns = append(ns, cost)
		}
		return ns, nil
	}
	without, err := costs(elsewhere, other)
	if err != nil {
		return ratios, err
	}
	var handles []recorder.Handle
	for _, w := range recorded {
		err := node.Track(w.Process.Pid, recorder.Options{Denied: denied}, func(h recorder.Handle) error {
			handles = append(handles, h)
			return nil
		})
		if err != nil {
			return ratios, err
		}
		if _, err := w.tell("filter"); err != nil {
			return ratios, err
		}
	}
	with, err := costs(elsewhere, other, recorded[0])
	if err != nil {
		return ratios, err
	}
	for _, h := range handles {
		if err := node.LetGo(h); err != nil {
			return ratios, err
		}
	}
	after, err := costs(elsewhere)
	if err != nil {
		return ratios, err
	}
	return [4]float64{with[2] / without[1], with[1] / without[1], with[0] / without[0], after[0] / without[0]}, nil
}

// floors are the ratios of a call's cost when the kernel runs a BPF program at its entry that does nothing: for a
// process under a filter and for one without. No recorder that is told of system calls can cost less.
func floors(rounds int) (ratios [2][]float64, err error) {
	for range rounds {
		for i, filtered := range []bool{true, false} {
			ratio, err := floor(filtered)
			if err != nil {
				return ratios, err
			}
			ratios[i] = append(ratios[i], ratio)
		}
	}
	return ratios, nil
}

func floor(filtered bool) (ratio float64, err error) {
	w, err := startWorker()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	if filtered {
		if _, err := w.tell("filter"); err != nil {
			return 0, err
		}
	}
	without, err := w.cost("getppid")
	if err != nil {
		return 0, err
	}
	empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.RawTracepoint,
		License:      "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return 0, err
	}
	defer empty.Close()
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_enter", Program: empty})
	if err != nil {
		return 0, err
	}
	defer attached.Close()
	with, err := w.cost("getppid")
	return with / without, err
}

// costUnder is the ratio of a call's cost under another tracer to the untraced cost.
func costUnder(rounds int, tracer ...string) ([]float64, error) {
	if _, err := exec.LookPath(tracer[0]); err != nil {
		return nil, err
	}
	var ratios []float64
	for range rounds {
		var ns [2]float64
		for i, under := range [][]string{nil, tracer} {
			w, err := startWorker(under...)
			if err != nil {
				return nil, err
			}
			if ns[i], err = w.tell("getppid 20000"); err != nil {
				return nil, err
			}
			if err := w.end(); err != nil {
				return nil, err
			}
		}
		ratios = append(ratios, ns[1]/ns[0])
	}
	return ratios, nil
}
