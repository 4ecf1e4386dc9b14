package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/test/installation"
	. "strata/test/programs"
	"strata/test/testbed"
)

// nodePolicy lets some namespaces record. It is a testbed.Build.
func nodePolicy(string) error {
	return os.WriteFile("/etc/strata/strata.toml", []byte("[record]\nnamespaces = [\"shop\", \"team-*\"]\n"), 0o644)
}

// inPod makes the bundle of a pod's container as CRI-O does, with the hooks that match its annotations.
func inPod(t *testing.T, w way, pod testbed.Pod, container string, script Script) *testbed.Bundle {
	t.Helper()
	b := testbed.NewBundle(t, w.Runtime, testbed.Calls, calls(script)...)
	b.Spec.Process.NoNewPrivileges = w.NoNewPrivileges
	if err := b.CRIO(t, pod, container, nil, testbed.Calls, installation.CRIOHooks); err != nil {
		t.Fatal(err)
	}
	return b
}

func created(t *testing.T, b *testbed.Bundle) {
	t.Helper()
	if outcome := b.Create(t); outcome.Code != 0 {
		t.Fatal(outcome)
	}
}

// The hook files for CRI-O are read as CRI-O reads them: without the stages that only Podman knows.
func TestCRIOReadsItsHookFiles(t *testing.T) {
	for annotation, hooks := range map[string]int{"io.strata.record": 1, "io.containers.trace-syscall": 1, "io.strata.record.merge": 1, "other": 0} {
		pod := testbed.Pod{Namespace: "shop", Name: "web", UID: "1", Annotations: map[string]string{annotation: "true"}}
		b := inPod(t, way{Podman: testbed.Podman{Runtime: "runc"}}, pod, "server", nil)
		if n := len(b.Spec.Hooks.Prestart) + len(b.Spec.Hooks.CreateRuntime); n != hooks {
			t.Errorf("%s: %d hooks before the start, want %d", annotation, n, hooks)
		}
		if n := len(b.Spec.Hooks.Poststop); n != hooks {
			t.Errorf("%s: %d hooks after the end, want %d", annotation, n, hooks)
		}
	}
}

func TestCRIORecords(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		s := newSignal(t)
		pod := testbed.Pod{Namespace: "shop", Name: podName(t), UID: "1", Annotations: map[string]string{"io.strata.record": ""}}
		script := Script{Native("getpgrp"), Await("/signal/go"), Fork(Thread(Exec(Compat("getuid"))))}
		b := inPod(t, w, pod, "server", script)
		b.Bind(string(s), "/signal")
		created(t, b)
		b.Start(t)
		executed := Script{Native("getsid", 0)}
		if outcome := b.Exec(t, calls(executed)...); outcome.Code != 0 {
			t.Error(outcome)
		}
		s.give(t, "go")
		b.Wait(t)
		name := "shop_" + pod.Name + "_server"
		b.Delete(t) // another container's hook may have finished it already
		r := finished(t, name)
		r.exactly(t, w, sets(script.Made()).and(executed.Made()))
		if r.Metadata.Engine != "cri-o" || r.Metadata.Image != testbed.Calls.Reference() || r.Metadata.Runtime.Name != w.Runtime {
			t.Errorf("recorded is a container of %s, image %s, runtime %+v", r.Metadata.Engine, r.Metadata.Image, r.Metadata.Runtime)
		}
	})
}

// podName is a name as Kubernetes allows it.
func podName(t *testing.T) string { return strings.ToLower(nameOf(t)) }

