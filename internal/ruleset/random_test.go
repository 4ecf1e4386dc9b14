package ruleset

import (
	"slices"

	"pgregory.net/rapid"

	"strata/internal/syscalls"
)

// What the laws are tried on: few names, so that rules meet; values that make comparisons meet, in both halves
// of a word; and all ABIs.

var testNames = []string{
	"getpid", "close", "clone", "personality", "lseek", "socket", "connect", "accept", "semop", "shmat",
	"socketcall", "ipc", "stat64", "arch_prctl", "map_shadow_stack", "umount2", "no_such_call",
}

var testValues = []uint64{
	0, 1, 2, 3, 7, 8, 15, 16, 40, 41, 0xff, 0x7e020000, 0x80000000, 0xffffffff,
	1 << 32, 1<<32 + 1, 0x1_ffffffff, 0x7fffffff_ffffffff, 1 << 63, ^uint64(0) - 1, ^uint64(0),
}

var testMasks = []uint64{0, 1, 3, 6, 0x10, 0xff, 0x7e020000, 0xffffffff, 1 << 32, 3 << 32, 0xffffffff_00000000, ^uint64(0)}

var testActions = []Action{
	{Kind: Allow}, {Kind: Allow}, {Kind: Errno, Errno: 1}, {Kind: Errno, Errno: 38}, {Kind: Log},
	{Kind: Trap}, {Kind: KillThread}, {Kind: KillProcess}, {Kind: Trace, Errno: 7},
}

func genAction() *rapid.Generator[Action] { return rapid.SampledFrom(testActions) }

func genCondition() *rapid.Generator[Condition] {
	return rapid.Custom(func(t *rapid.T) Condition {
		c := Condition{
			Arg: rapid.SampledFrom([]uint{0, 0, 0, 1, 1, 5}).Draw(t, "arg"),
			Op:  rapid.SampledFrom(Ops()).Draw(t, "op"),
		}
		c.Value = rapid.SampledFrom(testValues).Draw(t, "value")
		if c.Op == MaskedEQ {
			c.Value = rapid.SampledFrom(testMasks).Draw(t, "mask")
			c.ValueTwo = rapid.SampledFrom(testValues).Draw(t, "datum")
			if rapid.Bool().Draw(t, "within") {
				c.ValueTwo &= c.Value
			}
		}
		return c
	})
}

func genRule() *rapid.Generator[Rule] {
	return rapid.Custom(func(t *rapid.T) Rule {
		return Rule{
			Names:      rapid.SliceOfNDistinct(rapid.SampledFrom(testNames), 1, 3, rapid.ID).Draw(t, "names"),
			Action:     genAction().Draw(t, "action"),
			Conditions: rapid.SliceOfN(genCondition(), 0, 2).Draw(t, "conditions"),
		}
	})
}

var testABIs = [][]syscalls.ABI{
	{syscalls.X86_64}, {syscalls.X86_64, syscalls.X86, syscalls.X32}, {syscalls.X86},
	{syscalls.AArch64, syscalls.ARM}, {syscalls.X86_64, syscalls.X86, syscalls.X32, syscalls.AArch64, syscalls.ARM},
}

func genSource(abis []syscalls.ABI) *rapid.Generator[Source] {
	return rapid.Custom(func(t *rapid.T) Source {
		src := Source{
			Layer:   rapid.StringMatching(`[a-z]{3}`).Draw(t, "layer"),
			Default: genAction().Draw(t, "default"),
			ABIs:    abis,
			Rules:   rapid.SliceOfN(genRule(), 0, 6).Draw(t, "rules"),
		}
		for i := range src.Rules {
			src.Rules[i].Origin = Origin{src.Layer, i}
		}
		return src
	})
}

func genABIs() *rapid.Generator[[]syscalls.ABI] { return rapid.SampledFrom(testABIs) }

