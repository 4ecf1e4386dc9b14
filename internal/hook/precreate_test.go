package hook

import (
	"strings"
	"testing"

	"strata/internal/request"
)

func TestPrecreate(t *testing.T) {
	const odd = ` { "ociVersion" : "1.0.2", "future": {"n": 12345678901234567890.10, "e": 1e400}, "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, "x": [1 , 2]}, "annotations": {ANNOTATIONS} }
`
	unconfined := `"io.strata.record": "web", "io.strata.record.seccomp": "unconfined"`
	for _, c := range []struct {
		name, annotations, old, new string
	}{
		{"nothing asked", `"a": "b"`, "", ""},
		{"recorded under its profile", `"io.strata.record": "web"`, "", ""},
		{"unconfined", unconfined, `"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, `, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			in := strings.ReplaceAll(odd, "ANNOTATIONS", c.annotations)
			want := in
			if c.old != "" {
				want = strings.Replace(in, c.old, c.new, 1)
			}
			got, err := n.run((*Hook).Precreate, in)
			must(t, err)
			// An edit may keep or drop blanks beside what it removes, and nothing else.
			if c.old == "" && got != want || strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(want), "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestPrecreateRefuses(t *testing.T) {
	unconfined := `"annotations":{"io.strata.record":"web","io.strata.record.seccomp":"unconfined"}`
	for _, c := range []struct {
		name, config string
		trust        request.Trust
		want         string
	}{
		{"empty", ``, request.Trusted, "config.json"},
		{"not JSON", `hello`, request.Trusted, "config.json"},
		{"cut", `{"linux":`, request.Trusted, "config.json"},
		{"two profiles", `{` + unconfined + `,"linux":{"seccomp":{},"Seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}}}`, request.Trusted, "eccomp"},
		{"bad request", `{"annotations":{"io.strata.record.seccomp":"unconfined"}}`, request.Trusted, "io.strata.record"},
		{"stack", `{"annotations":{"io.strata.stack":"web"}}`, request.Trusted, "stack"},
		{"not allowed by the policy", `{` + unconfined + `}`, request.Untrusted, "policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.trust = c.trust
			stdout, err := n.run((*Hook).Precreate, c.config)
			fails(t, err, c.want)
			if stdout != "" {
				t.Errorf("it wrote %q", stdout)
			}
		})
	}
}
