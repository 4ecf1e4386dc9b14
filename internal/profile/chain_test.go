package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func standing(on string) []byte {
	return fmt.Appendf(nil, `{"baseProfileName": %q, "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ALLOW"}]}`, on)
}

func from(files map[string][]byte) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if data, ok := files[name]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("profile %q: %w", name, fs.ErrNotExist)
	}
}

func TestLoad(t *testing.T) {
	chain, ws, err := Load("web", from(map[string][]byte{"web": standing("app"), "app": standing(RuntimeDefault)}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range chain {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "runtime/default app web" {
		t.Errorf("chain is %s", got)
	}
	if len(ws) != 2 || ws.Strict() == nil {
		t.Errorf("warnings: %v", ws)
	}
}

// An empty name is looked for, and not taken for a chain of no profiles.
func TestLoadWithoutName(t *testing.T) {
	if chain, _, err := Load("", from(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%d profiles: %v", len(chain), err)
	}
}

func TestParseCapability(t *testing.T) {
	for text, want := range map[string]string{"CAP_SYS_ADMIN": "CAP_SYS_ADMIN", "sys_admin": "CAP_SYS_ADMIN", "cap_bpf": "CAP_BPF", "SYS_ADMN": "", "": "", "CAP_": ""} {
		if got, ok := ParseCapability(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	}
}

func TestBuiltin(t *testing.T) {
	for _, name := range []string{RuntimeDefault, Unconfined} {
		chain, ws, err := Load(name, from(nil))
		if err != nil || len(chain) != 1 || len(ws) != 0 {
			t.Fatalf("%s: %v, %v, %v", name, chain, ws, err)
		}
	}
	if _, ok := Builtin("runtime"); ok {
		t.Error("runtime is built in")
	}
	chain, _, err := Load(Unconfined, from(nil))
	if err != nil || chain[0].Default != Allow || len(chain[0].Rules) != 0 {
		t.Errorf("unconfined is %+v, %v", chain, err)
	}
}

func TestLoadRefused(t *testing.T) {
	files := map[string][]byte{
		"broken": []byte("{}"), "on-broken": standing("broken"), "on-missing": standing("missing"), "on-registry": standing("oci://example.org/x:v1"),
		"self": standing("self"), "a": standing("b"), "b": standing("c"), "c": standing("a"), "on-cycle": standing("a"),
	}
	for i := range MaxBases + 1 {
		files[fmt.Sprint("p", i)] = standing(fmt.Sprint("p", i+1))
	}
	files[fmt.Sprint("p", MaxBases+1)] = standing("")
	for name, want := range map[string]string{
		"missing":     `profile "missing": file does not exist`,
		"broken":      `profile "broken": line 1, column 1: is an empty object`,
		"on-broken":   `profile "on-broken": by baseProfileName (on-broken -> broken): profile "broken"`,
		"on-missing":  `(on-missing -> missing): profile "missing": file does not exist`,
		"on-registry": `is an artifact of a registry`,
		"self":        `(self -> self): stands on itself`,
		"a":           `(a -> b -> c -> a): stands on itself`,
		"on-cycle":    `(on-cycle -> a -> b -> c -> a): stands on itself`,
		"p0":          `has more than 15 bases`,
	} {
		_, _, err := Load(name, from(files))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant: %s", name, err, want)
		}
	}
	if _, _, err := Load("on-missing", from(files)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not say that a file is missing", err)
	}
	if chain, _, err := Load("p1", from(files)); err != nil || len(chain) != MaxBases+1 {
		t.Errorf("%d bases: %v", MaxBases, err)
	}
}
