package enforce

import (
	"os"
	"path/filepath"
	"testing"

	"strata/internal/bundle"
	"strata/internal/policy"
	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/ruleset"
	"strata/internal/stack"
)

// A child that uses sockets on 32-bit x86 is what libseccomp can not be told exactly
// below the default profile. It is denied more, and the container starts.
func TestSocketsBelowTheDefault(t *testing.T) {
	dir := t.TempDir()
	child := `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_NATIVE", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"],
		"syscalls": [{"names": ["socket", "read"], "action": "SCMP_ACT_ALLOW"}]}`
	if err := os.WriteFile(filepath.Join(dir, "web.json"), []byte(child), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := bundle.Parse([]byte(`{"ociVersion": "1.0.2", "root": {"path": "/"}, "process": {"args": ["sh"], "cwd": "/"}, "linux": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	node := Node{State: filepath.Join(dir, "state"), Prover: prover(t), Library: stack.Library{Dirs: []string{dir}}}
	decided := &policy.Profile{
		Layers:  []reference.Reference{{Kind: reference.Named, Name: "web"}},
		Ceiling: &reference.Reference{Kind: reference.Default},
	}
	config, _, err = node.Apply(config, decided)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Verify(config, decided); err != nil {
		t.Errorf("what was applied is not what is wanted: %v", err)
	}
	within(t, config.Seccomp, child)
	data, _ := profile.Builtin(profile.RuntimeDefault)
	within(t, config.Seccomp, string(data))
}

// within fails if one document is somewhere more permissive than another.
func within(t *testing.T, inner []byte, outer string) {
	t.Helper()
	var sets [2]*ruleset.Set
	config, err := bundle.Parse([]byte(`{"ociVersion": "1.0.2", "root": {"path": "/"}, "process": {"args": ["sh"], "cwd": "/"}, "linux": {}}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range [][]byte{inner, []byte(outer)} {
		p, _, err := profile.Parse("profile", data)
		if err != nil {
			t.Fatal(err)
		}
		s, err := stack.Plan{Layers: [][]*profile.Profile{{p}}, Machine: machine(config)}.Build()
		if err != nil {
			t.Fatal(err)
		}
		sets[i] = s.Set
	}
	if ok, witness, err := ruleset.Within(sets[0], sets[1]); !ok || err != nil {
		t.Errorf("more permissive: %v, %v", witness, err)
	}
}
