package ruleset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/syscalls"
)

var (
	allow  = Action{Kind: Allow}
	eperm  = Action{Kind: Errno, Errno: 1}
	enosys = Action{Kind: Errno, Errno: 38}
	kill   = Action{Kind: KillProcess}
)

func rule(a Action, name string, conditions ...Condition) Rule {
	return Rule{Names: []string{name}, Action: a, Conditions: conditions}
}

func source(d Action, abi syscalls.ABI, rules ...Rule) Source {
	for i := range rules {
		rules[i].Origin = Origin{"p", i + 1}
	}
	return Source{Layer: "p", Default: d, ABIs: []syscalls.ABI{abi}, Rules: rules}
}

func TestRead(t *testing.T) {
	type call struct {
		name string
		args Args
		want Action
	}
	tests := []struct {
		name  string
		src   Source
		calls []call
	}{
		{"a rule that says the default is dropped, and swallows nothing",
			source(eperm, syscalls.X86_64, rule(eperm, "close"), rule(allow, "close", Condition{0, EQ, 3, 0})),
			[]call{{"close", Args{3}, allow}, {"close", Args{4}, eperm}}},
		{"another errno than the default's is said",
			source(eperm, syscalls.X86_64, rule(enosys, "close")), []call{{"close", Args{}, enosys}}},
		{"an unconditional rule swallows conditional ones before it",
			source(eperm, syscalls.X86_64, rule(kill, "close", Condition{0, EQ, 3, 0}), rule(allow, "close")),
			[]call{{"close", Args{3}, allow}}},
		{"and after it",
			source(eperm, syscalls.X86_64, rule(allow, "close"), rule(kill, "close", Condition{0, EQ, 3, 0})),
			[]call{{"close", Args{3}, allow}}},
		{"the first of two unconditional rules holds, as for setns in containers/common's default",
			source(enosys, syscalls.X86_64, rule(eperm, "setns"), rule(allow, "setns")), []call{{"setns", Args{}, eperm}}},
		{"a repeated argument makes alternatives of all conditions",
			source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, EQ, 3, 0}, Condition{0, EQ, 4, 0}, Condition{1, EQ, 9, 0})),
			[]call{{"close", Args{3}, allow}, {"close", Args{4}, allow}, {"close", Args{5, 9}, allow}, {"close", Args{5}, eperm}}},
		{"conditions on several arguments have to hold together",
			source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, EQ, 3, 0}, Condition{1, LT, 9, 0})),
			[]call{{"close", Args{3, 8}, allow}, {"close", Args{3, 9}, eperm}, {"close", Args{2, 8}, eperm}}},
		{"comparisons are of 64 bits",
			source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, GT, 1<<32 + 5, 0})),
			[]call{{"close", Args{1<<32 + 6}, allow}, {"close", Args{6}, eperm}, {"close", Args{2 << 32}, allow}}},
		{"on 32-bit ABIs of the low halves",
			source(eperm, syscalls.X86, rule(allow, "close", Condition{0, GT, 1<<32 + 5, 0})),
			[]call{{"close", Args{6}, allow}, {"close", Args{5}, eperm}}},
		{"x32 is one of these, though its arguments have 64 bits",
			source(eperm, syscalls.X32, rule(allow, "close", Condition{0, EQ, 5, 0})),
			[]call{{"close", Args{5}, allow}, {"close", Args{1<<32 + 5}, allow}}},
		{"a mask of no bits is no condition",
			source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, MaskedEQ, 0, 7}), rule(kill, "close", Condition{0, EQ, 5, 0})),
			[]call{{"close", Args{5}, allow}}},
		{"bits of the datum outside the mask do not matter",
			source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, MaskedEQ, 3, 6})),
			[]call{{"close", Args{2}, allow}, {"close", Args{6}, allow}, {"close", Args{3}, eperm}}},
		{"a name of another ABI is ignored",
			source(eperm, syscalls.AArch64, rule(allow, "open")), []call{{"openat", Args{}, eperm}}},
		{"on x86 a rule for socket is one for socketcall, whatever the family",
			source(eperm, syscalls.X86, rule(allow, "socket", Condition{0, NE, 38, 0})),
			[]call{{"socket", Args{38}, eperm}, {"socket", Args{1}, allow}, {"socketcall", Args{1, 38}, allow}, {"socketcall", Args{2}, eperm}}},
		{"unless socketcall has an unconditional rule",
			source(eperm, syscalls.X86, rule(allow, "socket", Condition{0, NE, 38, 0}), rule(enosys, "socketcall")),
			[]call{{"socketcall", Args{1}, enosys}}},
		{"accept has no call of its own there",
			source(eperm, syscalls.X86, rule(allow, "accept")),
			[]call{{"socketcall", Args{5}, allow}, {"accept4", Args{}, eperm}}},
		{"conditions on the later arguments are kept for the multiplexer",
			source(eperm, syscalls.X86, rule(allow, "shmat", Condition{0, EQ, 9, 0}, Condition{2, EQ, 7, 0})),
			[]call{{"ipc", Args{21, 0, 7}, allow}, {"ipc", Args{21, 0, 8}, eperm}, {"shmat", Args{9, 0, 7}, allow}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := Read(test.src, Options{})
			if err != nil {
				t.Fatal(err)
			}
			abi := test.src.ABIs[0]
			for _, c := range test.calls {
				nr, ok := abi.Number(c.name)
				if !ok {
					t.Fatalf("%v has no %s", abi, c.name)
				}
				if got := set.At(abi, nr, c.args); got != c.want {
					t.Errorf("%s: %v, want %v", c.args.call(abi, nr), got, c.want)
				}
			}
		})
	}
}

