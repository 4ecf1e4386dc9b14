package stack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// texts draws a profile in the form that parse reads: few names and values, so that
// layers meet.
func texts() *rapid.Generator[string] {
	actions := rapid.SampledFrom([]string{"ALLOW", "ALLOW", "LOG", "TRACE/7", "ERRNO/1", "ERRNO/38", "TRAP", "KILL_THREAD", "KILL_PROCESS"})
	return rapid.Custom(func(t *rapid.T) string {
		parts := []string{actions.Draw(t, "default") + rapid.SampledFrom([]string{"", "", " X86_64 X86", " X86_64 X86 X32", " X86_64"}).Draw(t, "arches")}
		for range rapid.IntRange(0, 5).Draw(t, "rules") {
			rule := rapid.SampledFrom([]string{"read", "clone", "socket", "close", "clone,socket", "personality"}).Draw(t, "names") + " " + actions.Draw(t, "action")
			if rapid.IntRange(0, 2).Draw(t, "conditional") > 0 {
				rule += fmt.Sprintf(" %d %s %d", rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1}).Draw(t, "index"),
					rapid.SampledFrom([]string{"EQ", "NE", "LT", "LE", "GE", "GT"}).Draw(t, "op"), values.Draw(t, "value"))
			}
			parts = append(parts, rule)
		}
		return strings.Join(parts, ";")
	})
}

var values = rapid.SampledFrom([]uint64{0, 1, 2, 3, 16, 40, 0xffffffff, 1 << 32, 1<<63 - 1})

// said is what each layer says of a call: the definition that a stack is compared with.
type said struct {
	action ruleset.Action
	ok     bool
}

// defined works out by the definition what a stack does, call by call.
func defined(layers, ceilings []*ruleset.Set, childWins bool, call ruleset.Call) ruleset.Action {
	result := inherited(layers, childWins, call)
	for _, ceiling := range ceilings {
		// The kernel takes the more restrictive of two filters' answers, on a tie the one of the later, the stack's.
		if limit := inherited([]*ruleset.Set{ceiling}, false, call); limit.Kind.StricterThan(result.Kind) {
			result = limit
		}
	}
	return result
}

func inherited(layers []*ruleset.Set, childWins bool, call ruleset.Call) ruleset.Action {
	var result said
	for _, layer := range layers { // base first
		action, ok := layer.Said(call.ABI, call.Number, call.Args)
		switch {
		case !ok:
		case !result.ok, childWins, !result.action.Kind.StricterThan(action.Kind):
			result = said{action, true}
		}
	}
	if !result.ok {
		return layers[len(layers)-1].Fallback()
	}
	return result.action
}

// Law: at random points and on every threshold the result is what the definition says,
// and nothing is said by an origin that is none of the layers'.
func TestStackIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Plan{Machine: amd64, ChildWins: rapid.Bool().Draw(t, "child wins"), Overlap: ruleset.Strictest}
		plan.Layers = draw(t, 'a', rapid.SliceOfN(texts(), 1, 4).Draw(t, "layers"))
		plan.Ceilings = draw(t, 'x', rapid.SliceOfN(texts(), 0, 2).Draw(t, "ceilings"))
		s, err := plan.Build()
		if err != nil {
			t.Fatal(err)
		}
		layers := sets(t, plan, plan.Layers, listed(plan.Layers))
		var ceilings []*ruleset.Set
		abis := listed(plan.Layers)
		for _, ceiling := range plan.Ceilings {
			one := [][]*profile.Profile{ceiling}
			ceilings = append(ceilings, sets(t, plan, one, listed(one))...)
			abis = intersect(abis, listed(one))
		}
		if !slices.Equal(s.Set.ABIs(), abis) {
			t.Fatalf("architectures %v, want %v", s.Set.ABIs(), abis)
		}
		check := func(call ruleset.Call) {
			want := defined(layers, ceilings, plan.ChildWins, call)
			got, origin := s.Set.Why(call.ABI, call.Number, call.Args)
			if got != want {
				t.Fatalf("%v: %v, by definition %v", call, got, want)
			}
			checkOrigin(t, append(plan.Layers, plan.Ceilings...), origin, got)
		}
		for _, set := range append(append(layers, ceilings...), s.Set) {
			on, err := set.On(abis)
			if err != nil {
				t.Fatal(err)
			}
			thresholds(t, on, check)
		}
		for range 20 {
			abi := rapid.SampledFrom(abis).Draw(t, "abi")
			call := ruleset.Call{ABI: abi, Number: uint32(rapid.IntRange(0, int(abi.Max())+2).Draw(t, "number"))}
			for i := range call.Args {
				call.Args[i] = values.Draw(t, "argument")
				if abi != syscalls.X86_64 {
					call.Args[i] &= 0xffffffff
				}
			}
			check(call)
		}
	})
}

