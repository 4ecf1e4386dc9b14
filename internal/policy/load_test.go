package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"strata/internal/reference"
	"strata/internal/safefile"
)

// files writes a policy directory; "" is strata.toml.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "strata")
	must(t, os.MkdirAll(filepath.Join(dir, dropIns), 0o755))
	for name, text := range texts {
		path := filepath.Join(dir, mainFile)
		if name != "" {
			path = filepath.Join(dir, dropIns, name)
		}
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func load(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Load(files(t, map[string]string{"": text}))
	must(t, err)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// said drops where things were said.
func said(p *Policy) Policy {
	q := *p
	q.files, q.places = nil, nil
	q.Allow, q.Bind = nil, nil
	for _, rule := range p.Allow {
		rule.Place = Place{}
		q.Allow = append(q.Allow, rule)
	}
	for _, b := range p.Bind {
		b.Place = Place{}
		q.Bind = append(q.Bind, b)
	}
	return q
}

func TestLoadNothing(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), files(t, nil), files(t, map[string]string{"": ""})} {
		p, err := Load(dir)
		must(t, err)
		if !reflect.DeepEqual(said(p), said(Defaults())) {
			t.Errorf("%s: %+v", dir, p)
		}
		if len(p.Bind) > 0 || p.Profiles.Default != (Default{}) || p.NeedsImage() {
			t.Error("something is configured by default")
		}
	}
}

func TestExampleEqualsDefaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/strata.toml")
	must(t, err)
	p := load(t, string(text))
	want := Defaults()
	want.Record.Namespaces = nil
	if !reflect.DeepEqual(said(p), said(want)) {
		t.Errorf("docs/strata.toml says %+v, the defaults are %+v", said(p), said(want))
	}
	if missing := len(p.places) - len(keys()) + 1; missing != 0 { // all but the ceiling
		t.Errorf("docs/strata.toml says %d keys of %d", len(p.places), len(keys()))
	}
}

// keys lists all keys that may be said once.
func keys() []string {
	return []string{
		"profiles.dirs", "profiles.seccomp_root", "profiles.default", "profiles.exempt", "profiles.ceiling",
		"record.podman", "record.namespaces", "record.others", "record.unconfined", "record.on_failure",
		"runtime.path", "runtime.inject_record",
	}
}

func TestManPageNamesEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/strata.toml.5")
	must(t, err)
	for _, key := range append(keys(), "allow.namespace", "allow.profiles", "bind.image", "bind.namespace", "bind.stack", "bind.override") {
		section, name, _ := strings.Cut(key, ".")
		_, rest, ok := strings.Cut(string(page), "["+section+"]")
		if !ok || !strings.Contains(rest, "\n.B "+name+"\n") {
			t.Errorf("strata.toml(5) does not explain %s", key)
		}
	}
}

// The lines of the example that are commented out are right too.
func TestExampleUncommented(t *testing.T) {
	text, err := os.ReadFile("../../docs/strata.toml")
	must(t, err)
	all := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(text), "$1")
	p := load(t, all)
	if p.Profiles.Ceiling == nil || len(p.Allow) != 1 || len(p.Bind) != 2 || !p.NeedsImage() {
		t.Errorf("the example's examples say %+v", p)
	}
}