// vsock is what CRI-O's default profile says of socket.
func vsock(abi syscalls.ABI) Source {
	return source(enosys, abi,
		rule(eperm, "socket", Condition{0, EQ, 40, 0}), rule(allow, "socket", Condition{0, NE, 16, 0}))
}

func TestContradictions(t *testing.T) {
	tests := []struct {
		name string
		src  Source
		says []string
	}{
		{"both rules and a call are named", vsock(syscalls.X86_64),
			[]string{`socket on x86_64`, `rule 1 of "p" (ERRNO(EPERM) if arg0 == 0x28)`, `rule 2 of "p" (ALLOW if arg0 != 0x10)`,
				`socket(0x28, 0, 0, 0, 0, 0)`, "exclude each other"}},
		{"what libseccomp adds contradicts itself, too",
			source(enosys, syscalls.X86, rule(eperm, "socket", Condition{0, EQ, 40, 0}), rule(allow, "socket", Condition{0, NE, 40, 0})),
			[]string{"socketcall on x86", "unconditional rule for socketcall"}},
		{"other errnos are other actions",
			source(allow, syscalls.X86_64, rule(eperm, "close", Condition{0, LT, 4, 0}), rule(enosys, "close", Condition{0, GT, 2, 0})),
			[]string{"close(0x3, 0, 0, 0, 0, 0)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(test.src, Options{})
			if !errors.Is(err, ErrContradiction) {
				t.Fatalf("error %v, want a contradiction", err)
			}
			for _, text := range test.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
		})
	}
}

func TestOverlapIsReadAsChosen(t *testing.T) {
	socket, _ := syscalls.X86_64.Number("socket")
	src := vsock(syscalls.X86_64)
	for choice, want := range map[Overlap]Action{Strictest: eperm, First: eperm} {
		set, err := Read(src, Options{Overlap: choice})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.At(syscalls.X86_64, socket, Args{40}); got != want {
			t.Errorf("overlap %d: %v, want %v", choice, got, want)
		}
	}
	src.Rules[0], src.Rules[1] = src.Rules[1], src.Rules[0]
	set, err := Read(src, Options{Overlap: First})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.At(syscalls.X86_64, socket, Args{40}); got != allow {
		t.Errorf("the first of swapped rules says %v, want %v", got, allow)
	}
}

