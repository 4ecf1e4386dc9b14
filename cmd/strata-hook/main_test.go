package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	at := func(args ...string) []string {
		return append([]string{"--state", filepath.Join(dir, "state"), "--recordings=" + filepath.Join(dir, "recordings"), "-policy", filepath.Join(dir, "policy")}, args...)
	}
	for _, c := range []struct {
		name           string
		args           []string
		stdin          string
		code           int
		stdout, stderr string // what each holds; "" is nothing at all
	}{
		{"help", []string{"--help"}, "", 0, "poststop", ""},
		{"help, short", []string{"-h"}, "", 0, "--trust=WHOM", ""},
		{"help of a stage", []string{"prestart", "--help"}, "", 0, "Usage", ""},
		{"version", []string{"--version"}, "", 0, "strata-hook ", ""},
		{"version as a stage", []string{"version"}, "", 0, "strata-hook ", ""},
		{"nothing", nil, "", 2, "", "say a stage"},
		{"unknown stage", []string{"poststart"}, "", 2, "", "poststart"},
		{"two stages", []string{"prestart", "poststop"}, "", 2, "", "one stage"},
		{"unknown option", []string{"--verbose", "gc"}, "", 2, "", "verbose"},
		{"unknown trust", []string{"--trust=everybody", "gc"}, "", 2, "", "names or paths"},
		{"nothing asked", at("--trust=names", "precreate"), `{"a":1}`, 0, `{"a":1}`, ""},
		{"options behind the stage", append([]string{"precreate"}, at()...), `{"a":1}`, 0, `{"a":1}`, ""},
		{"nothing recorded", at("poststop"), `{"id":"c1"}`, 0, "", ""},
		{"bad input", at("prestart"), `{`, 1, "", "strata-hook prestart: state on standard input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(c.args, strings.NewReader(c.stdin), &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for name, out := range map[string]struct{ got, want string }{"stdout": {stdout.String(), c.stdout}, "stderr": {stderr.String(), c.stderr}} {
				if !strings.Contains(out.got, out.want) || out.want == "" && out.got != "" {
					t.Errorf("%s is %q, want %q", name, out.got, out.want)
				}
			}
			if strings.Count(stderr.String(), "\n") > 1 {
				t.Errorf("stderr is more than one line: %q", stderr.String())
			}
		})
	}
}