func TestLoad(t *testing.T) {
	p, err := Load(files(t, map[string]string{
		"": `
profiles.dirs = ["/srv/profiles"]
[record]
podman = false
namespaces = ["ci-*", "shop"]
`,
		"20-bind.toml": `
[[bind]]
image = "registry.example:5000/web:1"
stack = ["base", "/srv/web.json"]
[[bind]]
namespace = "*"
stack = ["unconfined"]
override = true
`,
		"10-rest.toml": `
[profiles]
default = "log"
ceiling = "localhost/ceiling.json"
exempt = []
seccomp_root = "/srv/seccomp"
[record]
on_failure = "warn"
others = true
unconfined = true
[runtime]
path = "/usr/sbin/crun"
inject_record = true
[[allow]]
namespace = "shop"
profiles = ["unconfined", "web-*", "localhost/shop/*"]
`,
		"ignored.conf":     "[",
		".hidden.toml":     "[",
		"ignored.toml.bak": "[",
	}))
	must(t, err)
	standard := reference.Reference{Kind: reference.Default}
	ceiling := reference.Reference{Kind: reference.Localhost, Name: "ceiling.json"}
	want := Policy{
		Profiles: Profiles{
			Dirs: []string{"/srv/profiles"}, SeccompRoot: "/srv/seccomp",
			Default: Default{Profile: &standard, Log: true}, Ceiling: &ceiling,
		},
		Record:  Record{Namespaces: []Pattern{"ci-*", "shop"}, Others: true, Unconfined: true, OnFailure: Warn},
		Runtime: Runtime{Path: "/usr/sbin/crun", InjectRecord: true},
		Allow:   []Allow{{Namespace: "shop", Profiles: []Pattern{"unconfined", "web-*", "localhost/shop/*"}}},
		Bind: []Bind{
			{Image: "registry.example:5000/web:1", Stack: []reference.Reference{{Kind: reference.Named, Name: "base"}, {Kind: reference.Path, Name: "/srv/web.json"}}},
			{Namespace: "*", Stack: []reference.Reference{{Kind: reference.Unconfined}}, Override: true},
		},
	}
	if !reflect.DeepEqual(said(p), want) {
		t.Errorf("%+v\nwant %+v", said(p), want)
	}
	var bases []string
	for _, file := range p.Files() {
		bases = append(bases, filepath.Base(file))
	}
	if got := strings.Join(bases, " "); got != "strata.toml 10-rest.toml 20-bind.toml" {
		t.Errorf("read %s", got)
	}
	if got := p.Place("record.podman").String(); !strings.HasSuffix(got, "strata.toml:4:1") {
		t.Errorf("record.podman is said at %s", got)
	}
	if got := p.Bind[1].Place.String(); !strings.HasSuffix(got, "20-bind.toml:5:1") {
		t.Errorf("the second binding is said at %s", got)
	}
	if got := p.Place("record.nothing").String(); got != "default" {
		t.Errorf("what nobody said is said at %s", got)
	}
}

