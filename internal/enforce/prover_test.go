package enforce

import (
	"fmt"
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
		"a silent refusal":  {"cat >/dev/null; exit 1", "exit status 1"},
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

// What was proven holds for the documents that were read, whichever of them changes and wherever they are found.
func TestProofsAreOfDocuments(t *testing.T) {
	n, first := newNode(t), t.TempDir()
	node := n
	node.Library.Dirs = append([]string{first}, n.Library.Dirs...)
	file := func(name string) string { return filepath.Join(n.Library.Dirs[0], name) }
	says := func(errno int) string { return strings.ReplaceAll(documents["deny"], "77", fmt.Sprint(errno)) }
	decided := &policy.Profile{Layers: layers("allow", "based"), Ceiling: &layers("allow")[0]}
	for _, c := range []struct {
		name, file, text string
		want             string // of the result, or of the error
	}{
		{"nothing", "", "", ":77"},
		{"the base", file("deny.json"), says(78), ":78"},
		{"the base, back", file("deny.json"), says(77), ":77"},
		{"a base that is found earlier", filepath.Join(first, "deny"), says(79), ":79"},
		{"a layer that is found earlier", filepath.Join(first, "based.json"), says(80), ":80"},
		{"which base it is", filepath.Join(first, "based.json"), strings.Replace(documents["based"], "deny", "kill", 1), "KILL_PROCESS"},
		{"a layer that is the ceiling, too", file("allow.json"), says(81), ":81"},
		{"the same, stricter", file("allow.json"), documents["tight"], ":38"},
		{"a broken layer", filepath.Join(first, "based.json"), "{", `profile "based"`},
	} {
		if c.file != "" {
			must(t, os.WriteFile(c.file, []byte(c.text), 0o644))
		}
		for range 2 {
			got, _, err := node.Apply(config(t, ""), decided)
			if text := fmt.Sprint(err); err == nil && !strings.Contains(string(got.Seccomp), c.want) || err != nil && !strings.Contains(text, c.want) {
				t.Errorf("%s: %v, %v; want %s", c.name, got, err, c.want)
			}
		}
	}
}

// A proof for somebody who may name bases by path is none for others.
func TestProofsAreOfTheTrusted(t *testing.T) {
	n := newNode(t)
	must(t, os.WriteFile(filepath.Join(n.Library.Dirs[0], "bold.json"),
		[]byte(`{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "`+filepath.Join(n.Library.Dirs[0], "deny.json")+`"}`), 0o644))
	trusted := n
	trusted.Library.Trusted = true
	decided := &policy.Profile{Layers: layers("bold")}
	_, _, err := trusted.Apply(config(t, ""), decided)
	must(t, err)
	if got, _, err := n.Apply(config(t, ""), decided); err == nil {
		t.Errorf("%s", got.Seccomp)
	}
}
