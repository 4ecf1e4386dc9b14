package ruleset

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/syscalls"
)

func TestReadMeansTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := genSource(genABIs().Draw(t, "abis")).Draw(t, "source")
		set := must(t, src)
		points(t, src.ABIs, func(abi syscalls.ABI, nr uint32, args Args) {
			want, wantSaid := reference(src, abi, nr, args)
			got, said := set.Said(abi, nr, args)
			if got != want || said != wantSaid {
				t.Fatalf("%s on %v: %v, %v; want %v, %v", args.call(abi, nr), abi, got, said, want, wantSaid)
			}
			if !said && set.At(abi, nr, args) != src.Default {
				t.Fatalf("%s on %v: not the default where nothing is said", args.call(abi, nr), abi)
			}
		})
	})
}

// A condition holds of the same arguments by itself, where messages say so, and in a set.
func TestConditionsHoldAsTheyAreRead(t *testing.T) {
	nr, _ := syscalls.X86_64.Number("close")
	rapid.Check(t, func(t *rapid.T) {
		c := genCondition().Draw(t, "condition")
		set := must(t, Source{Default: enosys, ABIs: []syscalls.ABI{syscalls.X86_64}, Rules: []Rule{rule(allow, "close", c)}})
		var args Args
		args[c.Arg] = rapid.OneOf(genArg(), rapid.SampledFrom([]uint64{c.Value, c.Value - 1, c.Value + 1, c.ValueTwo})).Draw(t, "argument")
		if _, said := set.Said(syscalls.X86_64, nr, args); said != c.Holds(args) {
			t.Fatalf("%v of %#x: holds %v, read as %v", c, args[c.Arg], c.Holds(args), said)
		}
	})
}

func TestMergesMeanTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		abis := genABIs().Draw(t, "abis")
		base, child := genSet(abis).Draw(t, "base"), genSet(abis).Draw(t, "child")
		union, err := Union(base, child)
		check(t, err)
		override, err := Override(base, child)
		check(t, err)
		both, err := Restrict(child, base)
		check(t, err)
		points(t, abis, func(abi syscalls.ABI, nr uint32, args Args) {
			b, saidB := base.Said(abi, nr, args)
			c, saidC := child.Said(abi, nr, args)
			inherit, last := child.Fallback(), child.Fallback()
			switch {
			case saidB && saidC:
				inherit, last = stricter(b, c), c
			case saidB:
				inherit, last = b, b
			case saidC:
				inherit, last = c, c
			}
			kernel := stricter(base.At(abi, nr, args), child.At(abi, nr, args))
			for name, set := range map[string]*Set{"union": union, "override": override, "restrict": both} {
				want := map[string]Action{"union": inherit, "override": last, "restrict": kernel}[name]
				if got := set.At(abi, nr, args); got != want {
					t.Fatalf("%s: %s on %v: %v, want %v", name, args.call(abi, nr), abi, got, want)
				}
			}
			if _, said := union.Said(abi, nr, args); said != (saidB || saidC) {
				t.Fatalf("union: %s on %v: said %v", args.call(abi, nr), abi, said)
			}
		})
	})
}

func TestLaws(t *testing.T) {
	join := map[string]func(a, b *Set) (*Set, error){"union": Union, "override": Override, "restrict": Restrict}
	rapid.Check(t, func(t *rapid.T) {
		abis := genABIs().Draw(t, "abis")
		a, b, c := genSet(abis).Draw(t, "a"), genSet(abis).Draw(t, "b"), genSet(abis).Draw(t, "c")
		for name, op := range join {
			do := func(x, y *Set) *Set {
				out, err := op(x, y)
				check(t, err)
				return out
			}
			same(t, name+" is idempotent", do(a, a), a)
			same(t, name+" is associative", do(do(a, b), c), do(a, do(b, c)))
			if name != "override" {
				kinds(t, name+" is commutative but for numbers", abis, do(a, b), do(b, a), name == "restrict")
			}
		}
		ceiled, err := Restrict(a, b)
		check(t, err)
		within(t, "a restricted set is within the set", ceiled, a)
		within(t, "a restricted set is within its ceiling", ceiled, b)
	})
}

// mostRead is how many rules are read again: more, which fit into no filter, take most of the time.
const mostRead = 512

func TestRulesAreReadAsTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		abis := genABIs().Draw(t, "abis")
		a, b := genSet(abis).Draw(t, "a"), genSet(abis).Draw(t, "b")
		set, err := Union(a, b)
		check(t, err)
		for _, style := range Styles() {
			rules, err := set.Rules(style)
			alone := len(abis) == 1 && abis[0] != syscalls.X86
			if errors.Is(err, ErrNotWritable) && !alone || errors.Is(err, ErrTooComplex) {
				continue
			}
			check(t, err)
			wellFormed(t, set, style, rules)
			if len(rules) > mostRead {
				continue
			}
			again, err := Read(Source{Default: set.Fallback(), ABIs: abis, Rules: rules}, Options{})
			check(t, err)
			same(t, "rules in style "+style.String(), again, set)
		}
	})
}