// Every problem is found, at its line and column.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"syntax", "[record]\npodman = yes\n", []string{"strata.toml:2:"}},
		{"a line that ends too early", "\n[record\npodman = true\n", []string{"strata.toml:2:8"}},
		{"twice in a file", "[record]\npodman = true\npodman = true\n", []string{"strata.toml:3:"}},
		{"not UTF-8", "# \xff\n", []string{"strata.toml:"}},
		{"unknown section", "\n\n  [recording]\n", []string{`strata.toml:3:3: unknown key "recording"; known here are allow, bind`}},
		{"unknown key", "[record]\n  podmann = true\n", []string{`strata.toml:2:3: unknown key "podmann"; known here are namespaces, on_failure`}},
		{"key of another case", "[record]\nPodman = true\n", []string{`strata.toml:2:1: unknown key "Podman"`}},
		{"dotted", "record.podman.x = 1\n", []string{"strata.toml:1:1: podman: a table where true or false is wanted"}},
		{"all at once", "[record]\npodman = 1\nothers = \"no\"\n", []string{
			"strata.toml:2:1: podman: a number where true or false is wanted", "strata.toml:3:1: others: a string where true or false"}},
		{"section of another type", "record = 1\n", []string{"strata.toml:1:1: record: a number where a table"}},
		{"list", "[record]\nnamespaces = \"shop\"\n", []string{"strata.toml:2:1: namespaces: a string where a list"}},
		{"list of others", "[record]\nnamespaces = [1]\n", []string{"strata.toml:2:1: namespaces: a number where a string"}},
		{"list with one twice", "[record]\nnamespaces = [\"a\", \"a\"]\n", []string{"strata.toml:2:1", "twice"}},
		{"namespace", "[record]\nnamespaces = [\"../x\"]\n", []string{"strata.toml:2:1", "../x"}},
		{"star inside", "[record]\nnamespaces = [\"a*b\"]\n", []string{"strata.toml:2:1", "a*b"}},
		{"relative directory", "[profiles]\ndirs = [\"profiles\"]\n", []string{"strata.toml:2:1", "begin with /"}},
		{"detour", "[profiles]\nseccomp_root = \"/var/../x\"\n", []string{"strata.toml:2:1", "write it as"}},
		{"default unconfined", "[profiles]\ndefault = \"unconfined\"\n", []string{"strata.toml:2:1", "off"}},
		{"default empty", "[profiles]\ndefault = \"\"\n", []string{"strata.toml:2:1"}},
		{"default escape", "[profiles]\ndefault = \"localhost/../x\"\n", []string{"strata.toml:2:1"}},
		{"ceiling unconfined", "[profiles]\nceiling = \"unconfined\"\n", []string{"strata.toml:2:1", "leave"}},
		{"on_failure", "[record]\non_failure = \"ignore\"\n", []string{"strata.toml:2:1", `"stop"`, `"warn"`}},
		{"runtime", "[runtime]\npath = \"runc\"\n", []string{"strata.toml:2:1"}},
		{"long", "[profiles]\ndefault = \"" + strings.Repeat("x", 2000) + "\"\n", []string{"strata.toml:2:1", "1024 bytes"}},
		{"allow as a table", "[allow]\nnamespace = \"x\"\n", []string{"strata.toml:1:1: allow: a table where tables of the form [[allow]]"}},
		{"allow without all", "[[allow]]\n", []string{"strata.toml:1:1: [[allow]] without namespace", "strata.toml:1:1: [[allow]] without profiles"}},
		{"allow of a path", "[[allow]]\nnamespace = \"a\"\nprofiles = [\"/etc/*\"]\n", []string{"strata.toml:3:1", "paths"}},
		{"allow of all unconfined", "[[allow]]\nnamespace = \"a\"\nprofiles = [\"runtime/*\"]\n", []string{"strata.toml:3:1"}},
		{"allow twice", "[[allow]]\nnamespace = \"a\"\nprofiles = []\n[[allow]]\nnamespace = \"a\"\nprofiles = [\"*\"]\n",
			[]string{"strata.toml:4:1: the profiles of namespace a are said already at ", "strata.toml:1:1"}},
		{"second table of an array", "[[bind]]\nimage = \"a\"\nstack = [\"x\"]\n\n[[bind]]\nimage = \"b\"\n  stak = [\"x\"]\n",
			[]string{`strata.toml:7:3: unknown key "stak"`, "strata.toml:5:1: [[bind]] without stack"}},
		{"bind of nothing", "[[bind]]\nstack = [\"x\"]\n", []string{"strata.toml:1:1: [[bind]] without image or namespace"}},
		{"bind empty stack", "[[bind]]\nimage = \"a\"\nstack = []\n", []string{"strata.toml:3:1", "at least one"}},
		{"bind weakened", "[[bind]]\nimage = \"a\"\nstack = [\"x\", \"unconfined\"]\n", []string{"strata.toml:3:1", "unconfined"}},
		{"bind layer twice", "[[bind]]\nimage = \"a\"\nstack = [\"x\", \"x\"]\n", []string{"strata.toml:3:1", "twice"}},
		{"bind image empty", "[[bind]]\nimage = \"\"\nstack = [\"x\"]\n", []string{"strata.toml:2:1"}},
		{"bind image inside", "[[bind]]\nimage = \"a*b\"\nstack = [\"x\"]\n", []string{"strata.toml:2:1", "end"}},
		{"bind image with a space", "[[bind]]\nimage = \"a b\"\nstack = [\"x\"]\n", []string{"strata.toml:2:1"}},
		{"tie", "[[bind]]\nimage = \"a\"\nnamespace = \"n\"\nstack = [\"x\"]\n[[bind]]\nnamespace = \"n\"\nimage = \"a\"\nstack = [\"y\"]\n",
			[]string{"strata.toml:5:1: the same containers are bound already at ", "strata.toml:1:1"}},
		{"after a text of many lines", "[profiles]\ndirs = [ # ]\n \"/a\", '/b', \"\"\"/c\"\"\",\n]\nx = 1\n", []string{"strata.toml:5:1: unknown key \"x\""}},
		{"in an inline table", "record = { podman = true, x = 1 }\n", []string{"strata.toml:1:1: unknown key \"x\""}},
	} {
		_, err := Load(files(t, map[string]string{"": c.text}))
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.name, err, want)
			}
		}
	}
}

