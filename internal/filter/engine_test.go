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
