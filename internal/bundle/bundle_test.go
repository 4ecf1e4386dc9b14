package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func parse(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, ` {
	"ociVersion": "1.0.2", "future": [1e400, 18446744073709551617],
	"annotations": {"io.strata.stack": "a\u002cb", "B": "", "b": "<&>"},
	"root": {"path": "rootfs", "readonly": true},
	"process": {"noNewPrivileges": true, "capabilities": {"bounding": ["CAP_KILL"], "effective": []}},
	"linux": {"seccomp" : { "defaultAction":"SCMP_ACT_ALLOW" } , "namespaces": [{"type": "pid"}]},
	"hooks": {"prestart": [{"path": "/a", "args": ["a", "b"], "env": ["X=Y"], "timeout": 3}], "poststop": null}
} `)
	want := &Config{
		Annotations:     map[string]string{"io.strata.stack": "a,b", "B": "", "b": "<&>"},
		Root:            "rootfs",
		Bounding:        []string{"CAP_KILL"},
		NoNewPrivileges: true,
		Seccomp:         json.RawMessage(`{ "defaultAction":"SCMP_ACT_ALLOW" }`),
		Hooks:           map[Stage][]Hook{Prestart: {{Path: "/a", Args: []string{"a", "b"}, Env: []string{"X=Y"}, Timeout: 3}}},
	}
	for _, stage := range Stages() {
		want.Hooks[stage] = append([]Hook(nil), want.Hooks[stage]...) // each has an entry
	}
	want.data, want.objects = c.data, c.objects
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v\nwant %+v", c, want)
	}
	if c := parse(t, `{"linux": null, "process": {"capabilities": null}, "annotations": null, "hooks": {}}`); c.Seccomp != nil || c.Annotations != nil {
		t.Errorf("%+v", c)
	}
	if c := parse(t, `{"linux": {"seccomp": null}}`); c.Seccomp != nil {
		t.Errorf("seccomp %s", c.Seccomp)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		``:                                "end of JSON",
		`{`:                               "end of JSON",
		`{} {}`:                           "after top-level value",
		`{"a": 01}`:                       "invalid character '1'",
		`[]`:                              "not an object",
		`null`:                            "not an object",
		`"x"`:                             "not an object",
		`{"linux": []}`:                   "linux: it is not an object",
		`{"linux": 1}`:                    "linux: it is not an object",
		`{"process": "x"}`:                "process: it is not an object",
		`{"annotations": {"a": 1}}`:       "annotations",
		`{"annotations": []}`:             "annotations: it is not an object",
		`{"linux": {}, "linux": {}}`:      `"linux" stands there twice`,
		`{"linux": {}, "l\u0069nux": {}}`: `"linux" stands there twice`,
		`{"linux": {"seccomp": null, "seccomp": {}}}`:                          `linux: "seccomp" stands there twice`,
		`{"annotations": {"a": "x", "a": "x"}}`:                                `annotations: "a" stands there twice`,
		`{"process": {"capabilities": {"bounding": [], "bounding": []}}}`:      `process.capabilities: "bounding" stands there twice`,
		`{"hooks": {"prestart": [], "prestart": []}}`:                          `hooks: "prestart" stands there twice`,
		`{"unknown": 1, "unknown": 2}`:                                         `"unknown" stands there twice`,
		`{"Linux": {"seccomp": {}}}`:                                           `"Linux" for "linux"`,
		`{"linux": {"SECCOMP": {}}}`:                                           `"SECCOMP" for "seccomp"`,
		`{"linux": {"\u017feccomp": {}}}`:                                      `"\u017feccomp" for "seccomp"`,
		`{"hoo\u212as": {}}`:                                                   `"hoo\u212as" for "hooks"`,
		`{"process": {"nonewprivileges": true}}`:                               `for "noNewPrivileges"`,
		`{"hooks": {"preStart": []}}`:                                          `for "prestart"`,
		`{"hooks": {"prestart": {}}}`:                                          "hooks.prestart",
		`{"hooks": {"prestart": [1]}}`:                                         "hooks.prestart",
		`{"process": {"capabilities": {"bounding": "CAP_KILL"}}}`:              "process.capabilities.bounding",
		`{"process": {"noNewPrivileges": "true"}}`:                             "process.noNewPrivileges",
		`{"a": ` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`:     "more than 64",
		`{"a": ` + strings.Repeat(`{"":`, 99) + "1" + strings.Repeat("}", 100): "more than 64",
		`{"a": "` + strings.Repeat("a", MaxSize) + `"}`:                        "the limit is 16777216",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "config.json: ") {
			t.Errorf("%.200s: %v, want an error with %q", text, err, says)
		}
	}
	parse(t, `{"a": `+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`)
	parse(t, `{"a": "`+strings.Repeat(`[{\"`, 100)+`"}`)
}

func TestEdit(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_LOG"}`
	for _, c := range []struct{ name, from, replaced, removed, hooked string }{
		{"empty", `{}`,
			`{"linux":{"seccomp":` + profile + `}}`, `{}`,
			`{"hooks":{"poststop":[{"path":"/h"}]}}`},
		{"spaces", " {\n } ",
			" {\"linux\":{\"seccomp\":" + profile + "}\n } ", " {\n } ",
			" {\"hooks\":{\"poststop\":[{\"path\":\"/h\"}]}\n } "},
		{"null objects", `{"linux":null,"hooks":null}`,
			`{"linux":{"seccomp":` + profile + `},"hooks":null}`, `{"linux":null,"hooks":null}`,
			`{"linux":null,"hooks":{"poststop":[{"path":"/h"}]}}`},
		{"null values", `{"linux":{"seccomp":null},"hooks":{"poststop":null}}`,
			`{"linux":{"seccomp":` + profile + `},"hooks":{"poststop":null}}`, `{"linux":{},"hooks":{"poststop":null}}`,
			`{"linux":{"seccomp":null},"hooks":{"poststop":[{"path":"/h"}]}}`},
		{"empty objects", `{"linux":{},"hooks":{"poststop":[ ]}}`,
			`{"linux":{"seccomp":` + profile + `},"hooks":{"poststop":[ ]}}`, `{"linux":{},"hooks":{"poststop":[ ]}}`,
			`{"linux":{},"hooks":{"poststop":[ {"path":"/h"}]}}`},
		{"first of two", `{"linux": { "seccomp" : {"x":"}"} , "y": 1.0}, "hooks": {"poststop": [ {"path": "]"} ], "prestart": []}}`,
			`{"linux": { "seccomp" : ` + profile + ` , "y": 1.0}, "hooks": {"poststop": [ {"path": "]"} ], "prestart": []}}`,
			`{"linux": { "y": 1.0}, "hooks": {"poststop": [ {"path": "]"} ], "prestart": []}}`,
			`{"linux": { "seccomp" : {"x":"}"} , "y": 1.0}, "hooks": {"poststop": [ {"path": "]"},{"path":"/h"} ], "prestart": []}}`},
		{"last of two", `{"linux": {"y": 12345678901234567890.50 , "secc\u006fmp": {}}}`,
			`{"linux": {"y": 12345678901234567890.50 , "secc\u006fmp": ` + profile + `}}`,
			`{"linux": {"y": 12345678901234567890.50}}`,
			`{"linux": {"y": 12345678901234567890.50 , "secc\u006fmp": {}},"hooks":{"poststop":[{"path":"/h"}]}}`},
		{"only one", `{"linux": { "seccomp": {} }}`,
			`{"linux": { "seccomp": ` + profile + ` }}`, `{"linux": {  }}`,
			`{"linux": { "seccomp": {} },"hooks":{"poststop":[{"path":"/h"}]}}`},
	} {
		from := parse(t, c.from)
		for _, edit := range []struct {
			want string
			make func() (*Config, error)
		}{
			{c.replaced, func() (*Config, error) { return from.WithSeccomp([]byte(profile)) }},
			{c.removed, func() (*Config, error) { return from.WithSeccomp(nil) }},
			{c.hooked, func() (*Config, error) { return from.WithHook(Poststop, Hook{Path: "/h"}) }},
		} {
			if got, err := edit.make(); err != nil || string(got.Bytes()) != edit.want {
				t.Errorf("%s: %s, %v\nwant %s", c.name, got.Bytes(), err, edit.want)
			}
		}
		if string(from.Bytes()) != c.from {
			t.Errorf("%s: an edit changed what it began with: %s", c.name, from.Bytes())
		}
	}
}

func TestEditRefuses(t *testing.T) {
	c := parse(t, `{"linux": {}}`)
	for _, text := range []string{"", "{", "{} , \"a\": 1", "{}}"} {
		if got, err := c.WithSeccomp([]byte(text)); err == nil {
			t.Errorf("%q made %s", text, got.Bytes())
		}
	}
	if _, err := c.WithHook("midstop", Hook{}); err == nil {
		t.Error("an unknown stage was accepted")
	}
	if _, err := c.WithSeccomp([]byte(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))); err == nil {
		t.Error("a profile was accepted that Parse refuses")
	}
}

// document draws a configuration as text: members in any order, of any kind, spelt in any way.
func document(t *rapid.T) string {
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n  "})
	scalar := rapid.SampledFrom([]string{`1`, `-0.10e+3`, `123456789012345678901234567890`, `true`, `null`, `"]}\"{[,:"`, `"\ud83d\ude00"`, `"\\"`, `{}`, `[ ]`})
	var value func(depth int) string
	list := func(open, shut string, parts []string) string {
		text := open + space.Draw(t, "space")
		for i, part := range parts {
			if i > 0 {
				text += "," + space.Draw(t, "space")
			}
			text += part + space.Draw(t, "space")
		}
		return text + shut
	}
	pair := func(name, value string) string {
		return name + space.Draw(t, "space") + ":" + space.Draw(t, "space") + value
	}
	value = func(depth int) string {
		if depth == 0 || rapid.Bool().Draw(t, "scalar") {
			return scalar.Draw(t, "value")
		}
		var parts []string
		object := rapid.Bool().Draw(t, "object")
		for i := range rapid.IntRange(0, 3).Draw(t, "size") {
			part := value(depth - 1)
			if object {
				part = pair(fmt.Sprintf(`"x%d"`, i), part)
			}
			parts = append(parts, part)
		}
		if object {
			return list("{", "}", parts)
		}
		return list("[", "]", parts)
	}
	object := func(known map[string]func() string) string {
		parts := []string{}
		for i := range rapid.IntRange(0, 3).Draw(t, "others") {
			parts = append(parts, pair(fmt.Sprintf(`"\u0078%d"`, i), value(2)))
		}
		for name, draw := range known {
			if rapid.Bool().Draw(t, "has "+name) {
				parts = append(parts, pair(`"`+name+`"`, draw()))
			}
		}
		slices.Sort(parts) // the map's order is not rapid's to repeat
		return list("{", "}", rapid.Permutation(parts).Draw(t, "order"))
	}
	or := func(draw func() string) func() string {
		return func() string {
			if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
				return "null"
			}
			return draw()
		}
	}
	hooks := func() string {
		return list("[", "]", slices.Repeat([]string{`{"path":"/p","x":[1]}`}, rapid.IntRange(0, 2).Draw(t, "hooks")))
	}
	whole := object(map[string]func() string{
		"linux": or(func() string { return object(map[string]func() string{"seccomp": func() string { return value(3) }}) }),
		"hooks": or(func() string {
			return object(map[string]func() string{"prestart": or(hooks), "poststop": or(hooks)})
		}),
	})
	return space.Draw(t, "space") + whole + space.Draw(t, "space")
}