func TestLoadSaidTwice(t *testing.T) {
	dir := files(t, map[string]string{
		"":       "[record]\npodman = true\n",
		"a.toml": "[[bind]]\nimage = \"i\"\nstack = [\"x\"]\n",
		"b.toml": "record.podman = true\n[[bind]]\nimage = \"i\"\nstack = [\"x\"]\n",
	})
	_, err := Load(dir)
	for _, want := range []string{
		fmt.Sprintf("%s/strata.toml.d/b.toml:1:1: podman: said already at %s/strata.toml:2:1", dir, dir),
		fmt.Sprintf("%s/strata.toml.d/b.toml:2:1: the same containers are bound already at %s/strata.toml.d/a.toml:1:1", dir, dir),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func TestLoadUnguarded(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"file":              func(dir string) error { return os.Chmod(filepath.Join(dir, mainFile), 0o664) },
		"drop-in":           func(dir string) error { return os.Chmod(filepath.Join(dir, dropIns, "a.toml"), 0o646) },
		"directory":         func(dir string) error { return os.Chmod(dir, 0o777) },
		"drop-in directory": func(dir string) error { return os.Chmod(filepath.Join(dir, dropIns), 0o775) },
	} {
		dir := files(t, map[string]string{"": "", "a.toml": ""})
		_, err := Load(dir)
		must(t, err)
		must(t, spoil(dir))
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), safefile.ErrUnguarded.Error()) {
			t.Errorf("a %s that others may write: %v", name, err)
		}
	}
}

func TestLoadStrangeFiles(t *testing.T) {
	dir := files(t, nil)
	must(t, os.Mkdir(filepath.Join(dir, dropIns, "a.toml"), 0o755))
	if _, err := Load(dir); err == nil {
		t.Error("a directory was read as a file")
	}
	dir = files(t, map[string]string{"": "#" + strings.Repeat("x", maxFile)})
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "1048576 bytes") {
		t.Errorf("a huge file: %v", err)
	}
	dir = files(t, nil)
	must(t, os.Symlink("nothing", filepath.Join(dir, dropIns, "a.toml")))
	if _, err := Load(dir); err == nil {
		t.Error("a drop-in that leads nowhere was ignored")
	}
}

// Whatever a valid document holds, every key is found where it is said.
func FuzzRead(f *testing.F) {
	example, err := os.ReadFile("../../docs/strata.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	for _, seed := range []string{
		"[[bind]]\nimage = 'a'\nstack = [\n# ]\n\"x\"]\n[[bind]]\n",
		"a.b.c = 1\n[x.'y.z']\nk = '''\n[not]\n'''\n",
		"s = \"\"\"a\\\"\"\"\"\"\n[t]\nk = {a = [1, {b = 2}]}\n",
		"\"\" = 1\n[ \"a]\" ]\r\n  k=1 # x\r\n",
		"d = 1979-05-27T07:32:00Z\nf = 1e6\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		problems := Defaults().read("f.toml", text)
		for _, err := range problems {
			if !regexp.MustCompile(`^f\.toml:\d+:\d+: `).MatchString(err.Error()) {
				t.Errorf("no place: %v", err)
			}
		}
		var document map[string]any
		if _, err := toml.Decode(text, &document); err != nil {
			return
		}
		found := positions("f.toml", text)
		for key := range document {
			if strings.ContainsAny(key, "\\.\"\n\r") || strings.TrimSpace(key) != key || !regexp.MustCompile(`^[\w-]+$`).MatchString(key) {
				continue // an escaped key is found by its table
			}
			where, ok := found[key]
			if _, super := found[key+"[0]"]; !ok && !super && !nested(found, key) {
				t.Errorf("%q is nowhere", key)
				continue
			}
			if ok && (where.Line > strings.Count(text, "\n")+1 || where.Col < 1) {
				t.Errorf("%q is at %v", key, where)
			}
		}
	})
}

// nested reports whether a table is made by the header of one inside it.
func nested(found map[string]Place, key string) bool {
	for path := range found {
		if strings.HasPrefix(path, key+".") || strings.HasPrefix(path, key+"[") {
			return true
		}
	}
	return false
}
