package filter

import (
	"errors"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// stackAndProve makes two profiles of bytes, merges them in each way, and proves the compiled filter, which has
// also to answer like the set in the simulator. It returns how many were proven.
func stackAndProve(t testing.TB, raw []byte) int {
	t.Helper()
	d := &decoder{raw}
	abis := pick(d, someABIs)
	base, child := d.source("base", abis, someActions), d.source("child", abis, someActions)
	a, b := read(t, base), read(t, child)
	proven := 0
	for name, merge := range map[string]func(a, b *ruleset.Set) (*ruleset.Set, error){
		"union": ruleset.Union, "override": ruleset.Override, "restrict": ruleset.Restrict,
	} {
		set, err := merge(a, b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		proof, err := Proven(set, Options{Linear: d.next(2) == 1, OneLayout: d.next(2) == 1})
		if refused(err) || errors.As(err, new(*Disagreement)) {
			continue // found and refused: see TestWrongFiltersOfLibseccompAreRefused for one
		}
		if err != nil {
			t.Fatalf("%s of\n%+v and\n%+v: %v", name, base, child, err)
		}
		simulate(t, set, proof.Program)
		proven++
	}
	return proven
}

// TestWrongFiltersOfLibseccompAreRefused has libseccomp 2.5.4 make a filter that never loads the call's number on
// x86-64, so that no rule holds there, if the calls are compared one by one. A version that is right is proven.
func TestWrongFiltersOfLibseccompAreRefused(t *testing.T) {
	deny := ruleset.Action{Kind: ruleset.Errno, Errno: 1}
	set := read(t, ruleset.Source{
		Default: ruleset.Action{Kind: ruleset.Log}, ABIs: []syscalls.ABI{syscalls.X86_64, syscalls.X86, syscalls.X32},
		Rules: []ruleset.Rule{
			{Names: []string{"socketcall"}, Action: deny},
			{Names: []string{"socket"}, Action: deny, Conditions: []ruleset.Condition{{Arg: 0, Op: ruleset.EQ, Value: 1<<32 + 1}}},
		},
	})
	wrong := 0
	for _, linear := range []bool{false, true} {
		proof, err := Proven(set, Options{Linear: linear, OneLayout: true})
		var d *Disagreement
		if errors.As(err, &d) {
			wrong++
			t.Logf("refused: %v", d)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		simulate(t, set, proof.Program)
	}
	if _, err := Proven(set, Options{}); (err == nil) != (wrong == 0) {
		t.Errorf("both layouts: %v, with %d of them wrong", err, wrong)
	}
}

// refused reports whether a set is one that random profiles may make and that no rules can say, or none that fit.
func refused(err error) bool {
	return errors.Is(err, ruleset.ErrNotWritable) || errors.Is(err, ruleset.ErrTooComplex) || errors.Is(err, ErrTooLong)
}

func simulate(t testing.TB, set *ruleset.Set, p Program) {
	t.Helper()
	calls := 0
	for call, err := range ruleset.Boundary(set) {
		if errors.Is(err, ruleset.ErrTooComplex) {
			return // who said what is finer than what was said
		}
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
	tried, proven := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		tried += 3
		proven += stackAndProve(t, genBytes().Draw(r, "bytes"))
	})
	if proven < tried/3 {
		t.Errorf("of %d merged sets only %d were proven", tried, proven)
	}
}

// TestWrongProgramsAreFound changes one instruction of a right program at a time. Either the proof fails with a call
// for which the program does what the witness says, or it refuses to read the program, or nothing has changed.
func TestWrongProgramsAreFound(t *testing.T) {
	src := ruleset.Source{
		Layer: "p", Default: ruleset.Action{Kind: ruleset.Errno, Errno: 38}, ABIs: []syscalls.ABI{syscalls.X86_64, syscalls.X86},
		Rules: []ruleset.Rule{
			{Names: []string{"read", "write", "futex"}, Action: ruleset.Action{Kind: ruleset.Allow}},
			{Names: []string{"socket"}, Action: ruleset.Action{Kind: ruleset.Allow}, Conditions: []ruleset.Condition{{Arg: 0, Op: ruleset.LT, Value: 38}}},
			{Names: []string{"clone"}, Action: ruleset.Action{Kind: ruleset.Allow}, Conditions: []ruleset.Condition{{Arg: 0, Op: ruleset.MaskedEQ, Value: 0x7e020000}}},
			{Names: []string{"personality"}, Action: ruleset.Action{Kind: ruleset.Trap}, Conditions: []ruleset.Condition{{Arg: 0, Op: ruleset.GT, Value: 1 << 32}}},
		},
	}
	set := read(t, src)
	right, err := Proven(set, Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := range right.Program {
		for _, change := range []func(*Instruction){
			func(i *Instruction) { i.K++ }, func(i *Instruction) { i.K ^= 1 << 16 }, func(i *Instruction) { i.Jt, i.Jf = i.Jf, i.Jt },
			func(i *Instruction) { i.Jf++ }, func(i *Instruction) { i.Op = opRet; i.K = returns[ruleset.Allow] },
			func(i *Instruction) { i.Op ^= opEqual ^ opLeast }, func(i *Instruction) { i.K = 0xffffffff },
		} {
			wrong := slices.Clone(right.Program)
			change(&wrong[at])
			err := Prove(set, &Compiled{Program: wrong, Unknown: right.Unknown})
			var d *Disagreement
			if !errors.As(err, &d) {
				if err == nil {
					simulate(t, set, wrong)
				}
				continue
			}
			found++
			w := d.Witness
			does, err := wrong.Simulate(ruleset.Call{ABI: w.ABI, Number: w.Number, Args: w.Args})
			if err != nil {
				t.Fatalf("instruction %d: %v", at, err)
			}
			if does != w.B && w.B.Kind.Valid() || does == w.A {
				t.Fatalf("instruction %d: %v, but the program does %v", at, d, does)
			}
			if w.A != set.At(w.ABI, w.Number, w.Args) {
				t.Fatalf("instruction %d: %v, but the set says %v", at, d, set.At(w.ABI, w.Number, w.Args))
			}
		}
	}
	if found < 2*len(right.Program) {
		t.Errorf("only %d wrong programs of %d instructions were found", found, len(right.Program))
	}
}

// TestWhatEnginesMakeOfOverlaps shows that libseccomp tries the greater value first, whatever the order of the rules.
func TestWhatEnginesMakeOfOverlaps(t *testing.T) {
	deny, allow := ruleset.Action{Kind: ruleset.Errno, Errno: 1}, ruleset.Action{Kind: ruleset.Allow}
	for _, test := range []struct {
		denied, excepted uint64
		want             ruleset.Action
	}{
		{40, 16, deny},  // CRI-O's default: AF_VSOCK is denied though all but AF_NETLINK are allowed
		{16, 40, allow}, // the same with the values the other way round: the denial is dead
		{41, 40, deny},
	} {
		is := []ruleset.Condition{{Arg: 0, Op: ruleset.EQ, Value: test.denied}}
		isNot := []ruleset.Condition{{Arg: 0, Op: ruleset.NE, Value: test.excepted}}
		rules := []ruleset.Rule{
			{Names: []string{"socket"}, Action: deny, Conditions: is}, {Names: []string{"socket"}, Action: allow, Conditions: isNot},
		}
		for range 2 {
			slices.Reverse(rules)
			src := ruleset.Source{Default: ruleset.Action{Kind: ruleset.Errno, Errno: 38}, ABIs: []syscalls.ABI{syscalls.X86_64}, Rules: rules}
			c, err := Compile(src.Default, src.Rules, src.ABIs, Options{})
			if err != nil {
				t.Fatal(err)
			}
			socket, _ := syscalls.X86_64.Number("socket")
			does, err := Lift(c.Program, src.ABIs)
			if err != nil {
				t.Fatal(err)
			}
			if got := does.At(syscalls.X86_64, socket, ruleset.Args{test.denied}); got != test.want {
				t.Errorf("socket(%d) with all but %d allowed: %v, want %v", test.denied, test.excepted, got, test.want)
			}
			if test.want != deny {
				continue
			}
			if err := Prove(read(t, src), c); err != nil {
				t.Errorf("the strictest reading is what engines do with %+v: %v", test, err)
			}
		}
	}
}

func TestUnknownCalls(t *testing.T) {
	unknown := "" // a call that the installed libseccomp does not know, on x32
	for _, name := range syscalls.X32.Names() {
		if !knows(syscalls.X32, name) {
			unknown = name
		}
	}
	if unknown == "" {
		t.Fatal("the installed libseccomp knows all calls of x32: take another way to test this")
	}
	allow, deny := ruleset.Action{Kind: ruleset.Allow}, ruleset.Action{Kind: ruleset.Errno, Errno: 1}
	set := func(fallback, a ruleset.Action) *ruleset.Set {
		return read(t, ruleset.Source{Default: fallback, ABIs: []syscalls.ABI{syscalls.X32},
			Rules: []ruleset.Rule{{Names: []string{unknown, "x32-none"}, Action: a}}})
	}
	proof, err := Proven(set(deny, allow), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(proof.Unknown) != 1 || proof.Unknown[0].Name != unknown {
		t.Errorf("unknown calls %v, want %s", proof.Unknown, unknown)
	}
	call := ruleset.Call{ABI: syscalls.X32, Number: proof.Unknown[0].Number}
	if got, err := proof.Program.Simulate(call); err != nil || got != deny {
		t.Errorf("an unknown call gets %v, %v, want the fallback", got, err)
	}
	if _, err := Proven(set(allow, deny), Options{}); !errors.Is(err, ErrUnenforceable) {
		t.Errorf("a denial that libseccomp cannot say: %v, want ErrUnenforceable", err)
	}
}

func TestRefusedRules(t *testing.T) {
	allow, deny := ruleset.Action{Kind: ruleset.Allow}, ruleset.Action{Kind: ruleset.Errno, Errno: 1}
	cond := func(arg uint, op ruleset.Op, v uint64) ruleset.Condition {
		return ruleset.Condition{Arg: arg, Op: op, Value: v}
	}
	rule := func(a ruleset.Action, c ...ruleset.Condition) ruleset.Rule {
		return ruleset.Rule{Names: []string{"lseek"}, Action: a, Conditions: c}
	}
	var many []ruleset.Rule
	for v := range uint64(maxConditional + 1) {
		many = append(many, rule(allow, cond(0, ruleset.EQ, v)))
	}
	for _, test := range []struct {
		name     string
		fallback ruleset.Action
		rules    []ruleset.Rule
		want     error
		says     string
	}{
		{"an order before another condition, beside another rule", deny,
			[]ruleset.Rule{rule(allow, cond(0, ruleset.LE, 7), cond(1, ruleset.EQ, 1)), rule(allow, cond(0, ruleset.EQ, 9))},
			ErrIndigestible, "only the last argument"},
		{"alone it is taken", deny, []ruleset.Rule{rule(allow, cond(0, ruleset.LE, 7), cond(1, ruleset.EQ, 1))}, nil, ""},
		{"too many rules", deny, many, ErrTooLong, "at most 256"},
		{"a contradiction", deny,
			[]ruleset.Rule{rule(allow, cond(0, ruleset.EQ, 7)), rule(ruleset.Action{Kind: ruleset.Trap}, cond(0, ruleset.EQ, 7))},
			unix.EEXIST, "contradicts an earlier rule"},
		{"an errno that libseccomp does not take", deny,
			[]ruleset.Rule{rule(ruleset.Action{Kind: ruleset.Errno, Errno: 4095})}, nil, "errnos up to 4094"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile(test.fallback, test.rules, []syscalls.ABI{syscalls.X86_64}, Options{})
			switch {
			case test.says == "" && err != nil:
				t.Errorf("error %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("error %v, want one that says %q", err, test.says)
			case test.want != nil && !errors.Is(err, test.want):
				t.Errorf("error %v is not %v", err, test.want)
			}
		})
	}
}

// TestTooLong has conditions on six arguments, each of which takes several instructions.
func TestTooLong(t *testing.T) {
	rules := make([]ruleset.Rule, 200)
	for i := range rules {
		rules[i] = ruleset.Rule{Names: []string{"lseek"}, Action: ruleset.Action{Kind: ruleset.Allow}}
		for arg := range uint(ruleset.Arguments) {
			rules[i].Conditions = append(rules[i].Conditions, ruleset.Condition{Arg: arg, Op: ruleset.EQ, Value: uint64(i) << 31})
		}
	}
	_, err := Compile(ruleset.Action{Kind: ruleset.KillProcess}, rules, []syscalls.ABI{syscalls.X86_64}, Options{})
	if !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("200 rules with six conditions each: %v", err)
	}
}

func TestPFCIsForPeople(t *testing.T) {
	text, err := PFC(ruleset.Action{Kind: ruleset.Allow},
		[]ruleset.Rule{{Names: []string{"getpid"}, Action: ruleset.Action{Kind: ruleset.Errno, Errno: 1}}},
		[]syscalls.ABI{syscalls.X86_64}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "getpid") || !strings.Contains(text, "ERRNO(1)") {
		t.Errorf("the text names neither the call nor the action:\n%s", text)
	}
}

func FuzzStackThenCompile(f *testing.F) {
	f.Add([]byte{})
	for seed := range int64(8) {
		raw := make([]byte, 120)
		rand.New(rand.NewSource(seed)).Read(raw)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 400 {
			return
		}
		stackAndProve(t, raw)
	})
}
