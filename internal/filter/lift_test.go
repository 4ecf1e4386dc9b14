package filter

import (
	"errors"
	"strings"
	"testing"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

func TestProgramsThatCannotBeLifted(t *testing.T) {
	ret := func(a ruleset.Kind) Instruction { return Instruction{Op: opRet, K: returns[a]} }
	number := Instruction{Op: opLoad, K: offsetNumber}
	low, _ := offsetsOf(0)
	argument := Instruction{Op: opLoad, K: uint32(low)}
	for _, test := range []struct {
		name    string
		program Program
		says    string
	}{
		{"no end", Program{number}, "leads out of the program"},
		{"a jump out of the program", Program{{Op: opEqual, Jt: 1}, ret(ruleset.Allow)}, "leads out"},
		{"a jump that wraps around", Program{{Op: opJump, K: 0xffffffff}, ret(ruleset.Allow)}, "leads out"},
		{"arithmetic", Program{{Op: 0x04, K: 1}, ret(ruleset.Allow)}, "code 0x4"},
		{"a load of the instruction pointer", Program{{Op: opLoad, K: 8}, ret(ruleset.Allow)}, "loads from 8"},
		{"a load beyond the data", Program{{Op: opLoad, K: dataSize}, ret(ruleset.Allow)}, "loads from 64"},
		{"an unknown action", Program{{Op: opRet, K: 0x12340000}}, "0x12340000"},
		{"numbers beyond the table that differ", Program{number, {Op: opEqual, K: 100000, Jf: 1}, ret(ruleset.Log), ret(ruleset.Allow)},
			"not treated alike"},
		{"numbers beyond the table that an order tells apart", Program{number, {Op: opAbove, K: 100000, Jf: 1}, ret(ruleset.Log), ret(ruleset.Allow)},
			"not treated alike"},
		{"numbers beyond the table by arguments", Program{argument, {Op: opEqual, K: 1, Jf: 1}, ret(ruleset.Log), ret(ruleset.Allow)},
			"by its arguments"},
		{"a mask of the number", Program{number, {Op: opAnd, K: 0xff}, {Op: opEqual, K: 39}, ret(ruleset.Allow)}, "single bits"},
		{"a bit of the number", Program{number, {Op: opAny, K: 1}, ret(ruleset.Allow)}, "single bits"},
		{"nothing", nil, "no instructions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Lift(test.program, []syscalls.ABI{syscalls.X86_64})
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

// TestEveryTestIsLifted compares each test of a word of an argument, with and without a mask, with the simulator.
func TestEveryTestIsLifted(t *testing.T) {
	low, high := offsetsOf(3)
	words := []uint32{0, 1, 2, 3, 4, 7, 8, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}
	for _, offset := range []int{low, high} {
		for _, op := range []uint16{opEqual, opAbove, opLeast, opAny} {
			for _, mask := range []uint32{0xffffffff, 6, 0x80000001} {
				for _, k := range words {
					p := Program{{Op: opLoad, K: uint32(offset)}, {Op: opAnd, K: mask}, {Op: op, K: k, Jf: 1},
						{Op: opRet, K: returns[ruleset.Log]}, {Op: opRet, K: returns[ruleset.Allow]}}
					// For one number only, as those beyond the table are all alike.
					p = append(Program{{Op: opLoad}, {Op: opEqual, K: 39, Jt: 1}, {Op: opRet}}, p...)
					set, err := Lift(p, []syscalls.ABI{syscalls.X86_64})
					if err != nil {
						t.Fatal(err)
					}
					for _, w := range words {
						call := ruleset.Call{ABI: syscalls.X86_64, Number: 39, Args: ruleset.Args{3: uint64(w)}}
						if offset == high {
							call.Args[3] <<= 32
						}
						does, err := p.Simulate(call)
						if err != nil {
							t.Fatal(err)
						}
						if says := set.At(call.ABI, call.Number, call.Args); says != does {
							t.Fatalf("test %#x of %#x with mask %#x: the program does %v for %v, lifted %v", op, k, mask, does, call, says)
						}
					}
				}
			}
		}
	}
}

// What follows a test of an argument can depend on the architecture, and of two equal tests the first decides.
func TestOrderOfTests(t *testing.T) {
	low, _ := offsetsOf(0)
	set, err := Lift(Program{
		{Op: opLoad}, {Op: opEqual, K: 5, Jt: 1}, {Op: opRet}, // number 5 is a call of both
		{Op: opLoad, K: uint32(low)}, {Op: opEqual, K: 1, Jt: 1}, {Op: opRet},
		{Op: opLoad, K: offsetArch}, {Op: opEqual, K: syscalls.X86.Audit(), Jt: 2}, {Op: opEqual, K: syscalls.X86.Audit(), Jt: 2},
		{Op: opRet, K: returns[ruleset.Allow]}, {Op: opRet, K: returns[ruleset.Log]}, {Op: opRet, K: returns[ruleset.Trap]},
	}, []syscalls.ABI{syscalls.X86_64, syscalls.X86})
	if err != nil {
		t.Fatal(err)
	}
	for abi, want := range map[syscalls.ABI]ruleset.Kind{syscalls.X86_64: ruleset.Allow, syscalls.X86: ruleset.Log} {
		if got := set.At(abi, 5, ruleset.Args{1}); got.Kind != want {
			t.Errorf("on %v: %v, want %v", abi, got, want)
		}
	}
}

// TestManyPathsAreWalkedOnce would not end if each path were walked: there are 2 to the power of 500.
func TestManyPathsAreWalkedOnce(t *testing.T) {
	low, _ := offsetsOf(1)
	var p Program
	for i := range uint32(500) {
		p = append(p, Instruction{Op: opLoad, K: uint32(low)}, Instruction{Op: opAny, K: 1 << (i % 32), Jt: 1},
			Instruction{Op: opJump}, Instruction{Op: opLoad, K: offsetNumber})
	}
	p = append(p, Instruction{Op: opEqual, K: 39, Jf: 1}, Instruction{Op: opRet, K: returns[ruleset.Log]},
		Instruction{Op: opRet, K: returns[ruleset.Allow]})
	set, err := Lift(p, []syscalls.ABI{syscalls.X86_64})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.At(syscalls.X86_64, 39, ruleset.Args{}); got.Kind != ruleset.Log {
		t.Errorf("call 39 gets %v, want LOG", got)
	}
}

// FuzzLift lifts programs that anybody may have written, and compares with the simulator.
func FuzzLift(f *testing.F) {
	for _, p := range []Program{
		{{Op: opRet, K: returns[ruleset.Allow]}},
		{{Op: opLoad, K: offsetArgs}, {Op: opAnd, K: 0xff}, {Op: opAbove, K: 7, Jf: 1}, {Op: opRet}, {Op: opRet, K: returns[ruleset.Allow]}},
		{{Op: opLoad, K: offsetNumber}, {Op: opLeast, K: 39, Jt: 1}, {Op: opRet, K: returns[ruleset.Log]}, {Op: opLoad, K: offsetArgs + 4},
			{Op: opEqual, K: 1, Jf: 1}, {Op: opRet}, {Op: opRet, K: returns[ruleset.Allow]}},
		{{Op: opLoad}, {Op: opAnd, K: 0x30303041}, {Op: opAbove, K: 0x30, Jf: 1}, {Op: opRet}, {Op: opRet, K: returns[ruleset.Allow]}},
	} {
		f.Add(p.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(raw)
		if err != nil || len(p) > 64 {
			return
		}
		set, err := Lift(p, []syscalls.ABI{syscalls.X86_64})
		if err != nil {
			return
		}
		if err := Prove(set, &Compiled{Program: p}); err != nil && !errors.As(err, new(*Disagreement)) {
			t.Fatalf("a lifted program is not proven: %v", err)
		}
		for _, nr := range []uint32{0, 39, 100000} {
			for _, v := range someValues {
				call := ruleset.Call{ABI: syscalls.X86_64, Number: nr, Args: ruleset.Args{v, v >> 1, ^v, v, v, v}}
				does, err := p.Simulate(call)
				if err != nil {
					t.Fatalf("%v: %v", call, err)
				}
				if says := set.At(call.ABI, call.Number, call.Args); says != does {
					t.Fatalf("%v: the program does %v, lifted %v", call, does, says)
				}
			}
		}
	})
}