// The containers of a pod share a PID namespace, and each has its own recording.
func TestCRIOPodSharingPIDs(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		s := newSignal(t)
		pod := testbed.Pod{Namespace: "team-a", Name: podName(t), UID: "2", Annotations: map[string]string{"io.strata.record": "true"}}
		infra := testbed.NewBundle(t, w.Runtime, testbed.Calls, calls(Script{Await("/signal/end")})...) // gets no hooks
		infra.Bind(string(s), "/signal")
		created(t, infra)
		infra.Start(t)
		own := []string{"getpgrp", "getsid", "geteuid", "getegid"}
		var bundles []*testbed.Bundle
		var scripts []Script
		for i, call := range own {
			script := Script{Native(call, 0), says("up" + number(i)), Await("/signal/go"), Fork(Native(call, 0), Exec(Native("getppid")))}
			b := inPod(t, w, pod, "c"+number(i), script)
			b.Bind(string(s), "/signal")
			for n := range b.Spec.Linux.Namespaces {
				if b.Spec.Linux.Namespaces[n].Type == specs.PIDNamespace {
					b.Spec.Linux.Namespaces[n].Path = fmt.Sprintf("/proc/%d/ns/pid", infra.Pid(t))
				}
			}
			created(t, b)
			b.Start(t)
			bundles, scripts = append(bundles, b), append(scripts, script)
		}
		for i := range own {
			s.awaited(t, "up"+number(i))
		}
		s.give(t, "go")
		for i, b := range bundles {
			b.Wait(t)
			b.Delete(t)
			finished(t, "team-a_"+pod.Name+"_c"+number(i)).exactly(t, w, scripts[i].Made())
		}
		s.give(t, "end")
		infra.Wait(t)
	})
}

// A pod's author is not trusted: what goes beyond a name below the node's own directory does not start.
func TestHostilePodsAreRefused(t *testing.T) {
	outside := t.TempDir()
	shop := func(key, value string) testbed.Pod {
		return testbed.Pod{Namespace: "shop", Annotations: map[string]string{key: value}}
	}
	pods := map[string]testbed.Pod{
		"path upwards":         shop("io.strata.record", "../../../etc/cron.d/x"),
		"absolute path":        shop("io.strata.record", outside+"/x"),
		"subdirectory":         shop("io.strata.record", "other/x"),
		"hidden":               shop("io.strata.record", ".x"),
		"dot":                  shop("io.strata.record", "."),
		"control character":    shop("io.strata.record", "x\ny"),
		"not UTF-8":            shop("io.strata.record", "x\xff"),
		"64 KiB":               shop("io.strata.record", strings.Repeat("x", 64<<10)),
		"percent":              shop("io.strata.record", "%2e%2e%2fx"),
		"drop-in":              shop("io.containers.trace-syscall", "of:"+outside+"/x.json"),
		"drop-in of an input":  shop("io.containers.trace-syscall", "of:/dev/null;if:/etc/shadow"),
		"unknown key":          shop("io.strata.recording", "x"),
		"unknown option":       {Namespace: "shop", Annotations: map[string]string{"io.strata.record": "x", "io.strata.record.path": outside}},
		"option alone":         shop("io.strata.record.seccomp", "unconfined"),
		"unconfined":           {Namespace: "shop", Annotations: map[string]string{"io.strata.record": "x", "io.strata.record.seccomp": "unconfined"}},
		"no value of merge":    {Namespace: "shop", Annotations: map[string]string{"io.strata.record": "x", "io.strata.record.merge": "maybe"}},
		"another's namespace":  {Namespace: "bank", Annotations: map[string]string{"io.strata.record": "x"}},
		"a namespace's prefix": {Namespace: "shopping", Annotations: map[string]string{"io.strata.record": "x"}},
		"a faked namespace":    {Namespace: "bank", Annotations: map[string]string{"io.strata.record": "x", "io.kubernetes.pod.namespace": "shop"}},
		"a faked engine":       {Namespace: "shop", Annotations: map[string]string{"io.containers.trace-syscall": "of:" + outside + "/x.json", "io.container.manager": "libpod", "io.podman.annotations.autoremove": "TRUE"}},
	}
	before := files(t, recordings)
	for name, pod := range pods {
		t.Run(name, func(t *testing.T) {
			for _, runtime := range testbed.Runtimes {
				t.Run(runtime, func(t *testing.T) {
					t.Parallel()
					pod.Name, pod.UID = "web", "3"
					b := inPod(t, way{Podman: testbed.Podman{Runtime: runtime}}, pod, "server", Script{Native("getpgrp")})
					outcome := b.Create(t)
					if outcome.Code == 0 {
						t.Error("the container is created")
					}
					if runtime == "runc" && !strings.Contains(outcome.Stderr, "strata") {
						t.Errorf("no message of Strata's: %s", outcome.Stderr)
					}
				})
			}
		})
	}
	if after := files(t, recordings); len(after) != len(before) {
		t.Errorf("recordings were written: %v, before %v", after, before)
	}
	if written, err := filepath.Glob(outside + "/*"); err != nil || len(written) > 0 {
		t.Errorf("written outside: %v %v", written, err)
	}
	nothingLeft(t)
}
