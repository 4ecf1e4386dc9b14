package filter

import (
	"testing"

	"pgregory.net/rapid"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// A decoder makes profiles of bytes, for fuzzing and for random tests alike: whatever the bytes, the profile is
// valid, and few names, arguments and values make rules meet.
type decoder struct{ bytes []byte }

func (d *decoder) next(n int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

func pick[T any](d *decoder, from []T) T { return from[d.next(len(from))] }

var (
	someNames = []string{
		"getpid", "getpriority", "lseek", "fcntl", "socket", "connect", "socketcall", "ipc", "shmat", "stat64", "clone",
	}
	someValues = []uint64{
		0, 1, 2, 7, 8, 16, 40, 41, 0x7e020000, 0x80000000, 0xffffffff,
		1 << 32, 1<<32 + 1, 1<<33 + 7, 0x7fffffff_ffffffff, 1 << 63, ^uint64(0) - 1, ^uint64(0),
	}
	someMasks   = []uint64{1, 3, 6, 0xff, 0x7e020000, 0xffffffff, 1 << 32, 0xffffffff_00000000, ^uint64(0)}
	someActions = []ruleset.Action{
		{Kind: ruleset.Allow}, {Kind: ruleset.Allow}, {Kind: ruleset.Errno, Errno: 1}, {Kind: ruleset.Errno, Errno: 38},
		{Kind: ruleset.Errno, Errno: 4094}, {Kind: ruleset.Log}, {Kind: ruleset.Trap}, {Kind: ruleset.KillThread},
		{Kind: ruleset.KillProcess}, {Kind: ruleset.Trace, Errno: 9}, {Kind: ruleset.Notify},
	}
	someABIs = [][]syscalls.ABI{
		{syscalls.X86_64}, {syscalls.X86_64, syscalls.X86, syscalls.X32}, {syscalls.X86},
		{syscalls.AArch64, syscalls.ARM}, syscalls.ABIs(), {syscalls.X32},
	}
)

func (d *decoder) condition() ruleset.Condition {
	c := ruleset.Condition{
		Arg:   pick(d, []uint{0, 0, 1, 1, 2, 5}),
		Op:    pick(d, ruleset.Ops()),
		Value: pick(d, someValues),
	}
	if c.Op == ruleset.MaskedEQ {
		c.Value, c.ValueTwo = pick(d, someMasks), c.Value
	}
	return c
}

func (d *decoder) source(layer string, abis []syscalls.ABI, actions []ruleset.Action) ruleset.Source {
	src := ruleset.Source{Layer: layer, Default: pick(d, actions), ABIs: abis}
	for i := range d.next(8) {
		r := ruleset.Rule{Action: pick(d, actions), Origin: ruleset.Origin{Layer: layer, Rule: i}}
		for range 1 + d.next(3) {
			r.Names = append(r.Names, pick(d, someNames))
		}
		for range d.next(3) {
			r.Conditions = append(r.Conditions, d.condition())
		}
		src.Rules = append(src.Rules, r)
	}
	return src
}

func read(t testing.TB, src ruleset.Source) *ruleset.Set {
	t.Helper()
	set, err := ruleset.Read(src, ruleset.Options{Overlap: ruleset.Strictest})
	if err != nil {
		t.Fatalf("read %+v: %v", src, err)
	}
	return set
}

// genBytes are enough bytes for two profiles.
func genBytes() *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 0, 200) }
