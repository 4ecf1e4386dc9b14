package describe

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

func masked(arg uint, mask, value uint64) ruleset.Condition {
	return ruleset.Condition{Arg: arg, Op: ruleset.MaskedEQ, Value: mask, ValueTwo: value}
}

func TestRule(t *testing.T) {
	is := func(arg uint, op ruleset.Op, value uint64) ruleset.Condition {
		return ruleset.Condition{Arg: arg, Op: op, Value: value}
	}
	for _, c := range []struct {
		call       string
		conditions []ruleset.Condition
		want       string
	}{
		{"read", nil, "read"},
		{"clone", []ruleset.Condition{masked(0, 0x10020000, 0)}, "clone if flags has none of NEWNS,NEWUSER"},
		{"clone", []ruleset.Condition{masked(0, 0x7e020000, 0)}, "clone if flags has none of NEWNS,NEWCGROUP,NEWUTS,NEWIPC,NEWUSER,NEWPID,NEWNET"},
		{"clone", []ruleset.Condition{masked(0, 0x20000, 0x20000)}, "clone if flags has NEWNS"},
		{"clone", []ruleset.Condition{masked(0, 0x20000, 0)}, "clone if flags has no NEWNS"},
		{"clone", []ruleset.Condition{masked(0, 0x10020000, 0x10020000)}, "clone if flags has all of NEWNS,NEWUSER"},
		{"clone", []ruleset.Condition{masked(0, 0x30020000, 0x20000)}, "clone if flags has NEWNS and none of NEWUSER,NEWPID"},
		{"clone", []ruleset.Condition{masked(0, 0xff, 17)}, "clone if flags&0xff is SIGCHLD"},
		{"clone", []ruleset.Condition{is(0, ruleset.EQ, 0x1200011)}, "clone if flags is SIGCHLD|CHILD_CLEARTID|CHILD_SETTID"},
		{"clone", []ruleset.Condition{masked(0, 1<<40|0x20000, 0)}, "clone if flags has none of NEWNS,0x10000000000"},
		{"unshare", []ruleset.Condition{masked(0, 0x80, 0)}, "unshare if flags has no NEWTIME"},
		{"socket", []ruleset.Condition{is(0, ruleset.EQ, 16), is(2, ruleset.EQ, 9)}, "socket if domain is NETLINK and protocol is AUDIT"},
		{"socket", []ruleset.Condition{is(0, ruleset.EQ, 2), is(2, ruleset.NE, 6)}, "socket if domain is INET and protocol is not TCP"},
		{"socket", []ruleset.Condition{is(2, ruleset.EQ, 9)}, "socket if protocol is 9"},
		{"socket", []ruleset.Condition{is(0, ruleset.NE, 40)}, "socket if domain is not VSOCK"},
		{"socket", []ruleset.Condition{is(0, ruleset.LT, 38)}, "socket if domain is below ALG"},
		{"socket", []ruleset.Condition{is(0, ruleset.EQ, 99)}, "socket if domain is 99"},
		{"socket", []ruleset.Condition{masked(1, 0xf, 3)}, "socket if type&0xf is RAW"},
		{"socket", []ruleset.Condition{is(1, ruleset.EQ, 0x80801)}, "socket if type is STREAM|NONBLOCK|CLOEXEC"},
		{"socket", []ruleset.Condition{masked(0, 0x7c, 0x28)}, "socket if domain&0x7c is 0x28"},
		{"socket", []ruleset.Condition{is(0, ruleset.NE, 16), is(2, ruleset.NE, 9)}, "socket if domain is not NETLINK and protocol is not 9"},
		{"socket", []ruleset.Condition{is(0, ruleset.NE, 1), is(0, ruleset.NE, 2), is(1, ruleset.EQ, 3)}, "socket if domain is none of UNIX,INET and type is RAW"},
		{"write", []ruleset.Condition{is(0, ruleset.GE, 3), is(0, ruleset.LE, 9)}, "write if fd is at least 3 and fd is at most 9"},
		{"personality", []ruleset.Condition{is(0, ruleset.EQ, 0)}, "personality if persona is LINUX"},
		{"personality", []ruleset.Condition{is(0, ruleset.EQ, 0x20008)}, "personality if persona is UNAME26|LINUX32"},
		{"personality", []ruleset.Condition{is(0, ruleset.EQ, 0xffffffff)}, "personality if persona is QUERY"},
		{"ioctl", []ruleset.Condition{is(1, ruleset.NE, 0x5412)}, "ioctl if request is not TIOCSTI"},
		{"mprotect", []ruleset.Condition{masked(2, 6, 6)}, "mprotect if protection has all of WRITE,EXEC"},
		{"mknod", []ruleset.Condition{masked(1, 0xf000, 0x6000)}, "mknod if mode&0xf000 is a block device"},
		{"mknod", []ruleset.Condition{masked(1, 0x800, 0)}, "mknod if mode has no SETUID"},
		{"bpf", []ruleset.Condition{is(0, ruleset.EQ, 5)}, "bpf if command is PROG_LOAD"},
		{"write", []ruleset.Condition{is(2, ruleset.GE, 65536)}, "write if count is at least 0x10000"},
		{"write", []ruleset.Condition{is(0, ruleset.LE, 2), is(2, ruleset.GT, 1000)}, "write if fd is at most 2 and count is above 1000"},
		{"no_such", []ruleset.Condition{masked(3, 6, 2)}, "no_such if arg3&0x6 is 0x2"},
		{"no_such", []ruleset.Condition{masked(3, 0, 0)}, "no_such if arg3 is anything"},
		{"no_such", []ruleset.Condition{masked(5, 1<<64-1, 1<<64-1)}, "no_such if arg5 is 0xffffffffffffffff"},
	} {
		if got := Rule(c.call, c.conditions); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	is := func(arg uint, value uint64) ruleset.Condition {
		return ruleset.Condition{Arg: arg, Op: ruleset.EQ, Value: value}
	}
	got := Rules("socket", [][]ruleset.Condition{{is(0, 1)}, {is(0, 16), is(2, 9)}, {is(1, 3)}, {is(0, 2)}, {masked(0, 0x7c, 0x28)}})
	want := []string{
		"socket if domain is NETLINK and protocol is AUDIT", "socket if domain&0x7c is 0x28",
		"socket if domain is one of UNIX,INET", "socket if type is RAW",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Rules("read", [][]ruleset.Condition{nil}); !slices.Equal(got, []string{"read"}) {
		t.Errorf("got %q", got)
	}
}

// Conditions that differ are said differently, as long as they hold for different values.
func TestWordsTellApart(t *testing.T) {
	calls := []string{"clone", "unshare", "socket", "personality", "ioctl", "mmap", "mknod", "mount", "prctl", "write", "no_such"}
	rapid.Check(t, func(t *rapid.T) {
		call := rapid.SampledFrom(calls).Draw(t, "call")
		index := rapid.UintRange(0, 5).Draw(t, "index")
		condition := rapid.Custom(func(t *rapid.T) ruleset.Condition {
			value := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 64), rapid.SampledFrom([]uint64{0xf, 0xff, 0xf000, 0xffff}),
				rapid.Map(rapid.IntRange(0, 63), func(bit int) uint64 { return 1 << bit }))
			c := ruleset.Condition{Arg: index, Op: rapid.SampledFrom(ruleset.Ops()).Draw(t, "operator"), Value: value.Draw(t, "value")}
			if c.Op == ruleset.MaskedEQ {
				c.ValueTwo = value.Draw(t, "valueTwo") & c.Value
			}
			return c
		})
		a, b := condition.Draw(t, "a"), condition.Draw(t, "b")
		if said := Rule(call, []ruleset.Condition{a}); said != Rule(call, []ruleset.Condition{b}) {
			return
		}
		for _, v := range []uint64{a.Value, b.Value, a.ValueTwo, b.ValueTwo, a.Value + 1, b.Value + 1, a.Value - 1, b.Value - 1, ^a.Value, 0, 1<<64 - 1} {
			var args ruleset.Args
			args[a.Arg] = v
			if a.Holds(args) != b.Holds(args) {
				t.Fatalf("%v and %v are both %q, but %#x tells them apart", a, b, Rule(call, []ruleset.Condition{a}), v)
			}
		}
	})
}

