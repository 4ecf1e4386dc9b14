package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// documents are the profiles that the tests are about, all for x86-64 and its 32-bit
// ABIs or for no stated architecture.
var documents = map[string]string{
	"base.json":   `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["read", "write", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}`,
	"child.json":  `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}`,
	"on.json":     `{"baseProfileName": "base", "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["close"], "action": "SCMP_ACT_ALLOW"}]}`,
	"denies.json": `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}`,
	"typo.json":   `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["raed"], "action": "SCMP_ACT_ALLOW"}]}`,
	"wrong.json":  `{"defaultAction": "SCMP_ACT_EARNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALOW"}]}`,
	"empty.json":  `{}`,
	"both.json": `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
		{"names": ["socket"], "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_GE"}]}]}`,
	"mask.json": `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]}`,
	"but.json":  `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 17, "op": "SCMP_CMP_NE"}]}]}`,
	"large.json": `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"names": ["getpid"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8589934599, "op": "SCMP_CMP_GT"}]},
		{"names": ["getpid"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_LE"}]}]}`,
	"caps.json":   `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]}`,
	"kernel.json": `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}]}`,
	"wide.json":   `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [{"names": ["socket", "read"], "action": "SCMP_ACT_ALLOW"}]}`,
}

// node makes a directory with profiles and an empty policy.
func node(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"profiles", "seccomp", "policy"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	for name, text := range documents {
		must(t, os.WriteFile(filepath.Join(dir, "profiles", name), []byte(text), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(dir, "seccomp", "k.json"), []byte(documents["base.json"]), 0o644))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type result struct {
	code           int
	stdout, stderr string
}

// strata runs a command; DIR in its arguments is the node's directory. Commands that
// read profiles find them there.
func strata(t *testing.T, dir, stdin string, args ...string) result {
	t.Helper()
	args = append([]string(nil), args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", dir)
	}
	switch args[0] {
	case "stack", "diff", "check", "explain", "show", "validate", "convert", "compile":
		args = append(args, "--profile-dir", dir+"/profiles", "--seccomp-root", dir+"/seccomp")
		if !slices.Contains(args, "--arch") {
			args = append(args, "--arch", "x86_64")
		}
	}
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestCommands(t *testing.T) {
	dir := node(t)
	for _, c := range []struct {
		args  string
		stdin string
		code  int
		out   []string // parts of standard output
		err   []string // parts of standard error; nil: there is nothing
	}{
		{args: "", out: []string{"Available Commands:"}},
		{args: "version", out: []string{"strata 0."}},
		{args: "version --json", out: []string{`"commit":`}},
		{args: "completion bash", out: []string{"__start_strata"}},
		{args: "help stack", out: []string{"the base first"}},
		{args: "nonsense", code: 2, err: []string{`no command "nonsense": see strata --help`}},
		{args: "stack --nonsense x", code: 2, err: []string{"unknown flag"}},

		{args: "--version", out: []string{"strata version 0."}},
		{args: "stakc base", code: 2, err: []string{`no command "stakc": did you mean stack?`}},
		{args: "policy show --policy DIR/missing", code: 2, err: []string{"DIR/missing: no such file"}},
		{args: "policy chek", code: 2, err: []string{"did you mean check?"}},
		{args: "help nonsense", code: 2, err: []string{`no command "nonsense"`}},
		{args: "version now", code: 2, err: []string{"version takes no arguments"}},
		{args: "explain base", code: 2, err: []string{"explain takes a profile and a system call: see strata explain --help"}},

		{args: "stack base child", out: []string{`"clone"`, `"read"`, `"SCMP_ACT_ERRNO"`}},
		{args: "stack base.json DIR/profiles/child.json", out: []string{`"clone"`, `"read"`}},
		{args: "stack on", out: []string{`"close"`, `"read"`}},
		{args: "stack base -", stdin: documents["child.json"], out: []string{`"clone"`, `"read"`}},
		{args: "stack base denies --ceiling base", out: []string{`"read"`}},
		{args: "stack base child --explain", out: []string{
			`ALLOW by rule 1 of "base"`, "exit_group read write", `ALLOW by rule 1 of "child"`, "clone if flags has none of", "all other calls"}},
		{args: "stack base child --json", out: []string{`"digest": "sha256:`, `"instructions":`, `"style": `, `"layers": [`}},
		{args: "stack base child --json --explain", out: []string{`"regions": [`, `"layer": "child"`, `"rule": 1`}},
		{args: "stack denies base --format spo", out: []string{"kind: SeccompProfile"}, err: []string{"warning"}},
		{args: "stack denies base --child-wins --format docker", out: []string{`"write"`}},
		{args: "stack base --log", out: []string{`"SCMP_ACT_LOG"`}},
		{args: "stack localhost/k.json", out: []string{`"read"`}},
		{args: "stack wide --ceiling runtime/default", out: []string{`"SCMP_ARCH_X86"`}, err: []string{"socketcall on x86"}},
		{args: "stack wide --ceiling runtime/default --exact", code: 2, err: []string{"libseccomp"}},
		{args: "stack but --ceiling mask", out: []string{`"clone"`}, err: []string{"clone on x86_64, x86: more is denied, such as clone(0x100000011"}},
		{args: "stack but --ceiling mask --exact", code: 2, err: []string{"need different rules under one name"}},
		{args: "stack base --arch aarch64", out: []string{`"SCMP_ARCH_AARCH64"`}},
		{args: "stack base --arch vax", code: 2, err: []string{"x86_64"}},
		{args: "stack", code: 2, err: []string{"stack takes the layers of a stack, base first: see strata stack --help"}},
		{args: "stack missing", code: 2, err: []string{"missing", "DIR/profiles"}},
		{args: "stack localhost/../policy", code: 2, err: []string{"localhost/../policy"}},
		{args: "stack ./missing.json", code: 2, err: []string{"./missing.json: no such file"}},
		{args: "stack base --format yaml", code: 2, err: []string{"oci, docker or spo"}},
		{args: "stack unconfined", code: 2, err: []string{"restricts nothing"}},
		{args: "stack wrong", code: 2, err: []string{"SCMP_ACT_EARNO", "SCMP_ACT_ALOW"}},
		{args: "stack both", code: 2, err: []string{"contradict"}},
		{args: "stack both --overlap strictest", out: []string{`"SCMP_ACT_LOG"`}},
		{args: "stack base --overlap maybe", code: 2, err: []string{"refuse, strictest or first"}},
		{args: "stack base --kernel new", code: 2, err: []string{"--kernel"}},
		{args: "stack typo", out: []string{"{"}, err: []string{"warning", "raed"}},

		{args: "diff base base", out: []string{"the same for all"}},
		{args: "diff base denies", code: 1, out: []string{
			"base is more permissive than denies\n  ALLOW, not ERRNO(EPERM) on", "\n    write\n", "denies is more permissive than base\n  ALLOW, not ERRNO(ENOSYS) on", "all that neither mentions, as "}},
		{args: "diff base child", code: 1, out: []string{"clone if flags has none of", "as clone(0, 0, 0, 0, 0, 0) on"}},
		{args: "diff base denies --json", code: 1, out: []string{`"answer": false`, `"call": "write"`, `"layer": "denies"`}},
		{args: "diff base base --json", out: []string{`"answer": true`}},
		{args: "diff base", code: 2, err: []string{"diff takes two profiles"}},
		{args: "diff base missing", code: 2, err: []string{"missing"}},

		{args: "check base --within base", out: []string{"nowhere more permissive"}},
		{args: "check base --within unconfined", out: []string{"nowhere more permissive"}},
		{args: "check denies --within base", code: 1, out: []string{"denies is more permissive than base"}},
		{args: "check base --within denies", code: 1, out: []string{"write"}},
		{args: "check base --within denies --json", code: 1, out: []string{`"answer": false`}},
		{args: "check wide --within unconfined", out: []string{"nowhere more permissive"}},
		{args: "check unconfined --within base", code: 1, out: []string{"ALLOW, not KILL_THREAD on x86, x32, which base does not list", "all that neither mentions"}},
		{args: "check base", code: 2, err: []string{"within"}},

		{args: "explain base read 0=3", out: []string{"read(0x3, 0, 0, 0, 0, 0) on", ": ALLOW", `decided by rule 1 of "base"`, "libseccomp's filter: ALLOW"}},
		{args: "explain on read arg0=3", out: []string{`decided by rule 1 of "base"`}},
		{args: "explain base close 0=3", out: []string{": ERRNO(ENOSYS)", `default action of "base"`, "filter: ERRNO(ENOSYS)"}},
		{args: "explain child clone", out: []string{"clone on x86_64 (56)", `ALLOW if flags has none of`, `by rule 1 of "child"`, "otherwise ERRNO(ENOSYS)"}},
		{args: "explain child clone 0=0x10000000", out: []string{"clone(0x10000000, 0, 0, 0, 0, 0) on x86_64: ERRNO(ENOSYS)"}},
		{args: "explain child clone flags=CLONE_NEWUSER|CLONE_VM", out: []string{"clone(0x10000100, 0, 0, 0, 0, 0) on x86_64: ERRNO(ENOSYS)"}},
		{args: "explain denies socket protocol=AUDIT domain=AF_NETLINK", out: []string{"socket(0x10, 0, 0x9, 0, 0, 0) on x86_64: ALLOW"}},
		{args: "explain child clone 0=0 --json", out: []string{`"action": "ALLOW"`, `"filter": "ALLOW"`, `"rule": 1`}},
		{args: "explain child clone --json", out: []string{`"regions": [`, `"op": `}},
		{args: "explain base read --json", out: []string{`"action": "ALLOW"`, `"layer": "base"`}},
		{args: "explain base 0", out: []string{"read on x86_64 (0)", "ALLOW, by rule 1"}},
		{args: "explain runtime/default stat64 --abi x86", out: []string{"stat64 on x86 (195)", "ALLOW"}},
		{args: "explain base read 0=1 --abi x86", out: []string{"KILL_THREAD", "does not list this architecture"}},
		{args: "explain base read --arch aarch64", out: []string{"read on aarch64 (63)", "ALLOW"}},
		{args: "explain base read 0=1 --arch aarch64", out: []string{"libseccomp's filter: ALLOW"}},
		{args: "explain base nothing", code: 2, err: []string{`no system call "nothing"`}},
		{args: "explain base socketcall", code: 2, err: []string{"x86_64 has no system call socketcall, but x86: give --abi"}},
		{args: "explain base close", out: []string{"\n    ERRNO(ENOSYS), by default action", "libseccomp's filter: the same (12 instructions)"}},
		{args: "explain wide socketcall --abi x86", out: []string{"ALLOW if call is socket, by rule 1", "libseccomp's filter: the same"}},
		{args: "explain runtime/default map_shadow_stack --abi x32", out: []string{"ERRNO(EPERM), by rule", "libseccomp's filter: "}},
		{args: "explain unconfined read", out: []string{"ALLOW", "there is no filter"}},
		{args: "explain unconfined read fd=1 --abi x86", out: []string{"on x86: ALLOW", "there is no filter"}},
		{args: "explain child clone flags=NEWUSER,CLONE_VM", out: []string{"clone(0x10000100, 0, 0, 0, 0, 0) on x86_64: ERRNO(ENOSYS)"}},
		{args: "explain base read --json --cap all", out: []string{`"filter": "ALLOW"`}},
		{args: "explain base read 6=1", code: 2, err: []string{"fd, arg1, count, arg3, arg4, arg5"}},
		{args: "explain base read 0", code: 2, err: []string{"ARGUMENT=VALUE"}},
		{args: "explain base read 0=x", code: 2, err: []string{"neither a number"}},
		{args: "explain base read 0=1 arg0=2", code: 2, err: []string{"twice"}},
		{args: "explain base read --abi vax", code: 2, err: []string{"x86_64"}},

		{args: "show base", out: []string{"base on ", "\nALLOW\n", "Read, write and copy data\n    read write\n", "\nERRNO(ENOSYS)\n  everything else\n"}},
		{args: "show on", out: []string{"base < on on "}},
		{args: "show child", out: []string{"    clone if flags has none of "}},
		{args: "show denies --json", out: []string{`"default": "ALLOW"`, `"ERRNO(EPERM)"`}},
		{args: "show runtime/default", out: []string{"runtime/default on ", "Sockets"}},
		{args: "show caps", out: []string{"everything else"}},
		{args: "show caps --cap sys_admin", out: []string{"ALLOW", "mount"}},
		{args: "show runtime/default --cap none", out: []string{"ALLOW"}},
		{args: "show base --cap none,CAP_CHOWN", code: 2, err: []string{"--cap"}},
		{args: "show base --cap CAP_SYS_ADMN", code: 2, err: []string{`there is no capability "CAP_SYS_ADMN"`}},
		{args: "show base --cap=", code: 2, err: []string{"name capabilities, or none, or all"}},
		{args: "show caps --cap all", out: []string{"mount"}},
		{args: "show caps --cap sys_admin", out: []string{"mount"}},
		{args: "show runtime/default", out: []string{"personality if persona is one of LINUX,", "    socket if domain is not NETLINK\n"}},
		{args: "show runtime/other", code: 2, err: []string{"of these there are runtime/default"}},
		{args: "show DIR/profiles", code: 2, err: []string{"not a regular file but a directory"}},
		{args: "show kernel --kernel 4.7", out: []string{"everything else"}},
		{args: "show kernel --kernel 4.8-rc1", out: []string{"ptrace"}},

		{args: "validate base child on", out: []string{"base: right, ", "child: right, ", "on: right, "}},
		{args: "validate runtime/default", out: []string{"runtime/default: right"}, err: []string{}},
		{args: "validate base wrong", code: 1, out: []string{"base: right", "wrong: error: ", "SCMP_ACT_EARNO", "SCMP_ACT_ALOW"}},
		{args: "validate empty", code: 1, out: []string{"empty: error: "}},
		{args: "validate both", code: 1, out: []string{"contradict"}},
		{args: "validate typo", out: []string{"typo: warning: ", "raed", "typo: right"}},
		{args: "validate typo --strict", code: 1, out: []string{"typo: error: line 1, column ", "raed"}},
		{args: "validate unconfined", out: []string{"unconfined: right, no filter"}},
		{args: "validate base empty --json", code: 1, out: []string{`"valid": true`, `"valid": false`, `"instructions": `}},
		{args: "validate missing", code: 2, err: []string{"missing"}},

		{args: "convert base --to docker", out: []string{`"names"`}},
		{args: "convert base --to spo", out: []string{"kind: SeccompProfile"}, err: []string{"ENOSYS"}},
		{args: "convert denies --to spo", out: []string{"defaultAction: SCMP_ACT_ALLOW"}},
		{args: "convert on --to oci", out: []string{`"baseProfileName": "base"`}},
		{args: "convert caps --to docker", out: []string{`"CAP_SYS_ADMIN"`}},
		{args: "convert caps --to oci", code: 2, err: []string{"caps"}},
		{args: "convert caps --to oci --resolve --cap CAP_SYS_ADMIN", out: []string{`"mount"`}},
		{args: "convert unconfined --to oci", code: 2, err: []string{"restricts nothing"}},
		{args: "convert base --to oci --json", out: []string{`"format": "oci"`, `"document": "{`}},
		{args: "convert both --to oci", code: 2, err: []string{"contradict"}},
		{args: "convert base", code: 2, err: []string{"to"}},
		{args: "convert base --to xml", code: 2, err: []string{"oci, docker or spo"}},

		{args: "compile base --json", out: []string{`"instructions": 12`, `"filter": "`}},
		{args: "compile base --to pfc --json", out: []string{`"form": "pfc"`}},
		{args: "compile base --to pfc", out: []string{"pseudo filter code start"}},
		{args: "compile base --to elf", code: 2, err: []string{"bpf or pfc"}},
		{args: "compile unconfined", code: 2, err: []string{"no filter"}},
	} {
		r := strata(t, dir, c.stdin, fields(c.args)...)
		if r.code != c.code {
			t.Errorf("strata %s: exit code %d, want %d\n%s%s", c.args, r.code, c.code, r.stdout, r.stderr)
			continue
		}
		for _, want := range c.out {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("strata %s does not print %q:\n%s", c.args, want, r.stdout)
			}
		}
		for _, want := range c.err {
			if want = strings.ReplaceAll(want, "DIR", dir); !strings.Contains(r.stderr, want) {
				t.Errorf("strata %s: standard error does not say %q:\n%s", c.args, want, r.stderr)
			}
		}
		if c.err == nil && r.stderr != "" {
			t.Errorf("strata %s: on standard error: %s", c.args, r.stderr)
		}
		if c.code == exitError && r.stdout != "" {
			t.Errorf("strata %s: printed %q before it failed", c.args, r.stdout)
		}
		if strings.Contains(r.stdout, "\x1b") {
			t.Errorf("strata %s: colours where no terminal is", c.args)
		}
		if strings.Contains(c.args, "--json") && !json.Valid([]byte(r.stdout)) {
			t.Errorf("strata %s: no JSON: %s", c.args, r.stdout)
		}
	}
}

// fields splits the arguments of a test; none are none.
func fields(args string) []string {
	if args == "" {
		return []string{"--help"}
	}
	return strings.Fields(args)
}

func TestWithoutArguments(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(nil, strings.NewReader(""), &stdout, &stderr); code != exitYes || !strings.Contains(stdout.String(), "Available Commands") {
		t.Errorf("exit code %d: %s%s", code, stdout.String(), stderr.String())
	}
}

// Engines have libseccomp compile the rules of a file as they stand, which below 2.6.1 it may do wrongly.
func TestValidateSaysWhatEnginesGet(t *testing.T) {
	dir := node(t)
	wrong := strings.HasPrefix(filter.Version(), "2.5.") || filter.Version() == "2.6.0"
	const warning = "goes wrong with these rules as they stand: by bisection: the compiled filter disagrees with the rules: it does ALLOW for getpid(0x"
	if r := strata(t, dir, "", "validate", "large"); r.code != exitYes || strings.Contains(r.stdout, warning) != wrong {
		t.Errorf("exit code %d: %s", r.code, r.stdout)
	}
	if r := strata(t, dir, "", "validate", "large", "--strict"); (r.code == exitNo) != wrong {
		t.Errorf("with --strict: exit code %d: %s", r.code, r.stdout)
	}
	if r := strata(t, dir, "", "stack", "large", "-o", dir+"/profiles/written.json"); r.code != exitYes {
		t.Fatal(r.stderr)
	}
	if r := strata(t, dir, "", "validate", "written", "--strict"); r.code != exitYes {
		t.Errorf("what is written: exit code %d: %s", r.code, r.stdout)
	}
}

// full is where nothing can be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// An answer that can not be printed is an error, whatever it is.
func TestOutputThatFails(t *testing.T) {
	dir := node(t)
	for _, args := range []string{
		"show base", "show base --json", "diff base base", "diff base denies", "check denies --within base", "explain base read",
		"explain base read 0=1", "stack base", "stack base --explain", "validate base", "validate wrong", "convert base --to spo",
		"compile base", "compile base --to pfc",
	} {
		var stderr bytes.Buffer
		code := run(append(strings.Fields(args), "--policy", dir+"/policy", "--profile-dir", dir+"/profiles"), nil, full{}, &stderr)
		if code != exitError || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("strata %s: exit code %d: %s", args, code, stderr.String())
		}
	}
}

// What a command writes is what another one reads.
func TestOutput(t *testing.T) {
	dir := node(t)
	for _, args := range []string{
		"stack base child -o DIR/out",
		"stack base child --format docker -o DIR/out",
		"stack base child --explain -o DIR/out",
		"stack base child --json -o DIR/out",
	} {
		r := strata(t, dir, "", fields(args)...)
		if r.code != exitYes {
			t.Fatalf("strata %s: %d: %s", args, r.code, r.stderr)
		}
		if wordy := strings.Contains(args, "explain") || strings.Contains(args, "json"); (r.stdout != "") != wordy {
			t.Errorf("strata %s printed %q", args, r.stdout)
		}
		if r := strata(t, dir, "", "explain", "DIR/out", "read", "0=1"); !strings.Contains(r.stdout, ": ALLOW\n") {
			t.Errorf("strata %s: what was written says %s%s", args, r.stdout, r.stderr)
		}
		must(t, os.Remove(filepath.Join(dir, "out")))
	}
	if r := strata(t, dir, "", "stack", "wrong", "-o", "DIR/out"); r.code != exitError {
		t.Errorf("exit code %d", r.code)
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("a failed command left its output")
	}
	if r := strata(t, dir, "", "stack", "base", "-o", "DIR/missing/out"); r.code != exitError || !strings.Contains(r.stderr, "missing") {
		t.Errorf("into a directory that is missing: %d, %s", r.code, r.stderr)
	}
}

func TestCompileToBPF(t *testing.T) {
	dir := node(t)
	r := strata(t, dir, "", "compile", "base")
	program, err := filter.Parse([]byte(r.stdout))
	if r.code != exitYes || err != nil || len(program) == 0 {
		t.Fatalf("%d, %v: %s", r.code, err, r.stderr)
	}
	if r := strata(t, dir, "", "compile", "base", "-o", "DIR/out"); r.code != exitYes || r.stdout != "" {
		t.Errorf("%d: %q %s", r.code, r.stdout, r.stderr)
	}
	data, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || !bytes.Equal(data, program.Bytes()) {
		t.Errorf("the file differs from what is printed: %v", err)
	}
}

func TestPolicyCommands(t *testing.T) {
	dir := node(t)
	for _, c := range []struct {
		name, text, args string
		code             int
		out              []string
		err              []string
	}{
		{"nothing", "-", "check", exitYes, []string{"the defaults hold"}, nil},
		{"empty", "", "check", exitYes, []string{"right: DIR/policy/strata.toml"}, nil},
		{"empty for programs", "", "check --json", exitYes, []string{`"valid": true`}, nil},
		{"syntax", "[record\n", "check", exitNo, []string{"DIR/policy/strata.toml:1:"}, nil},
		{"unknown keys", "[record]\na = 1\nb = 2\n", "check", exitNo, []string{"strata.toml:2:1: unknown", "\nDIR/policy/strata.toml:3:1: unknown"}, nil},
		{"unknown for programs", "[record]\na = 1\n", "check --json", exitNo, []string{`"valid": false`, "strata.toml:2:1"}, nil},
		{"unknown shown", "[record]\na = 1\n", "show", exitError, nil, []string{"strata.toml:2:1"}},
		{"profiles that are there", "[profiles]\ndirs = [\"DIR/profiles\"]\ndefault = \"base\"\nceiling = \"runtime/default\"\n[[bind]]\nimage = \"*\"\nstack = [\"base\", \"on\"]\n", "check", exitYes, []string{"right"}, nil},
		{"profiles that are missing", "[profiles]\ndirs = [\"DIR/profiles\"]\ndefault = \"missing\"\n[[bind]]\nimage = \"*\"\nstack = [\"base\", \"gone\"]\n", "check", exitNo,
			[]string{"strata.toml:3:1: profile missing", "strata.toml:4:1: profile gone"}, nil},
		{"a profile that is wrong", "[profiles]\ndirs = [\"DIR/profiles\"]\nceiling = \"wrong\"\n", "check", exitNo, []string{"strata.toml:3:1: "}, nil},
		{"unconfined", "[[bind]]\nimage = \"*\"\nstack = [\"unconfined\"]\n", "check", exitYes, []string{"right"}, nil},
		{"shown", "[record]\npodman = false\nnamespaces = [\"ci-*\"]\n[[allow]]\nnamespace = \"shop\"\nprofiles = [\"web-*\"]\n[[bind]]\nimage = \"a\"\nnamespace = \"n\"\nstack = [\"x\", \"y\"]\n", "show", exitYes,
			[]string{"record.podman", "false", "DIR/policy/strata.toml:2:1", "ci-*", "allow shop: web-* (", "bind image a, namespace n: x,y (", "default"}, nil},
		{"shown for programs", "profiles.ceiling = \"top\"\n[[allow]]\nnamespace = \"shop\"\nprofiles = []\n[[bind]]\nimage = \"a\"\nstack = [\"x\"]\n", "show --json", exitYes,
			[]string{`"ceiling": "top"`, `"recordPodman": true`, `"image": "a"`, `"namespace": "shop"`}, nil},
	} {
		file := filepath.Join(dir, "policy", "strata.toml")
		if c.text == "-" {
			must(t, os.RemoveAll(file))
		} else {
			must(t, os.WriteFile(file, []byte(strings.ReplaceAll(c.text, "DIR", dir)), 0o644))
		}
		r := strata(t, dir, "", append(append([]string{"policy"}, strings.Fields(c.args)...), "--policy", "DIR/policy")...)
		if r.code != c.code {
			t.Errorf("%s: exit code %d\n%s%s", c.name, r.code, r.stdout, r.stderr)
		}
		for _, want := range c.out {
			if !strings.Contains(r.stdout, strings.ReplaceAll(want, "DIR", dir)) {
				t.Errorf("%s: does not print %q:\n%s", c.name, want, r.stdout)
			}
		}
		for _, want := range c.err {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: standard error does not say %q:\n%s", c.name, want, r.stderr)
			}
		}
	}
	if r := strata(t, dir, "", "policy"); r.code != exitYes || !strings.Contains(r.stdout, "check") {
		t.Errorf("policy alone: %d: %s", r.code, r.stdout)
	}
}