func TestInvalidSources(t *testing.T) {
	tests := []struct {
		name, says string
		change     func(*Source)
	}{
		{"no default", "no such action", func(s *Source) { s.Default = Action{} }},
		{"no architecture", "no architecture", func(s *Source) { s.ABIs = nil }},
		{"no name", "names no system call", func(s *Source) { s.Rules[0].Names = nil }},
		{"argument 6", "argument index 6", func(s *Source) { s.Rules[0].Conditions = []Condition{{Arg: 6, Op: EQ}} }},
		{"no operator", "no operator", func(s *Source) { s.Rules[0].Conditions = []Condition{{}} }},
		{"errno of ALLOW", "only ERRNO and TRACE", func(s *Source) { s.Rules[0].Action.Errno = 1 }},
		{"errno 4096", "above 4095", func(s *Source) { s.Rules[0].Action = Action{Errno, 4096} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := source(eperm, syscalls.X86_64, rule(allow, "close"))
			test.change(&src)
			if _, err := Read(src, Options{}); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
		})
	}
}

func TestProvenance(t *testing.T) {
	base := source(enosys, syscalls.X86_64, rule(eperm, "close", Condition{0, EQ, 3, 0}), rule(allow, "read"))
	child := source(kill, syscalls.X86_64, rule(allow, "close"))
	child.Layer, child.Rules[0].Origin.Layer = "c", "c"
	x, err := Read(base, Options{})
	check(t, err)
	y, err := Read(child, Options{})
	check(t, err)
	set, err := Union(x, y)
	check(t, err)
	for _, test := range []struct {
		name string
		args Args
		want string
	}{
		{"close", Args{3}, `ERRNO(EPERM) by rule 1 of "p"`},
		{"close", Args{4}, `ALLOW by rule 1 of "c"`},
		{"read", Args{}, `ALLOW by rule 2 of "p"`},
		{"write", Args{}, `KILL_PROCESS by default action of "c"`},
	} {
		nr, _ := syscalls.X86_64.Number(test.name)
		action, origin := set.Why(syscalls.X86_64, nr, test.args)
		if got := action.String() + " by " + origin.String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.args.call(syscalls.X86_64, nr), got, test.want)
		}
	}
	closeNr, _ := syscalls.X86_64.Number("close")
	pieces, err := set.Pieces(syscalls.X86_64, closeNr)
	check(t, err)
	if len(pieces) != 2 || pieces[0].Origin != (Origin{"c", 1}) || pieces[1].Origin != (Origin{"p", 1}) {
		t.Errorf("close has pieces %v, want one by each layer", pieces)
	}
}

// Where all conditions of a rule are on the high halves, it is unconditional on 32-bit ABIs, and which of two such rules
// holds there is up to their order, which is not the one in which they are written.
func TestRulesOfHighHalvesOnly(t *testing.T) {
	high := func(mask, v uint64) Condition { return Condition{0, MaskedEQ, mask << 32, v << 32} }
	for _, first := range []Action{allow, kill} {
		second := allow
		if first == allow {
			second = kill
		}
		src := source(eperm, syscalls.X86_64, rule(first, "close", high(0xff, 0)), rule(second, "close", high(1, 1)))
		src.ABIs = []syscalls.ABI{syscalls.X86_64, syscalls.X86}
		set := must(t, src)
		for _, style := range Styles() {
			if rules, err := set.Rules(style); !errors.Is(err, ErrNotWritable) {
				t.Errorf("%v first, %v: %v, %v", first, style, rules, err)
			}
		}
	}
}

