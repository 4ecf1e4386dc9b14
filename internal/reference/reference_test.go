package reference

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const trusted, nobody = true, false
	for _, c := range []struct {
		text    string
		trusted bool
		want    Reference // the zero Reference: an error
	}{
		{"runtime/default", nobody, Reference{Kind: Default}},
		{"docker/default", nobody, Reference{Kind: Default}},
		{"unconfined", nobody, Reference{Kind: Unconfined}},
		{"localhost/web", nobody, Reference{Localhost, "web"}},
		{"localhost/web.json", nobody, Reference{Localhost, "web.json"}},
		{"localhost/team/a_b/web-1.json", nobody, Reference{Localhost, "team/a_b/web-1.json"}},
		{"web", nobody, Reference{Named, "web"}},
		{"Web-1.2_3", nobody, Reference{Named, "Web-1.2_3"}},
		{"localhost", nobody, Reference{Named, "localhost"}},
		{"/etc/web.json", trusted, Reference{Path, "/etc/web.json"}},
		{"/with space/ü", trusted, Reference{Path, "/with space/ü"}},
		{"web", trusted, Reference{Named, "web"}},
		{strings.Repeat("n", MaxName), nobody, Reference{Named, strings.Repeat("n", MaxName)}},

		{"", nobody, Reference{}},
		{"", trusted, Reference{}},
		{"/etc/web.json", nobody, Reference{}},
		{"/", nobody, Reference{}},
		{"runtime/other", nobody, Reference{}},
		{"Unconfined ", nobody, Reference{}},
		{" web", nobody, Reference{}},
		{"base/runc", nobody, Reference{Named, "base/runc"}},
		{"team/../web", nobody, Reference{}},
		{"team/.web", nobody, Reference{}},
		{"team//web", nobody, Reference{}},
		{"docker/other", nobody, Reference{}},
		{".hidden", nobody, Reference{}},
		{"..", nobody, Reference{}},
		{"-o", nobody, Reference{}},
		{"web\n", nobody, Reference{}},
		{"web\x00", nobody, Reference{}},
		{"wéb", nobody, Reference{}},
		{"w\xffb", nobody, Reference{}},
		{"a,b", nobody, Reference{}},
		{strings.Repeat("n", MaxName+1), nobody, Reference{}},
		{strings.Repeat("n", 64<<10), nobody, Reference{}},
		{"localhost/", nobody, Reference{}},
		{"localhost//web", nobody, Reference{}},
		{"localhost/web/", nobody, Reference{}},
		{"localhost/..", nobody, Reference{}},
		{"localhost/../secret", nobody, Reference{}},
		{"localhost/a/../../secret", nobody, Reference{}},
		{"localhost/./web", nobody, Reference{}},
		{"localhost/.hidden", nobody, Reference{}},
		{"localhost//etc/passwd", nobody, Reference{}},
		{"localhost/a\\b", nobody, Reference{}},
		{"localhost/" + strings.Repeat("a/", MaxPath/2) + "a", nobody, Reference{}},
		{"./relative/path", trusted, Reference{}},
		{"/etc/../web", trusted, Reference{}},
		{"/etc//web", trusted, Reference{}},
		{"/etc/web/", trusted, Reference{}},
		{"/etc/\nweb", trusted, Reference{}},
		{"/etc/\x00web", trusted, Reference{}},
		{"/etc/\xffweb", trusted, Reference{}},
		{"/" + strings.Repeat("a", MaxPath), trusted, Reference{}},
	} {
		parse := Parse
		if c.trusted {
			parse = ParseTrusted
		}
		got, err := parse(c.text)
		if got != c.want || (err == nil) != (c.want != Reference{}) {
			t.Errorf("%.60q (trusted %t): %v, %v; want %v", c.text, c.trusted, got, err, c.want)
		}
		if err != nil {
			checkMessage(t, err)
		}
	}
}

func checkMessage(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c == 0x7f }) || len(err.Error()) > 500 {
		t.Errorf("unfit for a log: %.1000q", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"runtime/default", "unconfined", "localhost/a/b.json", "web", "/etc/x", "", "localhost/../x", "\xff\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (Reference, error){Parse, ParseTrusted} {
			r, err := parse(text)
			if err != nil {
				checkMessage(t, err)
				continue
			}
			if again, err := parse(r.String()); err != nil || again != r {
				t.Errorf("%q reads as %v, which reads as %v, %v", text, r, again, err)
			}
			if strings.Contains("/"+r.Name+"/", "/../") || strings.ContainsAny(r.Name, "\x00\n") {
				t.Errorf("%q was accepted", text)
			}
		}
	})
}
