package enforcement

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/test/installation"
	. "strata/test/programs"
	"strata/test/testbed"
)

// inPod makes the bundle of a pod's container as CRI-O does, with the hooks that match its annotations and CRI-O's own
// idea of a profile.
func inPod(t *testing.T, runtime string, noNewPrivileges bool, annotations map[string]string, script Script) *testbed.Bundle {
	t.Helper()
	b := testbed.NewBundle(t, runtime, testbed.Calls, argv(script)...)
	b.Spec.Process.NoNewPrivileges = noNewPrivileges
	pod := testbed.Pod{Namespace: "shop", Name: "web", UID: "1", Annotations: annotations}
	if err := b.CRIO(t, pod, "server", nil, testbed.Calls, installation.CRIOHooks); err != nil {
		t.Fatal(err)
	}
	return b
}

// The shim gives a pod's container its stack, whatever profile CRI-O gave it, and the hook finds it there.
func TestCRIO(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		signal := t.TempDir()
		script := append(append(Script{}, stacked...), Native("creat", "/signal/up", 0o644), Await("/signal/go"))
		b := inPod(t, shim(w.Runtime), w.NoNewPrivileges, map[string]string{"io.strata.stack": "base,child"}, script)
		b.Bind(signal, "/signal")
		if outcome := b.Create(t); outcome.Code != 0 {
			t.Fatal(outcome)
		}
		recorded(t, b.ID, "base,child")
		b.Start(t)
		testbed.Until(t, "the container is up", func() error {
			_, err := os.Stat(filepath.Join(signal, "up"))
			return err
		})
		if outcome := b.Exec(t, argv(stacked)...); outcome.Code != 0 {
			t.Error(outcome)
		}
		holds(t, b.Pid(t), w.Runtime, wanted(t, "base", "child"))
		write(t, filepath.Join(signal, "go"), "")
		b.Wait(t)
		b.Delete(t)
		forgotten(t, b.ID)
	})
}

// Without the shim CRI-O would ignore the request: the hook stops the container and says what to configure.
func TestCRIOWithoutTheShimIsRefused(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		for _, annotations := range []map[string]string{
			{"io.strata.stack": "base,child"},
			{"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"},
			{"container.seccomp.security.alpha.kubernetes.io/server": "runtime/default"},
		} {
			b := inPod(t, runtime, false, annotations, Script{Native("getpid")})
			outcome := b.Create(t)
			if outcome.Code == 0 {
				t.Errorf("%v: created", annotations)
			}
			// crun does not pass on what a hook says.
			if runtime == "runc" && !strings.Contains(outcome.Stderr, "make strata-runtime the engine's runtime") {
				t.Errorf("%v: %v", annotations, outcome)
			}
			forgotten(t, b.ID)
		}
	}
}

// An engine that gave the container the same profile by itself needs no shim, however it wrote it.
func TestTheSameProfileByTheEngineIsFine(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		b := inPod(t, runtime, true, map[string]string{"io.strata.stack": "base"}, Script{Native("getpriority", 0, 0).Gives(-denied)})
		errno := uint(denied)
		b.Spec.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow,
			Architectures: []specs.Arch{specs.ArchX32, specs.ArchX86_64, specs.ArchX86},
			Syscalls: []specs.LinuxSyscall{
				{Names: []string{"setpriority"}, Action: specs.ActErrno, ErrnoRet: &errno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 1, Op: specs.OpGreaterThan}}},
				{Names: []string{"add_key"}, Action: specs.ActErrno, ErrnoRet: &errno},
				{Names: []string{"getpriority"}, Action: specs.ActErrno, ErrnoRet: &errno},
			},
		}
		if outcome := b.Create(t); outcome.Code != 0 {
			t.Error(outcome)
			continue
		}
		b.Start(t)
		b.Wait(t)
		if said := b.Output(t); said != "" {
			t.Error(said)
		}
	}
}

// What asks for nothing passes through the shim byte by byte.
func TestShimLeavesOthersAlone(t *testing.T) {
	for _, runtime := range testbed.Runtimes {
		b := inPod(t, shim(runtime), false, map[string]string{"com.example": "io.strata.stack"}, Script{Native("getpid")})
		want, err := json.Marshal(b.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if outcome := b.Create(t); outcome.Code != 0 {
			t.Fatal(outcome)
		}
		got, err := os.ReadFile(filepath.Join(b.Dir, "config.json"))
		if err != nil || string(got) != string(want) {
			t.Errorf("config.json is now %s, %v", got, err)
		}
		forgotten(t, b.ID)
	}
}
