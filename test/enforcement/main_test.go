package enforcement

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"strata/test/installation"
	"strata/test/programs"
	"strata/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m, installation.Install, programs.Build, configure) }

const (
	libexec  = "/usr/local/libexec/strata"
	profiles = "/etc/strata/profiles"
)

// Errors that no program of the tests gets for another reason.
const (
	denied = 77 // EBADFD
	other  = 95 // EOPNOTSUPP
)

// documents are profiles that an administrator installed. Their architectures are those of the machine's kernel, so
// that a call denied by one ABI is denied by all.
var documents = map[string]string{
	"base": `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": [
		{"names": ["getpriority", "add_key"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77},
		{"names": ["setpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_GE"}]}]}`,
	"child": `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
		{"names": ["getpriority"], "action": "SCMP_ACT_ALLOW"}]}`,
	"eperm": `{"defaultAction": "SCMP_ACT_ERRNO", "baseProfileName": "runtime/default"}`,
	"tight": `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
		{"names": ["getpgrp", "select", "access", "exit_group", "exit", "write", "read"], "action": "SCMP_ACT_ALLOW"}]}`,
	"open": `{"defaultAction": "SCMP_ACT_ALLOW"}`,
}

// configure makes Podman read the hooks as the README says, and installs profiles. It is a testbed.Build.
func configure(string) error {
	files := map[string]string{
		"/etc/containers/containers.conf.d/strata.conf": fmt.Sprintf("[engine]\nhooks_dir = [%q, %q]\n", installation.CRIOHooks, installation.PodmanHooks),
	}
	for name, text := range documents {
		files[filepath.Join(profiles, name+".json")] = text
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A way is one of the ways that containers are started.
type way = testbed.Way

// eachWay runs a test once for each runtime, with and without no_new_privs.
func eachWay(t *testing.T, test func(*testing.T, way)) {
	for _, w := range testbed.Ways() {
		t.Run(w.String(), func(t *testing.T) { test(t, w) })
	}
}

// number is an integer as text.
func number(i int) string { return strconv.Itoa(i) }

// shim is the path of the shim that stands for a runtime.
func shim(runtime string) string { return filepath.Join(libexec, "strata-"+runtime) }
