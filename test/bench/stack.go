package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// The stack that is measured: what a Go server was recorded to need, below the engines' default as a ceiling.
var (
	serverLayers = []string{"base/runc", "app/go-http"}
	ceilingLayer = "runtime/default"
)

// measureStacking times what merging profiles takes, and compares a system call under the merged filter with one under
// both filters, under each alone and under none.
func measureStacking(rounds int) ([]Figure, error) {
	var merging, proving []float64
	var merged, server, ceiling *filter.Proof
	for range rounds {
		begin := time.Now()
		set, err := stacked(serverLayers, ceilingLayer)
		if err != nil {
			return nil, err
		}
		merging = append(merging, milliseconds(time.Since(begin)))
		begin = time.Now()
		if merged, err = proof(set); err != nil {
			return nil, err
		}
		proving = append(proving, milliseconds(time.Since(begin)))
	}
	for _, part := range []struct {
		layers []string
		into   **filter.Proof
	}{{serverLayers, &server}, {[]string{ceilingLayer}, &ceiling}} {
		set, err := stacked(part.layers, "")
		if err != nil {
			return nil, err
		}
		if *part.into, err = proof(set); err != nil {
			return nil, err
		}
	}
	figures := []Figure{
		figure("stacking a recorded child below the default: read and merge", "ms", 5, merging),
		figure("  compile with libseccomp in both layouts and prove (kept for the next container)", "ms", 0, proving),
		figure("  instructions of the merged filter", "", 0, []float64{float64(len(merged.Program))}),
		figure("  instructions of both filters, installed one after the other", "", 0,
			[]float64{float64(len(server.Program) + len(ceiling.Program))}),
	}
	for _, call := range []string{"gettid", "clone"} {
		var ratios [4][]float64
		for range rounds {
			none, err := costBelow(call)
			if err != nil {
				return nil, err
			}
			for i, filters := range [][]*filter.Proof{{merged}, {ceiling, server}, {server}, {ceiling}} {
				with, err := costBelow(call, filters...)
				if err != nil {
					return nil, err
				}
				ratios[i] = append(ratios[i], with/none)
			}
		}
		for i, under := range []string{"the merged filter", "both filters", "the child's alone", "the default alone"} {
			figures = append(figures, figure(fmt.Sprintf("  %s under %s / under none", call, under), "x", 0, ratios[i]))
		}
	}
	return figures, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// stacked merges layers as a container's start does, from the files on disk on.
func stacked(layers []string, ceiling string) (*ruleset.Set, error) {
	library := stack.Library{Dirs: []string{"profiles"}}
	load := func(names ...string) (chains [][]*profile.Profile, err error) {
		for _, name := range names {
			parsed, err := reference.Parse(name)
			if err != nil {
				return nil, err
			}
			chain, _, err := library.Load(parsed)
			if err != nil {
				return nil, err
			}
			chains = append(chains, chain)
		}
		return chains, nil
	}
	plan := stack.Plan{Overlap: ruleset.Strictest}
	var err error
	if plan.Layers, err = load(layers...); err != nil {
		return nil, err
	}
	if ceiling != "" {
		if plan.Ceilings, err = load(ceiling); err != nil {
			return nil, err
		}
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, err
	}
	kernel, ok := profile.ParseRelease(unix.ByteSliceToString(uts.Release[:]))
	if !ok {
		return nil, errors.New("the kernel's release is no version")
	}
	plan.Machine = profile.Machine{Native: syscalls.Host(), Kernel: kernel}
	s, err := plan.Build()
	if err != nil {
		return nil, err
	}
	return s.Set, nil
}

func proof(set *ruleset.Set) (*filter.Proof, error) {
	writable, _, err := ruleset.Writable(set)
	if err != nil {
		return nil, err
	}
	return filter.Proven(writable, filter.Options{})
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
