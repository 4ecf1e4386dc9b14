package stack

import (
	"testing"

	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
)

// What a container's start pays for its stack: reading, merging and writing, without
// the proof.
func BenchmarkDefaultWithChild(b *testing.B) {
	child := parse(b, "child", "ERRNO/38 X86_64; read,write,openat,close,mmap,futex,clone3,execve,exit_group ALLOW; socket ALLOW 0 NE 40")
	for b.Loop() {
		chain, _, err := Library{}.Load(reference.Reference{Kind: reference.Default})
		if err != nil {
			b.Fatal(err)
		}
		s, err := Plan{Layers: [][]*profile.Profile{chain, {child}}, Machine: amd64}.Build()
		if err != nil {
			b.Fatal(err)
		}
		rules, err := s.Set.Rules(ruleset.Short)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Document(rules).Write(profile.OCI); err != nil {
			b.Fatal(err)
		}
	}
}