// TestBoundary has every kind of condition's thresholds among the calls that tests try.
func TestBoundary(t *testing.T) {
	for _, abi := range syscalls.ABIs() {
		nr, _ := abi.Number("close")
		for _, c := range []struct {
			condition Condition
			want      []uint64
		}{
			{Condition{1, EQ, 7, 0}, []uint64{6, 7, 8}},
			{Condition{1, NE, 7, 0}, []uint64{6, 7, 8}},
			{Condition{1, LT, 7, 0}, []uint64{6, 7}},
			{Condition{1, LE, 7, 0}, []uint64{7, 8}},
			{Condition{1, GE, 7, 0}, []uint64{6, 7}},
			{Condition{1, GT, 7, 0}, []uint64{7, 8}},
			{Condition{1, MaskedEQ, 0x50, 0x40}, []uint64{0x40, 0x50, 0, ^uint64(0x10) >> (wordBits - width(abi))}},
		} {
			tried := map[uint64]bool{}
			others, beyond := 0, 0
			for call, err := range Boundary(must(t, source(eperm, abi, rule(allow, "close", c.condition)))) {
				check(t, err)
				switch {
				case call.Number == nr:
					tried[call.Args[1]] = true
				case call.Number > abi.Max():
					beyond++
				default:
					others++
				}
			}
			for _, v := range c.want {
				if !tried[v] {
					t.Errorf("%v on %v: %#x is not tried", c.condition, abi, v)
				}
			}
			if width(abi) == wordBits && c.condition.Op == EQ && !tried[1<<32|7] {
				t.Errorf("%v on %v: high halves are not tried", c.condition, abi)
			}
			if others != 1 || beyond != 1 {
				t.Errorf("%v on %v: %d other calls and %d beyond the table", c.condition, abi, others, beyond)
			}
		}
	}
}

func TestStylesOfValues(t *testing.T) {
	tests := []struct {
		name  string
		rules []Rule
		want  map[Style]string
	}{
		{"all but one", []Rule{rule(allow, "close", Condition{0, NE, 16, 0})},
			map[Style]string{Short: "arg0 != 0x10", NoRanges: "arg0 != 0x10"}},
		{"two alternatives that make all but one", []Rule{rule(allow, "close", Condition{0, LT, 16, 0}), rule(allow, "close", Condition{0, GT, 16, 0})},
			map[Style]string{Short: "arg0 != 0x10", NoRanges: "arg0 != 0x10"}},
		{"a range from 0", []Rule{rule(allow, "close", Condition{0, LT, 5, 0})},
			map[Style]string{Short: "arg0 <= 0x4", Masks: "arg0&0xfffffffffffffffc == 0x0; arg0 == 0x4"}},
		{"two values beside each other", []Rule{rule(allow, "close", Condition{0, EQ, 4, 0}), rule(allow, "close", Condition{0, EQ, 5, 0})},
			map[Style]string{Short: "arg0&0xfffffffffffffffe == 0x4", Masks: "arg0&0xfffffffffffffffe == 0x4"}},
		{"no flag of a mask", []Rule{rule(allow, "close", Condition{0, MaskedEQ, 0x7e020000, 0})},
			map[Style]string{Short: "arg0&0x7e020000 == 0x0", Masks: "arg0&0x7e020000 == 0x0"}},
		{"a whole value of 32 bits", []Rule{rule(allow, "close", Condition{0, MaskedEQ, 0xffffffff, 7})},
			map[Style]string{Short: "arg0&0xffffffff == 0x7"}},
		{"only the last condition is an order", []Rule{rule(allow, "close", Condition{0, GE, 1 << 63, 0}, Condition{1, GE, 3, 0})},
			map[Style]string{Short: "arg0&0x8000000000000000 == 0x8000000000000000 and arg1 >= 0x3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := Read(source(eperm, syscalls.X86_64, test.rules...), Options{})
			check(t, err)
			for style, want := range test.want {
				rules, err := set.Rules(style)
				check(t, err)
				var got []string
				for _, r := range rules {
					got = append(got, Formula(r.Conditions))
				}
				if text := strings.Join(got, "; "); text != want {
					t.Errorf("%v: %s, want %s", style, text, want)
				}
			}
		})
	}
}

