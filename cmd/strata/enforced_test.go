package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"strata/internal/enforce"
)

func TestEnforced(t *testing.T) {
	state := t.TempDir()
	when := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, r := range []enforce.Record{
		{Container: "0a1b2c3d4e5f60718293", Image: "localhost/web:1", Layers: []string{"base/runc", "app/web"}, Ceilings: []string{"runtime/default"},
			Because: []string{"stack base/runc,app/web: annotation io.strata.stack"}, SHA256: "00ff", Instructions: 60, Time: when},
		{Container: "ffff", Layers: []string{"unconfined"}, Because: []string{"record: annotation io.strata.record"}, Time: when},
	} {
		must(t, r.Write(state))
	}
	for _, c := range []struct {
		args string
		code int
		out  []string
	}{
		{"enforced", exitYes, []string{"CONTAINER", "0a1b2c3d4e5f  localhost/web:1  base/runc,app/web  runtime/default", "ffff "}},
		{"enforced 0a1b", exitYes, []string{"container:    0a1b2c3d4e5f60718293", "because:      stack base/runc,app/web", "60 instructions", "sha256:00ff"}},
		{"enforced ffff", exitYes, []string{"filter:       none"}},
		{"enforced 99", exitNo, nil},
		{"enforced --json", exitYes, []string{`"container": "ffff"`, `"layers": [`}},
		{"enforced 99 --json", exitNo, []string{"[]"}},
	} {
		r := strata(t, state, "", append(strings.Fields(c.args), "--state", "DIR")...)
		if r.code != c.code || r.stderr != "" {
			t.Errorf("%s: exit code %d: %s", c.args, r.code, r.stderr)
		}
		for _, want := range c.out {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s does not print %q:\n%s", c.args, want, r.stdout)
			}
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"enforced", "--state", state + "/missing"}, nil, &stdout, &stderr); code != exitYes || !strings.HasPrefix(stdout.String(), "CONTAINER") {
		t.Errorf("without a state: %d: %s", code, stderr.String())
	}
}