func TestArguments(t *testing.T) {
	for call, known := range arguments {
		if !syscalls.Known(call) {
			t.Errorf("%s is no system call", call)
		}
		var seen [ruleset.Arguments]bool
		for _, a := range known {
			if a.index >= ruleset.Arguments || seen[a.index] {
				t.Errorf("%s: argument %d is there twice or cannot be", call, a.index)
				continue
			}
			seen[a.index] = true
			checkValues(t, call+" "+a.name, a.values)
		}
	}
}

func checkValues(t *testing.T, what string, v values) {
	names := map[string]bool{}
	for _, list := range [][]value{v.one, v.flags} {
		numbers := map[uint64]string{}
		for _, x := range list {
			if names[x.name] || strings.ContainsAny(x.name, "|,&") {
				t.Errorf("%s: name %q is there twice or reads as several", what, x.name)
			}
			names[x.name] = true
			if other, taken := numbers[x.number]; taken {
				t.Errorf("%s: %s and %s are both %#x", what, other, x.name, x.number)
			}
			numbers[x.number] = x.name
		}
	}
	var together uint64
	for _, f := range v.flags {
		if f.number == 0 || f.number&together != 0 || f.number&v.mask != 0 {
			t.Errorf("%s: %s shares bits with another", what, f.name)
		}
		together |= f.number
	}
}

// Every call of every ABI is in one group, and groups list nothing else.
func TestGroups(t *testing.T) {
	group := map[string]string{}
	for _, g := range Groups() {
		if g.Name == "" || g.Title == "" || (len(g.Calls) == 0) != (g.Name == Other) {
			t.Errorf("group %+v is not whole", g)
		}
		for _, call := range g.Calls {
			if other, taken := group[call]; taken {
				t.Errorf("%s is in %s and %s", call, other, g.Name)
			}
			group[call] = g.Name
			if GroupOf(call) != g.Name {
				t.Errorf("%s is in %s, not %s", call, GroupOf(call), g.Name)
			}
		}
	}
	known := map[string]bool{}
	for _, abi := range syscalls.ABIs() {
		for _, call := range abi.Names() {
			known[call] = true
			if group[call] == "" {
				t.Errorf("%s is in no group", call)
			}
		}
	}
	for call := range group {
		if !known[call] {
			t.Errorf("%s is in a group, but no call of any ABI", call)
		}
	}
	for _, call := range []string{"spu_run", "no_such_call", ""} {
		if g := GroupOf(call); g != Other {
			t.Errorf("%q is in group %s", call, g)
		}
	}
}