func TestWords(t *testing.T) {
	closing := func(conditions ...Condition) Rule { return rule(allow, "close", conditions...) }
	for _, test := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"all but one, not last", []Rule{closing(Condition{0, NE, 16, 0}, Condition{1, NE, 9, 0})}, "arg0 != 0x10 and arg1 != 0x9"},
		{"a range, not last", []Rule{closing(Condition{0, GE, 16, 0}, Condition{1, EQ, 9, 0})}, "arg0 >= 0x10 and arg1 == 0x9"},
		{"in between", []Rule{rule(Action{Kind: Trap}, "close", Condition{0, LT, 3, 0}), rule(Action{Kind: Trap}, "close", Condition{0, GT, 9, 0}), rule(allow, "close", Condition{0, GE, 3, 0}, Condition{0, LE, 9, 0})},
			"arg0 >= 0x3 and arg0 <= 0x9"},
		{"values a bit apart", []Rule{closing(Condition{0, EQ, 0, 0}), closing(Condition{0, EQ, 8, 0})}, "arg0 == 0x0; arg0 == 0x8"},
		{"flags", []Rule{closing(Condition{0, MaskedEQ, 0x7e020000, 0})}, "arg0&0x7e020000 == 0x0"},
		{"the last value", []Rule{closing(Condition{0, NE, 1<<64 - 1, 0})}, "arg0 != 0xffffffffffffffff"},
		{"anything", []Rule{closing()}, ""},
	} {
		set, err := Read(source(eperm, syscalls.X86_64, test.rules...), Options{Overlap: Strictest})
		check(t, err)
		nr, _ := syscalls.X86_64.Number("close")
		pieces, err := set.Pieces(syscalls.X86_64, nr)
		check(t, err)
		var got []string
		for _, p := range pieces {
			if p.Action == allow {
				got = append(got, Formula(p.Conditions))
			}
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("%s: %q, want %q", test.name, text, test.want)
		}
	}
	few, err := Read(source(eperm, syscalls.X86_64, rule(allow, "close", Condition{0, EQ, 0, 0}), rule(allow, "close", Condition{0, EQ, 1<<64 - 1, 0})), Options{})
	check(t, err)
	all, err := Read(source(allow, syscalls.X86_64), Options{})
	check(t, err)
	diff, err := Excess(all, few)
	check(t, err)
	if len(diff) != 2 || Formula(diff[0].Conditions) != "arg0 != 0x0 and arg0 != 0xffffffffffffffff" || diff[0].Example != (Args{1}) {
		t.Errorf("all but two values: %+v", diff)
	}
}

func TestSetsOfOtherArchitecturesDiffer(t *testing.T) {
	one, err := Read(source(eperm, syscalls.X86_64, rule(allow, "close")), Options{})
	check(t, err)
	src := source(eperm, syscalls.X86_64, rule(allow, "close"))
	src.ABIs = []syscalls.ABI{syscalls.X86_64, syscalls.X32}
	two, err := Read(src, Options{})
	check(t, err)
	within(t, "calls of an architecture that is not listed kill", one, two)
	for _, pair := range [][2]*Set{{one, two}, {two, one}} {
		equal, w, err := Equal(pair[0], pair[1])
		check(t, err)
		if equal || w.ABI != syscalls.X32 {
			t.Errorf("one architecture and two are equal: %v, %v", equal, w)
		}
	}
	inside, w, err := Within(two, one)
	check(t, err)
	if inside || w.ABI != syscalls.X32 || w.B != Foreign {
		t.Errorf("two architectures within one of them: %v, %v", inside, w)
	}
	strict := source(kill, syscalls.X86_64)
	strict.ABIs = two.ABIs()
	below, err := Restrict(must(t, strict), one)
	check(t, err)
	if nr := uint32(3); below.Has(syscalls.X32) || below.At(syscalls.X32, nr, Args{}) != Foreign || below.At(syscalls.X86_64, nr, Args{}) != kill {
		t.Errorf("below a ceiling of fewer architectures: about %v", below.ABIs())
	}
	back, err := two.On([]syscalls.ABI{syscalls.X86_64})
	check(t, err)
	same(t, "the set on its first architecture", back, one)
	if _, err := one.On([]syscalls.ABI{syscalls.ARM}); !errors.Is(err, ErrNoABI) {
		t.Errorf("a set on no architecture: %v", err)
	}
	if _, err := Union(one, func() *Set { s, _ := Read(source(eperm, syscalls.ARM), Options{}); return s }()); !errors.Is(err, ErrNoABI) {
		t.Errorf("a union on no architecture: %v", err)
	}
}

