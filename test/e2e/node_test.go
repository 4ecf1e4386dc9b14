package e2e

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	. "strata/test/programs"
	"strata/test/testbed"
)

// Where no BPF file system is mounted, Strata has one at a place of its own.
func TestNodeWithoutBPFFS(t *testing.T) {
	const at = "/sys/fs/bpf"
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Mount("bpf", at, "bpf", 0, "mode=0700"); err != nil {
			t.Error(err)
		}
	})
	script := Script{Native("getpgrp"), Fork(Native("getsid", 0))}
	t.Run("recorded", func(t *testing.T) {
		eachWay(t, func(t *testing.T, w way) {
			for i := range 2 {
				name := nameOf(t, number(i))
				ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), record(name)), testbed.Calls, calls(script)...))
				finished(t, name).exactly(t, w, script.Made())
			}
		})
	})
	nothingLeft(t)
}
