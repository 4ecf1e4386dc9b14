package filter

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// stackAndProve makes two profiles of bytes, merges them in each way, and proves the compiled filter, which has
// also to answer like the set in the simulator.
func stackAndProve(t testing.TB, raw []byte) {
	t.Helper()
	d := &decoder{raw}
	abis := pick(d, someABIs)
	base, child := d.source("base", abis, someActions), d.source("child", abis, someActions)
	a, b := read(t, base), read(t, child)
	for name, merge := range map[string]func(a, b *ruleset.Set) (*ruleset.Set, error){
		"union": ruleset.Union, "override": ruleset.Override, "restrict": ruleset.Restrict,
	} {
		set, err := merge(a, b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		proof, err := Proven(set, Options{Linear: d.next(2) == 1})
		var wrong *Disagreement
		switch {
		case errors.Is(err, ruleset.ErrNotWritable), errors.Is(err, ruleset.ErrTooComplex), errors.Is(err, ErrTooLong):
			if !errors.As(err, &wrong) {
				continue
			}
		case errors.As(err, &wrong) && buggy():
			continue
		}
		if err != nil {
			t.Fatalf("%s of\n%+v and\n%+v: %v", name, base, child, err)
		}
		simulate(t, set, proof.Program)
	}
}

// buggy reports whether the installed libseccomp is one that merges 64-bit comparisons wrongly in all styles.
func buggy() bool { return false }

func simulate(t testing.TB, set *ruleset.Set, p Program) {
	t.Helper()
	calls := 0
	for call, err := range ruleset.Boundary(set) {
		if err != nil {
			t.Fatal(err)
		}
		if calls++; calls > 300 {
			return
		}
		got, err := p.Simulate(call)
		if err != nil {
			t.Fatal(err)
		}
		if want := set.At(call.ABI, call.Number, call.Args); got != want {
			t.Fatalf("%v: the program does %v, the set says %v", call, got, want)
		}
	}
}

func TestMergedSetsCompileAndAreProven(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		stackAndProve(t, genBytes().Draw(r, "bytes"))
	})
}

func FuzzStackThenCompile(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 400 {
			return
		}
		stackAndProve(t, raw)
	})
}

var _ = syscalls.Host