// The policy says where names are looked for, unless the flags do.
func TestProfilesOfThePolicy(t *testing.T) {
	dir := node(t)
	must(t, os.WriteFile(filepath.Join(dir, "policy", "strata.toml"), []byte("[profiles]\ndirs = [\""+dir+"/profiles\"]\nseccomp_root = \""+dir+"/seccomp\"\n"), 0o644))
	for _, name := range []string{"base", "localhost/k.json"} {
		var stdout, stderr bytes.Buffer
		if code := run([]string{"show", name, "--policy", dir + "/policy"}, nil, &stdout, &stderr); code != exitYes {
			t.Errorf("%s: %d: %s", name, code, stderr.String())
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, "policy", "strata.toml"), []byte("x = 1\n"), 0o644))
	var stdout, stderr bytes.Buffer
	if code := run([]string{"show", "base", "--policy", dir + "/policy"}, nil, &stdout, &stderr); code != exitError || !strings.Contains(stderr.String(), "strata.toml:1:1") {
		t.Errorf("a broken policy: %d: %s", code, stderr.String())
	}
}

// The same stack has the same bytes and the same digest.
func TestStackIsStable(t *testing.T) {
	dir := node(t)
	first := strata(t, dir, "", "stack", "base", "child", "runtime/default", "--json", "--explain")
	for range 3 {
		if again := strata(t, dir, "", "stack", "base", "child", "runtime/default", "--json", "--explain"); again.stdout != first.stdout {
			t.Fatal("two runs print different things")
		}
	}
	var out stackJSON
	must(t, json.Unmarshal([]byte(first.stdout), &out))
	if _, _, err := profile.Parse("out", out.Profile); err != nil {
		t.Errorf("the profile inside: %v", err)
	}
}