// wellFormed tests what engines are picky about.
func wellFormed(t fataler, set *Set, style Style, rules []Rule) {
	t.Helper()
	conditional := false
	for i, r := range rules {
		if err := r.valid(); err != nil || r.Origin.Rule != i {
			t.Fatalf("rule %d is %v: %v", i, r, err)
		}
		if r.repeatsArgument() {
			t.Fatalf("%v names an argument twice", r)
		}
		if r.Action == set.Fallback() {
			t.Fatalf("%v says the default", r)
		}
		if conditional && len(r.Conditions) == 0 {
			t.Fatalf("%v comes after a conditional one", r)
		}
		conditional = conditional || len(r.Conditions) > 0
		for _, c := range r.Conditions {
			if style == Masks && c.Op != EQ && c.Op != MaskedEQ || style == NoRanges && c.Op > NE && c.Op < MaskedEQ {
				t.Fatalf("style %v: %v", style, r)
			}
		}
	}
}

func TestComparisonsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		abis := genABIs().Draw(t, "abis")
		a, b := genSet(abis).Draw(t, "a"), genSet(abis).Draw(t, "b")
		plain, err := a.Plain()
		check(t, err)
		same(t, "a set in its simplest form", plain, a)
		equal, w, err := Equal(a, b)
		check(t, err)
		if !equal && (a.At(w.ABI, w.Number, w.Args) != w.A || b.At(w.ABI, w.Number, w.Args) != w.B || w.A == w.B) {
			t.Fatalf("false witness: %v", w)
		}
		inside, w, err := Within(a, b)
		check(t, err)
		if !inside && (a.At(w.ABI, w.Number, w.Args) != w.A || b.At(w.ABI, w.Number, w.Args) != w.B || !w.B.Kind.StricterThan(w.A.Kind)) {
			t.Fatalf("false witness: %v", w)
		}
		diff, err := Diff(a, b)
		if errors.Is(err, ErrTooComplex) {
			return
		}
		check(t, err)
		excess, err := Excess(a, b)
		check(t, err)
		if equal != (len(diff) == 0) || inside != (len(excess) == 0) {
			t.Fatalf("equal %v with %d differences, within %v with %d", equal, len(diff), inside, len(excess))
		}
		for _, r := range append(diff, excess...) {
			if x, y := a.At(r.ABI, r.Number, r.Example), b.At(r.ABI, r.Number, r.Example); x != r.A || y != r.B || x == y {
				t.Fatalf("region %+v: its example is %v and %v", r, x, y)
			}
		}
		points(t, abis, func(abi syscalls.ABI, nr uint32, args Args) {
			x, y := a.At(abi, nr, args), b.At(abi, nr, args)
			if got := lookUp(a, b, diff, abi, nr, args); got != (x != y) {
				t.Fatalf("%s on %v: %v and %v, but in the differences: %v", args.call(abi, nr), abi, x, y, got)
			}
			if got := lookUp(a, b, excess, abi, nr, args); got != y.Kind.StricterThan(x.Kind) {
				t.Fatalf("%s on %v: %v and %v, but in the excess: %v", args.call(abi, nr), abi, x, y, got)
			}
		})
	})
}

// lookUp reports whether one of the regions holds the call.
func lookUp(a, b *Set, regions []Region, abi syscalls.ABI, nr uint32, args Args) bool {
	_, inA := a.calls[abi][nr]
	_, inB := b.calls[abi][nr]
	if width(abi) == 32 {
		for i := range args {
			args[i] = uint64(uint32(args[i]))
		}
	}
	for _, r := range regions {
		if r.ABI != abi || r.Number != nr && !(r.Others && !inA && !inB) {
			continue
		}
		if (spoken{clause: clause{conditions: r.Conditions}}).holds(args) {
			return true
		}
	}
	return false
}

func check(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func same(t fataler, what string, a, b *Set) {
	t.Helper()
	equal, w, err := Equal(a, b)
	check(t, err)
	if !equal {
		t.Fatalf("%s: %v", what, w)
	}
}

func within(t fataler, what string, a, b *Set) {
	t.Helper()
	inside, w, err := Within(a, b)
	check(t, err)
	if !inside {
		t.Fatalf("%s: %v", what, w)
	}
}

func kinds(t *rapid.T, what string, abis []syscalls.ABI, a, b *Set, fallbacks bool) {
	points(t, abis, func(abi syscalls.ABI, nr uint32, args Args) {
		x, saidX := a.Said(abi, nr, args)
		y, saidY := b.Said(abi, nr, args)
		if fallbacks {
			x, y = a.At(abi, nr, args), b.At(abi, nr, args)
		}
		if x.Kind != y.Kind || !fallbacks && saidX != saidY {
			t.Fatalf("%s: %s on %v: %v and %v", what, args.call(abi, nr), abi, x, y)
		}
	})
}

func TestWritableSetsAreWrittenAndNoMorePermissive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		abis := genABIs().Draw(t, "abis")
		set, err := Restrict(genSet(abis).Draw(t, "set"), genSet(abis).Draw(t, "ceiling"))
		check(t, err)
		writable, changes, err := Writable(set)
		if errors.Is(err, ErrTooComplex) || errors.Is(err, ErrNotWritable) && set.Has(syscalls.X86) && set.Fallback().Kind == KillProcess {
			return
		}
		check(t, err)
		within(t, "a writable set is within the set", writable, set)
		rules, err := writable.Rules(Short)
		if errors.Is(err, ErrTooComplex) {
			return
		}
		check(t, err)
		wellFormed(t, writable, Short, rules)
		if len(changes) == 0 {
			same(t, "a set that is not changed", writable, set)
		} else if _, err := set.Rules(Short); !errors.Is(err, ErrNotWritable) {
			t.Fatalf("changed without need: %v, %v", changes, err)
		}
	})
}
