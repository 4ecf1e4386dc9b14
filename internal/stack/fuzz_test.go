package stack

import (
	"errors"
	"testing"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/ruleset"
)

// FuzzStackThenCompile stacks two documents, below a third or not. Whatever they hold,
// what comes out is proven, is never wider than the stack, and says the same when it
// is written and read again; or an error says why there is nothing.
func FuzzStackThenCompile(f *testing.F) {
	ordinary := document("ERRNO/38 X86_64 X86; read,write,socket,ipc ALLOW; clone ALLOW 0 MASKED_EQ 2114060288 0")
	for _, seed := range [][3]string{
		{document("ALLOW; socket ERRNO/1 0 EQ 40"), ordinary, ""},
		{ordinary, document("ERRNO/1; socket ALLOW 0 NE 40; socket LOG 0 GE 16"), ordinary},
		{document("KILL_PROCESS X86_64 X32; personality ALLOW 0 EQ 8; personality ALLOW 0 EQ 131072"), document("LOG; personality TRAP 0 LT 4294967296"), document("ALLOW X86_64; close KILL_THREAD")},
		{document(`ALLOW; close NOTIFY; "listenerPath": "/run/l"`), document("TRACE/7; read TRACE/8 1 GT 1"), ""},
		{`{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
			"syscalls": [{"names": ["shmat", "accept", "send"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}`, ordinary, ordinary},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]), false)
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]), true)
	}
	f.Fuzz(func(t *testing.T, base, child, ceiling []byte, childWins bool) {
		plan := Plan{Machine: amd64, ChildWins: childWins, Overlap: ruleset.Strictest}
		for i, text := range [][]byte{base, child, ceiling} {
			if i == 2 && len(text) == 0 {
				continue
			}
			p, _, err := profile.Parse(string(rune('a'+i)), text)
			if err != nil {
				return
			}
			p.Base = ""
			if i == 2 {
				plan.Ceilings = [][]*profile.Profile{{p}}
			} else {
				plan.Layers = append(plan.Layers, []*profile.Profile{p})
			}
		}
		s, err := plan.Build()
		if err != nil {
			return
		}
		exact := s.Set
		tight, _, err := ruleset.Writable(exact)
		if err != nil {
			return
		}
		if ok, witness, err := ruleset.Within(tight, exact); err == nil && !ok {
			t.Fatalf("wider than the stack: %v", witness)
		}
		proof, err := filter.Proven(tight, filter.Options{})
		if err != nil {
			return // there is nothing to hand out
		}
		s.Set = tight
		data, _, err := s.Document(proof.Rules).Write(profile.OCI)
		if err != nil {
			t.Fatalf("proven, and not writable: %v", err)
		}
		again, _, err := profile.Parse("again", data)
		if err != nil {
			t.Fatalf("what was written can not be read: %v\n%s", err, data)
		}
		back, err := Plan{Layers: [][]*profile.Profile{{again}}, Machine: amd64}.Build()
		if errors.Is(err, ruleset.ErrTooComplex) {
			return
		}
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, data)
		}
		if equal, witness, err := ruleset.Equal(tight, back.Set); err == nil && !equal {
			t.Fatalf("what was written says something else: %v\n%s", witness, data)
		}
	})
}
