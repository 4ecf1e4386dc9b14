package stack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/profile"
	"strata/internal/reference"
	"strata/internal/safefile"
)

func library(t *testing.T) (l Library, top string) {
	t.Helper()
	top = t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	on := func(base string) string { return document(`ALLOW; "baseProfileName": "` + base + `"`) }
	write("first/web.json", document("ALLOW; read LOG"))
	write("first/plain", document("ALLOW"))
	write("first/base/runc.json", document("ALLOW"))
	write("first/base.json", on("base/runc"))
	write("first/chain.json", on("base"))
	write("first/file", document("ALLOW"))
	write("first/builtin.json", on("runtime/default"))
	write("first/cycle.json", on("cycle2"))
	write("first/cycle2.json", on("cycle"))
	write("first/onpath.json", on(filepath.Join(top, "secret.json")))
	write("first/escape.json", on("localhost/../secret.json"))
	write("first/onlocal.json", on("localhost/team/k.json"))
	write("first/empty.json", "{}")
	write("first/loose.json", document("ALLOW"))
	write("first/both.json", on("plain"))
	write("first/both.yaml", document("ALLOW"))
	write("second/plain", on("web"))
	write("second/web.json", document("ALLOW; read TRAP"))
	write("second/file/below.json", document("ALLOW"))
	write("second/spo.yaml", "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nmetadata: {name: spo}\nspec: {defaultAction: SCMP_ACT_ERRNO}\n")
	write("seccomp/team/k.json", document("ALLOW"))
	write("secret.json", document("ALLOW"))
	for link, target := range map[string]string{
		"first/out.json": "../secret.json", "first/in.json": "web.json", "seccomp/out.json": "/etc/passwd", "seccomp/device": "/dev/zero",
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(top, "first/fifo.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(top, "first/loose.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	return Library{
		Dirs:        []string{filepath.Join(top, "missing"), filepath.Join(top, "first"), filepath.Join(top, "second")},
		SeccompRoot: filepath.Join(top, "seccomp"),
	}, top
}

func TestLibrary(t *testing.T) {
	l, top := library(t)
	trusted := l
	trusted.Trusted = true
	for _, c := range []struct {
		library Library
		name    string
		want    string // the chain, undermost first
		err     error
		says    string
	}{
		{l, "web", "web", nil, ""},
		{l, "web.json", "web.json", nil, ""},
		{l, "plain", "plain", nil, ""},     // not the second directory's
		{l, "both", "plain both", nil, ""}, // JSON before YAML
		{l, "spo", "spo", nil, ""},
		{l, "in", "in", nil, ""},
		{l, "base/runc", "base/runc", nil, ""},
		{l, "base", "base/runc base", nil, ""},
		{l, "chain", "base/runc base chain", nil, ""},
		{l, "file/below", "file/below", nil, ""},
		{l, "builtin", "runtime/default builtin", nil, ""},
		{l, "runtime/default", "runtime/default", nil, ""},
		{l, "docker/default", "runtime/default", nil, ""},
		{l, "unconfined", "unconfined", nil, ""},
		{l, "localhost/team/k.json", "localhost/team/k.json", nil, ""},
		{l, "onlocal", "localhost/team/k.json onlocal", nil, ""},
		{trusted, filepath.Join(top, "secret.json"), filepath.Join(top, "secret.json"), nil, ""},
		{trusted, "onpath", filepath.Join(top, "secret.json") + " onpath", nil, ""},

		{l, "nothing", "", fs.ErrNotExist, "second"},
		{l, "localhost/web", "", fs.ErrNotExist, "seccomp"},
		{l, "localhost/team/k", "", fs.ErrNotExist, ""},
		{l, "localhost/team", "", safefile.ErrNotRegular, ""},
		{l, "localhost/out.json", "", safefile.ErrOutside, ""},
		{l, "localhost/device", "", safefile.ErrOutside, ""},
		{l, "out", "", safefile.ErrOutside, ""},
		{l, "fifo", "", safefile.ErrNotRegular, "FIFO"},
		{l, "loose", "", safefile.ErrUnguarded, ""},
		{l, "cycle", "", nil, "stands on itself"},
		{l, "onpath", "", nil, "paths are not accepted"},
		{l, "escape", "", nil, "localhost/../secret.json"},
		{l, "empty", "", nil, "empty"},
	} {
		r, err := reference.ParseTrusted(c.name)
		if err != nil {
			t.Fatal(err)
		}
		chain, _, err := c.library.Load(r)
		if c.want == "" {
			if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want an error (%v) that says %q", c.name, err, c.err, c.says)
			}
			continue
		}
		var names []string
		for _, p := range chain {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

// The first directory that has a profile decides.
func TestLibraryOrder(t *testing.T) {
	l, _ := library(t)
	chain, _, err := l.Load(reference.Reference{Kind: reference.Named, Name: "web"})
	if err != nil || chain[0].Rules[0].Action != profile.Log {
		t.Errorf("%+v, %v", chain, err)
	}
}

func TestLoadAll(t *testing.T) {
	l, _ := library(t)
	layers := []reference.Reference{{Kind: reference.Default}, {Kind: reference.Named, Name: "chain"}}
	chains, _, err := l.LoadAll(layers)
	if err != nil || len(chains) != 2 || len(chains[1]) != 3 {
		t.Errorf("%v, %v", chains, err)
	}
	if _, _, err := l.LoadAll(append(layers, reference.Reference{Kind: reference.Named, Name: "nothing"})); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a layer that is missing: %v", err)
	}
}
