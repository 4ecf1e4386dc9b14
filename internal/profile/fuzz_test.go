package profile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"strata/internal/profile/profiletest"
	"strata/internal/syscalls"
)

// survives is what holds of whatever Parse takes: it can be resolved, and written so that it reads back the same.
func survives(t *testing.T, data []byte) {
	p, ws, err := Parse("fuzzed", data)
	if err != nil {
		if err.Error() == "" {
			t.Error("an error says nothing")
		}
		return
	}
	for _, w := range ws {
		if w.Reason == 0 || w.String() == "" {
			t.Errorf("a warning says nothing: %+v", w)
		}
	}
	if p.Object == nil || !p.Object.Disabled {
		r, _, err := p.Resolve(Machine{Native: syscalls.X86_64, Kernel: Kernel{6, 1}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Profile().Write(OCI); err != nil {
			t.Fatalf("what is resolved cannot be written: %v", err)
		}
	}
	f := p.Format()
	written, _, err := p.Write(f)
	if err != nil {
		if f == SPO {
			return // values that the operator's API cannot hold
		}
		t.Fatalf("as %s: %v", f, err)
	}
	back, _, err := Parse("fuzzed", written)
	if err != nil {
		t.Fatalf("written as %s: %v\n%s", f, err, written)
	}
	if f == SPO {
		return // long rules are split
	}
	if !reflect.DeepEqual(back, p) {
		t.Fatalf("got  %+v\nwant %+v\n%s", back, p, written)
	}
	if again, _, err := back.Write(f); err != nil || !bytes.Equal(again, written) {
		t.Fatalf("written again: %v\n%s\nbefore:\n%s", err, again, written)
	}
}

func FuzzJSON(f *testing.F) {
	all, err := profiletest.Defaults()
	if err != nil {
		f.Fatal(err)
	}
	for _, d := range all {
		f.Add(d.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Parse looks at the first byte: without a bracket it would read YAML.
		survives(t, append([]byte("{"), bytes.TrimPrefix(data, []byte("{"))...))
	})
}

// Our reader takes what package json takes, but for duplicate keys and depth, and finds the same values.
func FuzzJSONSyntax(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, -2.5e+3, true, false, null, "b\u00e4\n\"", {}], "c": {"d": []}}`, `[]`, `""`, `"\ud83d\ude00"`, ` 1 `, `01`, `-`, `[1,]`, `{"a" 1}`, "\"\x01\"", `nul`, `{"a":1,"a":2}`, "é", `{} {}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return // refused before
		}
		n, fault := parseJSON(data)
		if fault != nil {
			if json.Valid(data) && !strings.Contains(fault.Text, "is there twice") && !strings.Contains(fault.Text, "deep") {
				t.Fatalf("%q: %v", data, fault)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil || !json.Valid(data) {
			t.Fatalf("%q is taken, but %v", data, err)
		}
		if got := plain(n); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, want %#v", data, got, want)
		}
	})
}

// plain is a value as package json would give it.
func plain(n node) any {
	switch n.kind {
	case boolean:
		return n.text == "true"
	case number:
		return json.Number(n.text)
	case text:
		return n.text
	case list:
		items := []any{}
		for _, item := range n.items {
			items = append(items, plain(item))
		}
		return items
	case object:
		keys := map[string]any{}
		for _, k := range n.keys {
			keys[k.name] = plain(k.value)
		}
		return keys
	}
	return nil
}

func FuzzYAML(f *testing.F) {
	files, err := filepath.Glob("testdata/spo/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { survives(t, data) })
}

func FuzzErrno(f *testing.F) {
	for _, text := range []string{"EPERM", "38", "", "065", "EWOULDBLOCK"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, ok := ParseErrno(text); ok {
			if back, ok := ParseErrno(e.String()); !ok || back != e {
				t.Fatalf("%q is %d is %s is %d", text, e, e, back)
			}
		}
	})
}

func FuzzKernel(f *testing.F) {
	for _, text := range []string{"4.8", "6.1.0-18-amd64", "", ".", "5", "0.0", "256.0", "5.14.0+"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if k, ok := parseKernel(text); ok {
			if back, ok := parseKernel(k.String()); !ok || back != k {
				t.Fatalf("%q is %v is %v", text, k, back)
			}
			if release, ok := ParseRelease(text); !ok || release != k {
				t.Fatalf("%q is %v as a version and %v as a release", text, k, release)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, _ := Builtin(RuntimeDefault)
	for b.Loop() {
		if _, _, err := Parse(RuntimeDefault, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	data, _ := Builtin(RuntimeDefault)
	p, _, err := Parse(RuntimeDefault, data)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := p.Write(Docker); err != nil {
			b.Fatal(err)
		}
	}
}
