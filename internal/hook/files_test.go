package hook

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containers/common/pkg/hooks"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// install puts the hook files of an engine in place, as make install does.
func install(t *testing.T, engine string) (dir, binary string) {
	t.Helper()
	dir, libexec := t.TempDir(), t.TempDir()
	binary = filepath.Join(libexec, "strata-hook")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755))
	files, err := filepath.Glob(filepath.Join("../../hooks.d", engine, "*.json"))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("no hook files for %s", engine)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		text := strings.ReplaceAll(string(data), "@LIBEXEC@", libexec)
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(text), 0o644))
	}
	return dir, binary
}

// Each engine loads its files, with the stages that it knows, and calls the stages for those who ask.
func TestHookFiles(t *testing.T) {
	for _, c := range []struct {
		engine     string
		extensions []string // stages that the engine has besides the runtime's
		trust      string
	}{
		{"podman", []string{"precreate", "poststop"}, "--trust=paths"},
		{"crio", nil, "--trust=names"},
	} {
		t.Run(c.engine, func(t *testing.T) {
			dir, binary := install(t, c.engine)
			manager, err := hooks.New(context.Background(), []string{dir}, c.extensions)
			must(t, err)
			for annotations, want := range map[string]string{
				"com.example=x": "",
				"io.kubernetes.container.name=io.strata.record":                         "",
				"io.strata.record=web":                                                  "prestart poststop",
				"io.strata.record/server=web":                                           "prestart poststop",
				"io.containers.trace-syscall=of:/x":                                     "prestart poststop",
				"io.containers.trace-syscall/server=of:/x":                              "prestart poststop",
				"io.strata.recrod=web":                                                  "prestart poststop",
				"IO.Strata.record=web":                                                  "prestart poststop",
				" io.strata.record=web":                                                 "prestart poststop",
				"io.strata.record.seccomp=unconfined":                                   "precreate prestart poststop",
				"io.strata.record.seccomp/server=unconfined":                            "precreate prestart poststop",
				"io.strata.stack=base,web":                                              "precreate prestart poststop",
				"io.strata.stack/server=web":                                            "precreate prestart poststop",
				"io.strata.stcak=web":                                                   "prestart poststop",
				"seccomp.security.alpha.kubernetes.io/pod=unconfined":                   "precreate prestart poststop",
				"container.seccomp.security.alpha.kubernetes.io/server=localhost/web":   "precreate prestart poststop",
				"security.alpha.kubernetes.io/seccomp/pod=runtime/default":              "precreate prestart poststop",
				"security.alpha.kubernetes.io/seccomp/container/server=runtime/default": "precreate prestart poststop",
				"not.seccomp.security.alpha.kubernetes.io/pod=unconfined":               "",
			} {
				key, value, _ := strings.Cut(annotations, "=")
				spec := &specs.Spec{}
				extended, err := manager.Hooks(spec, map[string]string{key: value}, false)
				must(t, err)
				got := called(t, spec, extended, binary, c.trust)
				wanted := strings.Fields(want)
				if c.engine == "crio" {
					wanted = slices.DeleteFunc(wanted, func(stage string) bool { return stage == "precreate" })
				}
				if !slices.Equal(got, wanted) {
					t.Errorf("%s calls %v, want %v", annotations, got, wanted)
				}
			}
		})
	}
}

// The files of a policy with defaults call every stage for every container, and replace those by annotation.
func TestHookFilesForAll(t *testing.T) {
	for engine, want := range map[string][]string{"podman": {"precreate", "prestart", "poststop"}, "crio": {"prestart", "poststop"}} {
		some, _ := install(t, engine)
		all, binary := install(t, engine+"-always")
		extensions := []string{"precreate", "poststop"}
		trust := "--trust=paths"
		if engine == "crio" {
			extensions, trust = nil, "--trust=names"
		}
		manager, err := hooks.New(context.Background(), []string{some, all}, extensions)
		must(t, err)
		for _, annotations := range []map[string]string{nil, {"io.strata.stack": "web"}} {
			spec := &specs.Spec{}
			extended, err := manager.Hooks(spec, annotations, false)
			must(t, err)
			if got := called(t, spec, extended, binary, trust); !slices.Equal(got, want) {
				t.Errorf("%s with %v calls %v, want %v", engine, annotations, got, want)
			}
		}
	}
}

// called lists the stages that are called and checks how.
func called(t *testing.T, spec *specs.Spec, extended map[string][]specs.Hook, binary, trust string) []string {
	t.Helper()
	var stages []string
	add := func(stage string, list []specs.Hook) {
		for _, hook := range list {
			stages = append(stages, stage)
			if hook.Path != binary || !slices.Equal(hook.Args, []string{"strata-hook", trust, stage}) {
				t.Errorf("%s calls %s %q", stage, hook.Path, hook.Args)
			}
			if hook.Timeout == nil || *hook.Timeout <= 0 {
				t.Errorf("%s has no timeout", stage)
			}
		}
	}
	add("precreate", extended["precreate"])
	if spec.Hooks != nil {
		add("prestart", spec.Hooks.Prestart)
		add("prestart", spec.Hooks.CreateRuntime)
		add("poststop", spec.Hooks.Poststop)
	}
	add("poststop", extended["poststop"])
	return stages
}

// CRI-O does not start when it finds a stage that it does not know.
func TestPodmanFilesAreNotForOthers(t *testing.T) {
	dir, _ := install(t, "podman")
	if _, err := hooks.New(context.Background(), []string{dir}, nil); err == nil {
		t.Error("the files for Podman load without its stages: the test of the files for CRI-O means nothing")
	}
}

// Where both sets are installed, Podman's replace those for CRI-O, so a container is not recorded twice.
func TestBothInstalled(t *testing.T) {
	crio, _ := install(t, "crio")
	podman, binary := install(t, "podman")
	manager, err := hooks.New(context.Background(), []string{crio, podman}, []string{"precreate", "poststop"})
	must(t, err)
	spec := &specs.Spec{}
	extended, err := manager.Hooks(spec, record("web"), false)
	must(t, err)
	if got := called(t, spec, extended, binary, "--trust=paths"); !slices.Equal(got, []string{"prestart", "poststop"}) {
		t.Errorf("calls %v", got)
	}
}
