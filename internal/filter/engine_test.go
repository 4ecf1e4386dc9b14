package filter

import (
	"errors"
	"math/rand"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// TestProfilesAreReadAsEnginesCompileThem gives libseccomp rules as they stand in a profile, in their order, and
// compares its filter with what is read. Left out are profiles that libseccomp 2.5 is known to compile wrongly or not at
// all: such that contradict themselves, also behind socketcall, or compare one call in several rules for more than
// equality. The layout is the one in which it makes no other mistakes (see TestWrongFiltersOfLibseccompAreRefused).
func TestProfilesAreReadAsEnginesCompileThem(t *testing.T) {
	same := 0
	for seed := range int64(3000) {
		raw := make([]byte, 150)
		rand.New(rand.NewSource(seed)).Read(raw)
		d := &decoder{raw}
		src := d.source("p", pick(d, someABIs), someActions)
		set, err := ruleset.Read(src, ruleset.Options{})
		if errors.Is(err, ruleset.ErrContradiction) || !plain(src) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compile(src.Default, src.Rules, src.ABIs, Options{})
		if errors.Is(err, unix.EEXIST) && slices.Contains(src.ABIs, syscalls.X86) {
			continue
		}
		if err != nil {
			t.Fatalf("%+v: %v", src, err)
		}
		switch err := Prove(set, c); {
		case errors.Is(err, ErrUnenforceable):
		case err != nil:
			t.Errorf("%+v: %v", src, err)
		default:
			same++
		}
	}
	if same < 700 {
		t.Errorf("only %d profiles were compared", same)
	}
}

// plain reports whether each call has nothing but equalities, or one rule with one other comparison.
func plain(src ruleset.Source) bool {
	rules, orders := map[string]int{}, map[string]int{}
	for _, r := range src.Rules {
		for _, name := range r.Names {
			for _, conditions := range r.Alternatives() {
				if len(conditions) > 0 {
					rules[name]++
				}
				for _, c := range conditions {
					if c.Op != ruleset.EQ && c.Op != ruleset.MaskedEQ {
						orders[name]++
					}
				}
			}
		}
	}
	for name, n := range orders {
		if n > 1 || rules[name] > 1 {
			return false
		}
	}
	return true
}

// TestEveryActionIsCompiled tries each action with the least and the greatest number that it can carry, as the default
// and in a rule.
func TestEveryActionIsCompiled(t *testing.T) {
	var all []ruleset.Action
	for _, kind := range ruleset.Kinds() {
		all = append(all, ruleset.Action{Kind: kind})
	}
	all = append(all, ruleset.Action{Kind: ruleset.Errno, Errno: maxErrno}, ruleset.Action{Kind: ruleset.Trace, Errno: 0xffff})
	for _, fallback := range all {
		for _, a := range all {
			// cacheflush is beyond the table of Arm.
			set := read(t, ruleset.Source{
				Default: fallback, ABIs: syscalls.ABIs(), Rules: []ruleset.Rule{{Names: []string{"close", "cacheflush"}, Action: a}},
			})
			if _, err := Proven(set, Options{}); err != nil {
				t.Errorf("%v beside the default %v: %v", a, fallback, err)
			}
		}
	}
}

func TestLayoutsDiffer(t *testing.T) {
	base, _ := defaults(t)
	var instructions [2]int
	for i, linear := range []bool{false, true} {
		c, err := Compile(base.Default, base.Rules, base.ABIs, Options{Linear: linear})
		if err != nil {
			t.Fatal(err)
		}
		instructions[i] = len(c.Program)
	}
	if instructions[0] == instructions[1] {
		t.Errorf("both layouts have %d instructions", instructions[0])
	}
}

// TestProgramsForOtherArchitectures has programs that let calls of an architecture through that the set is not about.
func TestProgramsForOtherArchitectures(t *testing.T) {
	src := ruleset.Source{
		Default: ruleset.Action{Kind: ruleset.Errno, Errno: 1}, ABIs: []syscalls.ABI{syscalls.X86_64},
		Rules: []ruleset.Rule{{Names: []string{"read"}, Action: ruleset.Action{Kind: ruleset.Allow}}},
	}
	set := read(t, src)
	for _, abi := range syscalls.ABIs()[1:] {
		c, err := Compile(src.Default, src.Rules, []syscalls.ABI{syscalls.X86_64, abi}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var d *Disagreement
		if err := Prove(set, c); !errors.As(err, &d) || d.Witness.ABI != abi || d.Witness.A != ruleset.Foreign {
			t.Errorf("a program for %v, too: %v", abi, err)
		}
	}
	// One that lets a single number through, within the table of x86 and beyond it.
	c, err := Compile(src.Default, src.Rules, src.ABIs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, nr := range []uint32{5, 100000} {
		hole := Program{
			{Op: opLoad, K: offsetArch}, {Op: opEqual, K: syscalls.X86.Audit(), Jf: 3},
			{Op: opLoad, K: offsetNumber}, {Op: opEqual, K: nr, Jf: 1}, {Op: opRet, K: returns[ruleset.Allow]},
		}
		var d *Disagreement
		err := Prove(set, &Compiled{Program: append(hole, c.Program...)})
		if !errors.As(err, &d) || d.Witness.ABI != syscalls.X86 || d.Witness.Number != nr {
			t.Errorf("a program that allows call %d of x86: %v", nr, err)
		}
	}
	// One that looks at a bit of the number, on x86 only.
	bit := Program{
		{Op: opLoad, K: offsetArch}, {Op: opEqual, K: syscalls.X86.Audit(), Jf: 3},
		{Op: opLoad, K: offsetNumber}, {Op: opAny, K: 1 << 20, Jf: 1}, {Op: opRet, K: returns[ruleset.Allow]},
	}
	if err := Prove(set, &Compiled{Program: append(bit, c.Program...)}); !errors.Is(err, ErrNotLiftable) {
		t.Errorf("a program that looks at a bit of the number: %v", err)
	}
}

// TestSimulatedRegisters: registers of x86 have 32 bits, those of x32 have 64.
func TestSimulatedRegisters(t *testing.T) {
	_, high := offsetsOf(2)
	p := Program{{Op: opLoad, K: uint32(high)}, {Op: opEqual, Jf: 1}, {Op: opRet, K: returns[ruleset.Allow]}, {Op: opRet, K: returns[ruleset.Log]}}
	for _, abi := range syscalls.ABIs() {
		want := ruleset.Log
		if abi == syscalls.X86 || abi == syscalls.ARM {
			want = ruleset.Allow
		}
		if got, err := p.Simulate(ruleset.Call{ABI: abi, Args: ruleset.Args{2: 1 << 32}}); err != nil || got.Kind != want {
			t.Errorf("a high half on %v: %v, %v, want %v", abi, got, err, want)
		}
	}
}

// TestMultiplexedCalls has libseccomp say behind which code of socketcall or ipc each call is.
func TestMultiplexedCalls(t *testing.T) {
	seen := map[string]bool{}
	for _, abi := range syscalls.ABIs() {
		for _, name := range abi.Names() {
			if !ruleset.Multiplexed(name) || seen[name] {
				continue
			}
			seen[name] = true
			src := ruleset.Source{
				Default: ruleset.Action{Kind: ruleset.Errno, Errno: 1}, ABIs: []syscalls.ABI{syscalls.X86},
				Rules: []ruleset.Rule{{Names: []string{name}, Action: ruleset.Action{Kind: ruleset.Allow}}},
			}
			c, err := Compile(src.Default, src.Rules, src.ABIs, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := Prove(read(t, src), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(seen) != 32 {
		t.Errorf("%d multiplexed calls, want 20 of sockets and 12 of System V IPC: %v", len(seen), seen)
	}
}