// Names that a person can get wrong, such as those in an empty variable, are errors and no layer less.
func TestNamesThatAreNone(t *testing.T) {
	dir := node(t)
	for _, args := range [][]string{
		{"stack", "base", ""}, {"stack", ""}, {"stack", "base", "--ceiling", ""}, {"diff", "", "base"}, {"check", "base", "--within", ""},
		{"explain", "", "read"}, {"show", ""}, {"validate", ""}, {"convert", "", "--to", "oci"}, {"compile", ""},
	} {
		if r := strata(t, dir, "", args...); r.code != exitError || r.stderr != "strata: no profile named\n" || r.stdout != "" {
			t.Errorf("%q: %d: %s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	if r := strata(t, dir, "", "show", "DIR/a\x1b[2Jb"); r.code != exitError || strings.Contains(r.stderr, "\x1b") || !strings.Contains(r.stderr, "control characters") {
		t.Errorf("control characters: %d: %q", r.code, r.stderr)
	}
}

// What can not be read is said after what could be judged.
func TestValidateAll(t *testing.T) {
	dir := node(t)
	r := strata(t, dir, "", "validate", "missing", "base", "wrong")
	if r.code != exitError || !strings.Contains(r.stdout, "base: right") || !strings.Contains(r.stdout, "wrong: error") || !strings.HasPrefix(r.stderr, "strata: profile missing") {
		t.Errorf("%d: %s%s", r.code, r.stdout, r.stderr)
	}
	r = strata(t, dir, "", "validate", "missing", "base", "--json")
	var results []validJSON
	must(t, json.Unmarshal([]byte(r.stdout), &results))
	if r.code != exitError || len(results) != 2 || results[0].Valid || len(results[0].Errors) != 1 || !results[1].Valid {
		t.Errorf("%d: %+v", r.code, results)
	}
	r = strata(t, dir, "", "validate", "typo", "--strict", "--json")
	results = nil
	must(t, json.Unmarshal([]byte(r.stdout), &results))
	if len(results) != 1 || len(results[0].Warnings) != 0 || !strings.Contains(strings.Join(results[0].Errors, ""), "raed") {
		t.Errorf("strict: %+v", results)
	}
}

// Shells make pipes of <(COMMAND), and a person can name standard input twice.
func TestPipes(t *testing.T) {
	dir := node(t)
	fifo := filepath.Join(dir, "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(fifo, []byte(documents["base.json"]), 0) }()
	if r := strata(t, dir, "", "diff", fifo, "base"); r.code != exitYes {
		t.Errorf("a pipe: %d: %s%s", r.code, r.stdout, r.stderr)
	}
	must(t, <-written)
	if r := strata(t, dir, documents["base.json"], "diff", "-", "-"); r.code != exitYes {
		t.Errorf("standard input twice: %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if r := strata(t, dir, strings.Repeat(" ", profile.MaxSize+1), "show", "-"); r.code != exitError || !strings.Contains(r.stderr, "too large") {
		t.Errorf("endless standard input: %d: %s", r.code, r.stderr)
	}
}

// What diff and check give as examples is what explain says of both sides, and both filters.
func TestExamplesHold(t *testing.T) {
	dir := node(t)
	for _, pair := range [][2]string{{"base", "child"}, {"runtime/default", "denies"}, {"child", "denies"}, {"on", "runtime/default"}} {
		r := strata(t, dir, "", "diff", pair[0], pair[1], "--json")
		var out comparisonJSON
		must(t, json.Unmarshal([]byte(r.stdout), &out))
		if r.code != exitNo || len(out.Differences) == 0 {
			t.Fatalf("%v: %d: %s", pair, r.code, r.stderr)
		}
		seen := map[string]bool{}
		for _, d := range out.Differences {
			if kind := d.ABI + d.A + d.B; seen[kind] {
				continue // one of each kind: each explanation is a proof
			} else {
				seen[kind] = true
			}
			call, rest, _ := strings.Cut(d.Example, "(")
			arguments, _, _ := strings.Cut(rest, ")")
			for i, want := range []string{d.A, d.B} {
				args := []string{"explain", pair[i], call, "--abi", d.ABI, "--json"}
				for index, value := range strings.Split(arguments, ", ") {
					args = append(args, fmt.Sprintf("%d=%s", index, value))
				}
				var said explainJSON
				must(t, json.Unmarshal([]byte(strata(t, dir, "", args...).stdout), &said))
				if said.Action != want || said.Filter != want && said.Call != "map_shadow_stack" {
					t.Errorf("%v: %s: explained as %+v", pair, d.Example, said)
				}
			}
		}
	}
}

func TestCompletion(t *testing.T) {
	dir := node(t)
	must(t, os.Mkdir(filepath.Join(dir, "profiles", "app"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "profiles", "app", "web.yaml"), nil, 0o644))
	for _, c := range []struct {
		words string // before the last one, which is to be completed
		last  string
		want  string
	}{
		{"", "sh", "show\tPrint a profile so that a person can read it"},
		{"show", "runtime", "runtime/default"},
		{"show", "base", "base"},
		{"stack base", "app", "app/web"},
		{"show", "localhost/", "localhost/k.json"},
		{"check base --within", "ch", "child"},
		{"stack base --ceiling", "unc", "unconfined"},
		{"diff base child", "", ""},
		{"explain base", "clone", "clone clone3"},
		{"explain base --abi x86", "socketc", "socketcall"},
		{"explain base --arch aarch64", "ope", "open_by_handle_at open_tree open_tree_attr openat openat2"},
		{"explain base clone", "f", "flags="},
		{"explain base clone", "arg5", "arg5="},
		{"explain base clone", "flags=NEWN", "flags=NEWNS flags=NEWNET"},
		{"explain base clone", "flags=NEWUSER,NEWN", "flags=NEWUSER,NEWNS flags=NEWUSER,NEWNET"},
		{"explain base socket domain=NETLINK", "protocol=AU", "protocol=AUDIT"},
		{"stack --format", "", "oci docker spo"},
		{"compile --to", "", "bpf pfc"},
		{"show --arch", "", "x86_64 x86 x32 aarch64 arm"},
	} {
		args := append([]string{"__complete"}, strings.Fields(c.words)...)
		if len(args) > 1 && args[1] != "" {
			args = append(args[:2], append([]string{"--profile-dir", dir + "/profiles", "--seccomp-root", dir + "/seccomp"}, args[2:]...)...)
		}
		var stdout, stderr bytes.Buffer
		run(append(args, c.last), nil, &stdout, &stderr)
		words, _, found := strings.Cut(stdout.String(), ":")
		if got := strings.Join(strings.Split(strings.TrimSpace(words), "\n"), " "); !found || got != c.want {
			t.Errorf("%s %q: completed %q, want %q", c.words, c.last, got, c.want)
		}
	}
	if r := strata(t, dir, "", "completion", "bash"); !strings.Contains(r.stdout, "-F __strata_values strata") {
		t.Error("bash is not told how to complete values")
	}
}

// Where libseccomp can not be told what a stack says, explain does not say that its filter does that.
func TestExplainTighterFilter(t *testing.T) {
	read := func(action ruleset.Kind) *ruleset.Set {
		set, err := ruleset.Read(ruleset.Source{
			Layer: "a", Default: ruleset.Action{Kind: ruleset.KillProcess}, ABIs: []syscalls.ABI{syscalls.X86_64},
			Rules: []ruleset.Rule{{Names: []string{"read"}, Action: ruleset.Action{Kind: action}}},
		}, ruleset.Options{})
		must(t, err)
		return set
	}
	var out bytes.Buffer
	made := answer{&filter.Proof{}, read(ruleset.Trap)}
	must(t, sayFilter(&out, palette{}, &stack.Stack{Set: read(ruleset.Allow)}, made, ruleset.Call{ABI: syscalls.X86_64}))
	if !strings.Contains(out.String(), "denies more, see the warning") {
		t.Error(out.String())
	}
}
