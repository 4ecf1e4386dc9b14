package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	. "strata/test/programs"
	"strata/test/testbed"
)

// Whoever used containers/oci-seccomp-bpf-hook keeps the annotation and its meaning.
func TestDropIn(t *testing.T) {
	trace := func(value string) []string { return []string{"--annotation", "io.containers.trace-syscall=" + value} }
	script := Script{Native("getpgrp"), Native("getsid", 0), Fork(Compat("getuid"))}
	eachWay(t, func(t *testing.T, w way) {
		t.Run("output", func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.json")
			ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), trace("of:"+out)), testbed.Calls, calls(script)...))
			finishedAt(t, out, strings.TrimSuffix(out, ".json")+".recording.json").exactly(t, w, script.Made())
		})
		t.Run("input", func(t *testing.T) {
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.json")
			errno := uint(13)
			input := specs.LinuxSeccomp{
				DefaultAction: specs.ActErrno,
				Architectures: []specs.Arch{specs.ArchX86_64},
				Syscalls: []specs.LinuxSyscall{
					{Names: []string{"sync", "syncfs"}, Action: specs.ActAllow},
					{Names: []string{"getsid"}, Action: specs.ActErrno, ErrnoRet: &errno},
				},
			}
			writeJSON(t, in, input)
			ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), trace("if:"+in+";of:"+out)), testbed.Calls, calls(script)...))
			r := finishedAt(t, out, strings.TrimSuffix(out, ".json")+".recording.json")
			if got := r.application(); !reflect.DeepEqual(got, sets(script.Made())) {
				t.Errorf("the application's calls are %v, made were %v", got, script.Made())
			}
			names := allowed(r.Profile)
			for name, want := range map[string]bool{"sync": true, "syncfs": true, "getpgrp": true, "execve": true, "getuid": true, "getsid": false} {
				if slices.Contains(names, name) != want {
					t.Errorf("%s is allowed: %t, want %t", name, !want, want)
				}
			}
			blocked := slices.ContainsFunc(r.Profile.Syscalls, func(rule specs.LinuxSyscall) bool {
				return slices.Contains(rule.Names, "getsid") && rule.Action == specs.ActErrno && rule.ErrnoRet != nil && *rule.ErrnoRet == errno
			})
			if !blocked {
				t.Error("what the input blocks is not blocked any more")
			}
			if !slices.Contains(r.Profile.Architectures, specs.ArchX86) {
				t.Errorf("the 32-bit calls are lost: %v", r.Profile.Architectures)
			}
		})
	})
}

// A request that cannot be met stops the container: it is never run without what was asked for.
func TestBadRequestsStopTheContainer(t *testing.T) {
	dir, err := os.MkdirTemp("", "") // messages shorten long paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	writeFile(t, filepath.Join(dir, "broken.json"), `{"defaultAction": "SCMP_ACT_ALLO`)
	writeFile(t, filepath.Join(dir, "empty.json"), `{}`)
	for _, c := range []struct {
		annotation string
		says       string // by runc, which passes the hook's message on
	}{
		{"io.strata.record=", "name"},
		{"io.strata.record=../up", "record"},
		{"io.strata.record=/abs", "record"},
		{"io.strata.record=a/b", "record"},
		{"io.strata.record=.hidden", "record"},
		{"io.strata.record=web.json", ".json"},
		{"io.strata.record=two words", "record"},
		{"io.strata.recrod=web", "io.strata.recrod"},
		{"io.strata.record.merge=true", "io.strata.record"},
		{"io.containers.trace-syscall=", "of:"},
		{"io.containers.trace-syscall=of:relative.json", "path"},
		{"io.containers.trace-syscall=of:/no/such/directory/out.json", "directory"},
		{"io.containers.trace-syscall=if:" + dir + "/in.json", "of:"},
		{"io.containers.trace-syscall=of:" + dir + "/out.json;if:" + dir + "/missing.json", "missing.json"},
		{"io.containers.trace-syscall=of:" + dir + "/out.json;if:" + dir + "/broken.json", "broken.json"},
		{"io.containers.trace-syscall=of:" + dir + "/out.json;if:" + dir + "/empty.json", "empty.json"},
		{"io.containers.trace-syscall=of:" + dir + "/out.json;of:" + dir + "/out.json", "of:"},
	} {
		t.Run(c.annotation, func(t *testing.T) {
			for _, runtime := range testbed.Runtimes {
				t.Run(runtime, func(t *testing.T) {
					t.Parallel()
					w := way{Podman: testbed.Podman{Runtime: runtime}}
					s := newSignal(t)
					outcome := w.Run(t, append([]string{"--rm", "--annotation", c.annotation}, s.flags()...), testbed.Calls, calls(Script{says("ran")})...)
					if outcome.Code == 0 {
						t.Error("the container runs")
					}
					if runtime == "runc" && !strings.Contains(outcome.Stderr, c.says) {
						t.Errorf("the message says nothing of %q: %s", c.says, outcome.Stderr)
					}
					if _, err := os.Stat(filepath.Join(string(s), "ran")); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("the program ran: %v", err)
					}
				})
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "out.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a recording was written: %v", err)
	}
	nothingLeft(t)
}