// thresholds visits the calls on and beside every threshold of a set, as far as they
// can be listed: conditions on several arguments can have too many.
func thresholds(t *rapid.T, set *ruleset.Set, visit func(ruleset.Call)) {
	for call, err := range ruleset.Boundary(set) {
		if errors.Is(err, ruleset.ErrTooComplex) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		visit(call)
	}
}

// checkOrigin reports an origin that does not say the action.
func checkOrigin(t *rapid.T, chains [][]*profile.Profile, origin ruleset.Origin, action ruleset.Action) {
	for _, chain := range chains {
		p := chain[0]
		if p.Name != origin.Layer {
			continue
		}
		said := p.Default
		if origin.Rule >= 0 {
			said = p.Rules[origin.Rule-1].Action
		}
		if strings.TrimPrefix(string(said), "SCMP_ACT_") != action.Kind.String() {
			t.Fatalf("%v says %s and not %v", origin, said, action)
		}
		return
	}
	t.Fatalf("%v is of no layer", origin)
}

func draw(t *rapid.T, first rune, texts []string) [][]*profile.Profile {
	var all [][]*profile.Profile
	for i, text := range texts {
		p, _, err := profile.Parse(string(first+rune(i)), []byte(document(text)))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all = append(all, []*profile.Profile{p})
	}
	return all
}

// sets reads each layer by itself on the given ABIs.
func sets(t *rapid.T, plan Plan, chains [][]*profile.Profile, abis []syscalls.ABI) []*ruleset.Set {
	var all []*ruleset.Set
	for _, chain := range chains {
		r, _, err := chain[0].Resolve(plan.Machine)
		if err != nil {
			t.Fatal(err)
		}
		source := r.Source()
		source.ABIs = abis
		set, err := ruleset.Read(source, ruleset.Options{Overlap: plan.Overlap})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, set)
	}
	return all
}

// listed are the ABIs that all profiles with a list share; the machine's is in all
// lists that are drawn.
func listed(chains [][]*profile.Profile) []syscalls.ABI {
	abis := []syscalls.ABI{syscalls.X86_64, syscalls.X86, syscalls.X32}
	stated := false
	for _, chain := range chains {
		var list []syscalls.ABI
		for _, arch := range chain[0].Arches {
			abi, _ := arch.ABI()
			list = append(list, abi)
		}
		if list != nil {
			abis, stated = intersect(abis, list), true
		}
	}
	if !stated {
		return []syscalls.ABI{syscalls.X86_64}
	}
	return abis
}

func intersect(a, b []syscalls.ABI) []syscalls.ABI {
	var both []syscalls.ABI
	for _, x := range a {
		for _, y := range b {
			if x == y {
				both = append(both, x)
			}
		}
	}
	return both
}

// Law: no stack exceeds its ceiling, a stack of one layer twice is that layer, and
// the explanation says of every call what the set does.
func TestStackLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := draw(t, 'a', rapid.SliceOfN(texts(), 1, 3).Draw(t, "layers"))
		ceiling := draw(t, 'x', []string{texts().Draw(t, "ceiling")})
		build := func(p Plan) *Stack {
			p.Machine, p.Overlap = amd64, ruleset.Strictest
			s, err := p.Build()
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		limited := build(Plan{Layers: layers, Ceilings: ceiling})
		limit, err := build(Plan{Layers: ceiling}).Set.On(limited.Set.ABIs())
		if err != nil {
			t.Fatal(err)
		}
		if ok, witness, err := ruleset.Within(limited.Set, limit); !ok || err != nil {
			t.Fatalf("above the ceiling: %v, %v", witness, err)
		}
		once, twice := build(Plan{Layers: layers}), build(Plan{Layers: append(layers, layers[len(layers)-1])})
		if ok, witness, err := ruleset.Equal(once.Set, twice.Set); !ok || err != nil {
			t.Fatalf("the top layer twice: %v, %v", witness, err)
		}
		explained(t, limited.Set)
	})
}

func explained(t *rapid.T, set *ruleset.Set) {
	regions, err := Explain(set)
	if errors.Is(err, ruleset.ErrTooComplex) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	thresholds(t, set, func(call ruleset.Call) {
		want, origin := set.Why(call.ABI, call.Number, call.Args)
		region := find(regions, call)
		if region.Action != want || region.Origin != origin {
			t.Fatalf("%v: explained as %v by %v, is %v by %v", call, region.Action, region.Origin, want, origin)
		}
	})
}

// find returns the first region that holds a call; the last one holds all.
func find(regions []Region, call ruleset.Call) Region {
	name := ruleset.Name(call.ABI, call.Number)
	for _, r := range regions {
		holds := len(r.Names) == 0
		for _, n := range r.Names {
			holds = holds || n == name
		}
		for _, abi := range r.ABIs {
			if holds && abi == call.ABI && meets(r.Conditions, call.Args) {
				return r
			}
		}
	}
	return Region{}
}

func meets(conditions []ruleset.Condition, args ruleset.Args) bool {
	for _, c := range conditions {
		if !c.Holds(args) {
			return false
		}
	}
	return true
}