// genSet is a set that Read makes; contradictions are read as the strictest.
func genSet(abis []syscalls.ABI) *rapid.Generator[*Set] {
	return rapid.Custom(func(t *rapid.T) *Set {
		return must(t, genSource(abis).Draw(t, "source"))
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func must(t fataler, src Source) *Set {
	t.Helper()
	set, err := Read(src, Options{Overlap: Strictest})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return set
}

// genArg is an argument on or beside a threshold, or any.
func genArg() *rapid.Generator[uint64] {
	return rapid.Custom(func(t *rapid.T) uint64 {
		v := rapid.SampledFrom(testValues).Draw(t, "near")
		switch rapid.IntRange(0, 5).Draw(t, "how") {
		case 0:
			v++
		case 1:
			v--
		case 2:
			v ^= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		case 3:
			v = rapid.Uint64().Draw(t, "any")
		}
		return v
	})
}

func genArgs() *rapid.Generator[Args] {
	return rapid.Custom(func(t *rapid.T) Args {
		var args Args
		for _, i := range []int{0, 1, 5} {
			args[i] = genArg().Draw(t, "arg")
		}
		return args
	})
}

// points are calls to try: of every ABI and name, and one that nothing is said of, with some arguments each.
func points(t *rapid.T, abis []syscalls.ABI, visit func(abi syscalls.ABI, nr uint32, args Args)) {
	all := rapid.SliceOfN(genArgs(), 6, 6).Draw(t, "arguments")
	for _, abi := range abis {
		for _, name := range append(slices.Clone(testNames), "write") {
			if nr, ok := abi.Number(name); ok {
				for _, args := range all {
					visit(abi, nr, args)
				}
			}
		}
		visit(abi, abi.Max()+100, all[0])
	}
}

// A reference evaluates one call straight from the definition, with none of the package's diagrams.
func reference(src Source, abi syscalls.ABI, nr uint32, args Args) (Action, bool) {
	var unconditional, conditional []Action
	for _, rule := range src.Rules {
		if rule.Action == src.Default {
			continue
		}
		for _, name := range rule.Names {
			if n, ok := abi.Number(name); ok && n == nr {
				for _, alternative := range alternatives(rule) {
					always, holds := evaluate(abi, alternative, args, nil)
					unconditional, conditional = note(rule.Action, always, holds, unconditional, conditional)
				}
			}
			m, ok := companions[name]
			if !ok || abi != syscalls.X86 {
				continue
			}
			if n, _ := abi.Number(m.through); n == nr {
				for _, alternative := range alternatives(rule) {
					_, holds := evaluate(abi, alternative, args, &m.code)
					unconditional, conditional = note(rule.Action, false, holds, unconditional, conditional)
				}
			}
		}
	}
	if len(unconditional) > 0 {
		return unconditional[0], true
	}
	if len(conditional) == 0 {
		return Action{}, false
	}
	return slices.MaxFunc(conditional, func(a, b Action) int { return int(a.Kind) - int(b.Kind) }), true // the first such
}

func note(a Action, always, holds bool, unconditional, conditional []Action) ([]Action, []Action) {
	if always {
		return append(unconditional, a), conditional
	}
	if holds {
		return unconditional, append(conditional, a)
	}
	return unconditional, conditional
}

func alternatives(rule Rule) [][]Condition {
	count := map[uint]int{}
	for _, c := range rule.Conditions {
		count[c.Arg]++
	}
	for _, n := range count {
		if n > 1 {
			var out [][]Condition
			for _, c := range rule.Conditions {
				out = append(out, []Condition{c})
			}
			return out
		}
	}
	return [][]Condition{rule.Conditions}
}

func evaluate(abi syscalls.ABI, conditions []Condition, args Args, code *uint64) (always, holds bool) {
	always, holds = true, true
	narrow := abi == syscalls.X86 || abi == syscalls.X32 || abi == syscalls.ARM
	for _, c := range conditions {
		if code != nil && c.Arg == 0 {
			continue
		}
		if narrow {
			c.Value, c.ValueTwo = uint64(uint32(c.Value)), uint64(uint32(c.ValueTwo))
		}
		if c.Op == MaskedEQ && c.Value == 0 {
			continue
		}
		always = false
		v := args[c.Arg]
		if narrow {
			v = uint64(uint32(v))
		}
		ok := map[Op]bool{
			EQ: v == c.Value, NE: v != c.Value, LT: v < c.Value, LE: v <= c.Value, GE: v >= c.Value, GT: v > c.Value,
			MaskedEQ: (v^c.ValueTwo)&c.Value == 0,
		}[c.Op]
		holds = holds && ok
	}
	if code != nil {
		always = false
		holds = holds && uint32(args[0]) == uint32(*code)
	}
	return always, holds
}

// stricter is the answer of the kernel when two filters are installed: the more restrictive action, and the
// later filter's where both are of one kind.
func stricter(earlier, later Action) Action {
	if earlier.Kind.StricterThan(later.Kind) {
		return earlier
	}
	return later
}