// TestKindsAreInTheOrderOfTheKernel has the values that seccomp_run_filters compares (kernel/seccomp.c), as signed
// numbers: of the answers of several filters it takes the least.
func TestKindsAreInTheOrderOfTheKernel(t *testing.T) {
	answers := map[Kind]uint32{
		KillProcess: unix.SECCOMP_RET_KILL_PROCESS, KillThread: unix.SECCOMP_RET_KILL_THREAD, Trap: unix.SECCOMP_RET_TRAP,
		Errno: unix.SECCOMP_RET_ERRNO, Notify: unix.SECCOMP_RET_USER_NOTIF, Trace: unix.SECCOMP_RET_TRACE,
		Log: unix.SECCOMP_RET_LOG, Allow: unix.SECCOMP_RET_ALLOW,
	}
	for _, a := range Kinds() {
		for _, b := range Kinds() {
			if a.StricterThan(b) != (int32(answers[a]) < int32(answers[b])) {
				t.Errorf("%v is stricter than %v: %v", a, b, a.StricterThan(b))
			}
		}
	}
	if len(Kinds()) != len(answers) || Foreign != (Action{Kind: KillThread}) {
		t.Errorf("kinds %v, on other ABIs %v", Kinds(), Foreign)
	}
}

// Calls that neither set speaks of are compared, too, whichever calls both speak of.
func TestDefaultsAreCompared(t *testing.T) {
	for _, abi := range syscalls.ABIs() {
		var names []string
		for nr := range uint32(5) { // the first ones
			if name, ok := abi.Name(nr); ok {
				names = append(names, name)
			}
		}
		loose, strict := source(Action{Kind: Log}, abi), source(eperm, abi)
		for _, src := range []*Source{&loose, &strict} {
			src.Rules = []Rule{{Names: names, Action: allow}}
		}
		a, b := must(t, loose), must(t, strict)
		inside, w, err := Within(a, b)
		check(t, err)
		if inside || !w.Others || w.A != (Action{Kind: Log}) || w.B != eperm || a.At(abi, w.Number, w.Args) != w.A {
			t.Errorf("%v: within %v, %+v", abi, inside, w)
		}
	}
}

func TestDiffSaysWhoseRules(t *testing.T) {
	a := source(eperm, syscalls.X86_64, rule(allow, "read"), rule(allow, "close", Condition{0, NE, 0, 0}))
	b := source(eperm, syscalls.X86_64, rule(enosys, "close"))
	b.Layer, b.Rules[0].Origin.Layer = "q", "q"
	regions, err := Diff(must(t, a), must(t, b))
	check(t, err)
	var got []string
	for _, r := range regions {
		got = append(got, fmt.Sprintf("%s if %q: %v by %v, %v by %v, as %#x", r.Syscall, Formula(r.Conditions), r.A, r.FromA, r.B, r.FromB, r.Example[0]))
	}
	want := []string{
		`read if "": ALLOW by rule 1 of "p", ERRNO(EPERM) by default action of "q", as 0x0`,
		`close if "arg0 == 0x0": ERRNO(EPERM) by default action of "p", ERRNO(ENOSYS) by rule 1 of "q", as 0x0`,
		`close if "arg0 != 0x0": ALLOW by rule 2 of "p", ERRNO(ENOSYS) by rule 1 of "q", as 0x1`,
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("differences\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A rule holds on all ABIs that have its call, so one of them alone cannot be allowed it.
func TestCallOfOneABIOnly(t *testing.T) {
	b := NewBuilder()
	allowed := b.Always(allow)
	calls := map[syscalls.ABI]map[uint32]Node{syscalls.X86_64: {}, syscalls.AArch64: {}}
	nr, _ := syscalls.X86_64.Number("close")
	calls[syscalls.X86_64][nr] = allowed
	if rules, err := b.Set(eperm, calls).Rules(Short); !errors.Is(err, ErrNotWritable) {
		t.Errorf("close on x86_64 only: %v, %v", rules, err)
	}
	nr, _ = syscalls.AArch64.Number("close")
	calls[syscalls.AArch64][nr] = allowed
	if rules, err := b.Set(eperm, calls).Rules(Short); err != nil || len(rules) != 1 {
		t.Errorf("close on both: %v, %v", rules, err)
	}
}
