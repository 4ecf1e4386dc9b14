package filter

import (
	"slices"
	"testing"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// memory is a cache that counts nothing and forgets nothing.
type memory map[string][]byte

func (m memory) Get(key string) ([]byte, bool) { text, ok := m[key]; return text, ok }
func (m memory) Put(key string, text []byte)   { m[key] = slices.Clone(text) }
func (m memory) every(change func([]byte) []byte) {
	for k, v := range m {
		m[k] = change(v)
	}
}

func TestWhatACacheSaysIsProven(t *testing.T) {
	d := &decoder{[]byte{0, 3, 5, 0, 0, 0, 0, 1, 0, 0, 4, 2, 0, 1, 2}}
	good := read(t, d.source("good", []syscalls.ABI{syscalls.X86_64}, someActions))
	cache := memory{}
	first, err := Proven(good, Options{Cache: cache, OneLayout: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(cache) != 1 {
		t.Fatalf("%d programs in the cache, want the one that was compiled", len(cache))
	}
	again, err := Proven(good, Options{Cache: cache, OneLayout: true})
	if err != nil || !slices.Equal(first.Program, again.Program) {
		t.Fatalf("the program from the cache differs from what was kept: %v", err)
	}
	allowAll := Program{{Op: opRet, K: returns[ruleset.Allow]}}
	for name, text := range map[string][]byte{
		"another program": mustJSON(t, kept{Program: allowAll.Bytes()}),
		"half a program":  mustJSON(t, kept{Program: first.Program.Bytes()[:12]}),
		"no program":      []byte("{}"),
		"no document":     []byte("\x00"),
	} {
		cache.every(func([]byte) []byte { return text })
		proof, err := Proven(good, Options{Cache: cache, OneLayout: true})
		if err != nil || !slices.Equal(first.Program, proof.Program) {
			t.Errorf("%s in the cache: %v, or a program that is not libseccomp's", name, err)
		}
	}
}
