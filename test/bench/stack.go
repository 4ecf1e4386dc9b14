package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// A pair is a stack and the profile that it is held below.
type pair struct {
	name    string
	layers  []string
	ceiling string
	bar     float64 // of milliseconds for reading, merging and writing
}

// pairs are what a Go server was recorded to need below the engines' default, and the worst that was found: rules that
// meet in every combination of three arguments, nearly as many as libseccomp is given.
var pairs = []pair{
	{"a recorded child below the default", []string{"base/runc", "app/go-http"}, "runtime/default", 5},
	{"the worst pair", []string{"worst/second"}, "worst/first", 0},
}

// needed are the calls that the measured program makes besides, which is one of Go's.
const needed = `"brk", "clock_gettime", "clone3", "close", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "exit", "exit_group", "fcntl", "futex",
	"getpid", "gettid", "madvise", "mmap", "mprotect", "munmap", "nanosleep", "prctl", "read", "rt_sigaction", "rt_sigprocmask",
	"rseq", "rt_sigreturn", "sched_getaffinity", "sched_yield", "seccomp", "set_robust_list", "sigaltstack", "tgkill", "write"`

// worstPair writes profiles of which one looks at the first and third argument of clone, the other at the second, on
// all ABIs of this machine.
func worstPair(directory string) error {
	if err := os.Mkdir(filepath.Join(directory, "worst"), 0o755); err != nil {
		return err
	}
	const values = 6
	equal := func(argument, n int) string {
		return fmt.Sprintf(`{"index": %d, "value": %d, "op": "SCMP_CMP_EQ"}`, argument, 5*n+1)
	}
	var first, second []string
	for i := range values {
		for j := range values {
			first = append(first, equal(0, i)+","+equal(2, j))
		}
		second = append(second, equal(1, i))
	}
	var arches []string
	for _, abi := range append(syscalls.Host().Beside(), syscalls.Host()) {
		arches = append(arches, strconv.Quote(abi.Arch()))
	}
	for name, conditions := range map[string][]string{"first": first, "second": second} {
		rules := []string{`{"names": [` + needed + `], "action": "SCMP_ACT_ALLOW"}`}
		for _, c := range conditions {
			rules = append(rules, `{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [`+c+`]}`)
		}
		text := fmt.Sprintf(`{"defaultAction": "SCMP_ACT_ERRNO", "architectures": [%s], "syscalls": [%s]}`,
			strings.Join(arches, ","), strings.Join(rules, ","))
		if err := os.WriteFile(filepath.Join(directory, "worst", name+".json"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// measureStacking times what merging profiles takes, and compares a system call under the merged filter with one under
// both filters, under each alone and under none.
func measureStacking(rounds int) (figures []Figure, err error) {
	worst, err := os.MkdirTemp("", "strata-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(worst)) }()
	if err := worstPair(worst); err != nil {
		return nil, err
	}
	library := stack.Library{Dirs: []string{"profiles", worst}}
	for _, p := range pairs {
		more, err := p.measure(rounds, library)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

func (p pair) measure(rounds int, library stack.Library) ([]Figure, error) {
	var merging, proving []float64
	var merged *filter.Proof
	for range rounds {
		begin := time.Now()
		set, err := merge(library, p.layers, p.ceiling)
		if err != nil {
			return nil, err
		}
		merging = append(merging, milliseconds(time.Since(begin)))
		begin = time.Now()
		if merged, err = filter.Proven(set, filter.Options{}); err != nil {
			return nil, err
		}
		proving = append(proving, milliseconds(time.Since(begin)))
	}
	alone := [2]*filter.Proof{}
	for i, layers := range [][]string{{p.ceiling}, p.layers} {
		set, err := merge(library, layers, "")
		if err != nil {
			return nil, err
		}
		if alone[i], err = filter.Proven(set, filter.Options{}); err != nil {
			return nil, err
		}
	}
	figures := []Figure{
		figure("stacking "+p.name+": read, merge and write", "ms", p.bar, merging),
		figure("  compile with libseccomp in both layouts and prove (kept for the next container)", "ms", 0, proving),
		count("  rules", len(merged.Rules)),
		count("  instructions of the merged filter", len(merged.Program)),
		count("  instructions of both filters, installed one after the other", len(alone[0].Program)+len(alone[1].Program)),
	}
	for _, call := range []string{"gettid", "clone"} {
		costs, err := compareCosts(rounds, call, merged, alone)
		if err != nil {
			return nil, err
		}
		figures = append(figures, costs...)
	}
	return figures, nil
}

func count(name string, n int) Figure { return figure(name, "", 0, []float64{float64(n)}) }

// compareCosts compares a call under the merged filter with the same under others.
func compareCosts(rounds int, call string, merged *filter.Proof, alone [2]*filter.Proof) ([]Figure, error) {
	cases := []struct {
		under   string
		filters []*filter.Proof
	}{
		{"none", nil}, {"the ceiling's alone", alone[:1]}, {"the stack's alone", alone[1:]},
		{"both filters", alone[:]}, {"the merged filter", []*filter.Proof{merged}},
	}
	ratios := make([][]float64, len(cases))
	var slowest []float64
	for range rounds {
		var ns [5]float64
		for i, c := range cases {
			var err error
			if ns[i], err = costBelow(call, c.filters...); err != nil {
				return nil, err
			}
			ratios[i] = append(ratios[i], ns[i]/ns[0])
		}
		slowest = append(slowest, ns[4]/max(ns[1], ns[2]))
	}
	var figures []Figure
	for i, c := range cases[1:] {
		figures = append(figures, figure(fmt.Sprintf("  %s under %s / under none", call, c.under), "x", 0, ratios[i+1]))
	}
	// A twentieth is what two measurements of the same differ by.
	return append(figures, figure(fmt.Sprintf("  %s under the merged filter / under the slower one alone", call), "x", 1.05, slowest)), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// merge merges layers as a container's start does, from the files on disk to the bytes of the profile.
func merge(library stack.Library, layers []string, ceiling string) (*ruleset.Set, error) {
	plan := stack.Plan{Overlap: ruleset.Strictest}
	var err error
	if plan.Layers, err = loadAll(library, layers); err != nil {
		return nil, err
	}
	if ceiling != "" {
		if plan.Ceilings, err = loadAll(library, []string{ceiling}); err != nil {
			return nil, err
		}
	}
	if plan.Machine, err = thisMachine(); err != nil {
		return nil, err
	}
	s, err := plan.Build()
	if err != nil {
		return nil, err
	}
	if s.Set, _, err = ruleset.Writable(s.Set); err != nil {
		return nil, err
	}
	rules, err := s.Set.Rules(ruleset.Short)
	if err != nil {
		return nil, err
	}
	_, _, err = s.Document(rules).Write(profile.OCI)
	return s.Set, err
}

func loadAll(library stack.Library, names []string) ([][]*profile.Profile, error) {
	references := make([]reference.Reference, len(names))
	for i, name := range names {
		var err error
		if references[i], err = reference.Parse(name); err != nil {
			return nil, err
		}
	}
	chains, _, err := library.LoadAll(references)
	return chains, err
}

func thisMachine() (profile.Machine, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return profile.Machine{}, err
	}
	kernel, ok := profile.ParseRelease(unix.ByteSliceToString(uts.Release[:]))
	if !ok {
		return profile.Machine{}, errors.New("the kernel's release is no version")
	}
	return profile.Machine{Native: syscalls.Host(), Kernel: kernel}, nil
}

// costBelow is the cost of a call in a process that has installed the filters, in their order: all but the last have to
// allow seccomp(2).
func costBelow(call string, filters ...*filter.Proof) (cost float64, err error) {
	w, err := startWorker()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	for _, f := range filters {
		if _, err := w.tell("load " + base64.StdEncoding.EncodeToString(f.Program.Bytes())); err != nil {
			return 0, err
		}
	}
	return w.cost(call)
}

// load installs a filter that is given as text.
func load(text string) error {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	program, err := filter.Parse(raw)
	if err != nil {
		return err
	}
	return filter.Load(program, 0)
}
