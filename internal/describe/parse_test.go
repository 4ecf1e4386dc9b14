package describe

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/ruleset"
)

func TestArgument(t *testing.T) {
	for _, c := range []struct {
		call, text string
		want       uint
		ok         bool
	}{
		{"clone", "flags", 0, true},
		{"clone", "0", 0, true},
		{"clone", "arg5", 5, true},
		{"socket", "protocol", 2, true},
		{"mount", "flags", 3, true},
		{"getpid", "arg1", 1, true},
		{"getpid", "flags", 0, false},
		{"clone", "6", 0, false},
		{"clone", "arg", 0, false},
		{"clone", "-1", 0, false},
		{"clone", "", 0, false},
	} {
		if got, ok := Argument(c.call, c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%s of %s: %d, %t", c.text, c.call, got, ok)
		}
	}
}

func TestNames(t *testing.T) {
	if got, want := strings.Join(Arguments("read"), " "), "fd arg1 count arg3 arg4 arg5"; got != want {
		t.Errorf("arguments of read: %s", got)
	}
	if got := Values("socket", 2, ruleset.Args{unix.AF_NETLINK}); !slices.Contains(got, "AUDIT") || slices.Contains(got, "TCP") {
		t.Errorf("protocols of netlink sockets: %v", got)
	}
	for call := range arguments {
		for i, name := range Arguments(call) {
			if index, ok := Argument(call, name); !ok || index != uint(i) {
				t.Errorf("%s: argument %d is called %s, which is %d, %t", call, i, name, index, ok)
			}
		}
	}
}

func TestValue(t *testing.T) {
	netlink := ruleset.Args{unix.AF_NETLINK}
	for _, c := range []struct {
		call   string
		index  uint
		text   string
		others ruleset.Args
		want   uint64
		ok     bool
	}{
		{"clone", 0, "NEWUSER", ruleset.Args{}, unix.CLONE_NEWUSER, true},
		{"clone", 0, "CLONE_NEWUSER", ruleset.Args{}, unix.CLONE_NEWUSER, true},
		{"clone", 0, "NEWUSER,NEWNS", ruleset.Args{}, unix.CLONE_NEWUSER | unix.CLONE_NEWNS, true},
		{"clone", 0, "CLONE_NEWUSER|CLONE_NEWNS|17", ruleset.Args{}, unix.CLONE_NEWUSER | unix.CLONE_NEWNS | 17, true},
		{"clone", 0, "0x10000000", ruleset.Args{}, 0x10000000, true},
		{"clone", 0, "010", ruleset.Args{}, 8, true},
		{"socket", 0, "AF_VSOCK", ruleset.Args{}, unix.AF_VSOCK, true},
		{"socket", 2, "AUDIT", netlink, unix.NETLINK_AUDIT, true},
		{"socket", 2, "AUDIT", ruleset.Args{unix.AF_INET}, 0, false},
		{"getpid", 3, "-1", ruleset.Args{}, ^uint64(0), true},
		{"getpid", 3, "0xffffffffffffffff", ruleset.Args{}, ^uint64(0), true},
		{"getpid", 3, "0x10000000000000000", ruleset.Args{}, 0, false},
		{"getpid", 3, "NEWUSER", ruleset.Args{}, 0, false},
		{"clone", 0, "clone_newuser", ruleset.Args{}, 0, false},
		{"clone", 0, "XNEWUSER", ruleset.Args{}, 0, false},
		{"clone", 0, "", ruleset.Args{}, 0, false},
		{"clone", 0, "NEWUSER|", ruleset.Args{}, 0, false},
	} {
		got, err := Value(c.call, c.index, c.text, c.others)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s as argument %d of %s: %#x, %v", c.text, c.index, c.call, got, err)
		}
	}
}

// What describes a value is read as that value.
func TestValueReadsWhatIsDescribed(t *testing.T) {
	for call, indexed := range arguments {
		for _, a := range indexed {
			for _, list := range [][]value{a.values.one, a.values.flags} {
				for _, v := range list {
					if got, err := Value(call, a.index, v.name, ruleset.Args{}); err != nil || got != v.number {
						t.Errorf("%s: %s is %s: read as %#x, %v", call, a.name, v.name, got, err)
					}
				}
			}
		}
	}
}