// generic decodes a document with its numbers as they are written.
func generic(t interface{ Fatalf(string, ...any) }, data []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all map[string]any
	if err := d.Decode(&all); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return all
}

// Law: a document after an edit means what it meant before with only that value changed, and its bytes are those
// before with one run of them replaced.
func TestEditsChangeOneValue(t *testing.T) {
	var profile = map[string]any{"defaultAction": "SCMP_ACT_ERRNO", "x": json.Number("1e400")}
	sub := func(all map[string]any, name string) map[string]any {
		if all[name] == nil {
			all[name] = map[string]any{}
		}
		return all[name].(map[string]any)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(document(t))
		c, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := generic(t, text)
		var edited *Config
		switch rapid.IntRange(0, 2).Draw(t, "edit") {
		case 0:
			edited, err = c.WithSeccomp([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "x": 1e400}`))
			sub(want, "linux")["seccomp"] = profile
		case 1:
			edited, err = c.WithSeccomp(nil)
			if want["linux"] != nil {
				delete(sub(want, "linux"), "seccomp")
			}
		case 2:
			edited, err = c.WithHook(Prestart, Hook{Path: "/<&>", Timeout: 7})
			list, _ := sub(want, "hooks")["prestart"].([]any)
			sub(want, "hooks")["prestart"] = append(list, map[string]any{"path": "/<&>", "timeout": json.Number("7")})
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := generic(t, edited.Bytes()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nmade of %s", edited.Bytes(), text)
		}
		longest := len(`"linux":{"seccomp":{"defaultAction": "SCMP_ACT_ERRNO", "x": 1e400}},`)
		if added := replaced(text, edited.Bytes()); added > longest {
			t.Errorf("%d bytes changed in %s\nmade of %s", added, edited.Bytes(), text)
		}
	})
}

// replaced is how many bytes of b stand where it differs from a.
func replaced(a, b []byte) int {
	front := commonPrefix(a, b)
	a, b = slices.Clone(a[front:]), slices.Clone(b[front:])
	slices.Reverse(a)
	slices.Reverse(b)
	return len(b) - commonPrefix(a, b)
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"linux":{"seccomp":{"a":[1,"}"]}},"hooks":{"prestart":[{"path":"/a"}]},"annotations":{"a":"b"}}`))
	f.Add([]byte(` { "a" : [ { } , [ ] , "\"" ] , "linux" : null } `))
	f.Add([]byte(`{"l\u0069nux":{"y":1e5,"seccomp":true}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(bytes.Clone(data))
		if err != nil {
			return
		}
		was := generic(t, data)
		edited, err := c.WithSeccomp([]byte(`[7]`))
		if err != nil {
			t.Fatal(err)
		}
		if string(edited.Seccomp) != "[7]" || !bytes.Equal(c.Bytes(), data) {
			t.Fatalf("%q became %q", data, edited.Bytes())
		}
		removed, err := edited.WithSeccomp(nil)
		if err != nil {
			t.Fatal(err)
		}
		now := generic(t, removed.Bytes())
		for _, all := range []map[string]any{was, now} {
			if linux, ok := all["linux"].(map[string]any); ok {
				delete(linux, "seccomp")
			}
			if linux, _ := all["linux"].(map[string]any); len(linux) == 0 {
				delete(all, "linux")
			}
		}
		if !reflect.DeepEqual(was, now) {
			t.Fatalf("%q became %q", data, removed.Bytes())
		}
		if _, err := c.WithHook(Poststop, Hook{Path: "/h"}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, configFile)
	if err := os.WriteFile(path, []byte(`{"linux":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12, 34); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.WithSeccomp([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, c); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != `{"linux":{"seccomp":{}}}` {
		t.Errorf("%s, %v", data, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 12 || sys.Gid != 34 || st.Mode() != 0o640 {
		t.Errorf("user %d, group %d, mode %v", sys.Uid, sys.Gid, st.Mode())
	}
}

func TestFileRefuses(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o644) },
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"missing":   func(string) error { return nil },
	} {
		dir := t.TempDir()
		if err := make(filepath.Join(dir, configFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), configFile) {
			t.Errorf("%s: %v", name, err)
		}
		if err := Write(dir, parse(t, "{}")); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there was read")
	}
}
