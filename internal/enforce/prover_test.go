package enforce

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/internal/policy"
)

// A stack that can not be proven is not applied, and the error says why.
func TestNoProof(t *testing.T) {
	for name, c := range map[string]struct{ script, says string }{
		"no prover":         {"", "no such file"},
		"a refusal":         {"cat >/dev/null; echo so >&2; exit 1", "so"},
		"a crash":           {"cat >/dev/null; echo panic >&2; exit 2", "exit status 2: panic"},
		"a kill":            {"kill -9 $$", "killed"},
		"no answer":         {"cat >/dev/null", "its answer"},
		"half an answer":    {"cat >/dev/null; echo '{\"layers\":'", "its answer"},
		"a failed answer":   {"cat >/dev/null; echo '{\"layers\": [\"deny\"]}'; exit 3", "exit status 3"},
		"an answer of none": {"cat >/dev/null; echo '{}'", "its answer"},
	} {
		n := newNode(t)
		n.Prover = Prover(filepath.Join(t.TempDir(), "strata-prove"))
		if c.script != "" {
			must(t, os.WriteFile(string(n.Prover), []byte("#!/bin/sh\n"+c.script+"\n"), 0o755))
		}
		if got, _, err := n.Apply(config(t, ""), &policy.Profile{Layers: layers("deny")}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v; want an error with %q", name, got, err, c.says)
		}
		if _, err := os.Stat(filepath.Join(n.State, provenDir)); err == nil {
			t.Errorf("%s: a proof is kept", name)
		}
	}
}

// Another build's proofs are none: it may have another libseccomp.
func TestProofsAreTheProvers(t *testing.T) {
	n := newNode(t)
	first, err := n.Prover.identity()
	must(t, err)
	other, err := prover(t).identity()
	must(t, err)
	if first != other {
		t.Errorf("the same program is %s and %s", first, other)
	}
	data, err := os.ReadFile(string(n.Prover))
	must(t, err)
	must(t, os.Remove(string(n.Prover)))
	must(t, os.WriteFile(string(n.Prover), data, 0o755))
	if other, err = n.Prover.identity(); err != nil || first == other {
		t.Errorf("another file is %s too, %v", other, err)
	}
}
