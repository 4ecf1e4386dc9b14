package hook

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"strata/internal/prove/provetest"
	"strata/internal/recording"
)

// The runtime is told by its executable, by how it was called, or by the name of its process.
func TestRuntime(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	data, err := os.ReadFile(self)
	must(t, err)
	dir := t.TempDir()
	copied := filepath.Join(dir, "crun-1.21")
	must(t, os.WriteFile(copied, data, 0o755))
	for _, c := range []struct {
		name, path, called string
		want               recording.Runtime
	}{
		{"executable", copied, "whatever", recording.Runtime{Name: "crun", Path: copied}},
		{"call", "/proc/self/exe", "/usr/sbin/runc", recording.Runtime{Name: "runc", Path: "/usr/sbin/runc"}},
		{"call in PATH", "/proc/self/exe", "crun-1.21", recording.Runtime{Name: "crun", Path: copied}},
		{"call that PATH does not have", "/proc/self/exe", "runc-odd", recording.Runtime{Name: "runc"}},
		{"relative call", "/proc/self/exe", "./runc", recording.Runtime{Name: "runc"}},
		{"another program", "/proc/self/exe", "/usr/bin/conmon", recording.Runtime{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := &exec.Cmd{Path: c.path, Args: []string{c.called}, Env: []string{"STRATA_TEST_SLEEP=1", "PATH=relative:/no/such:" + dir}}
			stdin, err := cmd.StdinPipe()
			must(t, err)
			stdout, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			defer func() {
				must(t, stdin.Close())
				must(t, cmd.Wait())
			}()
			_, err = io.ReadFull(stdout, make([]byte, 1)) // it is executed by then
			must(t, err)
			h := &Hook{parent: cmd.Process.Pid}
			if got := h.runtime(); got != c.want {
				t.Errorf("runtime is %+v, want %+v", got, c.want)
			}
		})
	}
	if got := (&Hook{parent: 1 << 30}).runtime(); got != (recording.Runtime{}) {
		t.Errorf("a process that has ended is %+v", got)
	}
}

// TestMain is also the entry of strata-prove, and of processes that wait for their standard input to end.
func TestMain(m *testing.M) {
	provetest.Serve()
	if os.Getenv("STRATA_TEST_SLEEP") == "" {
		os.Exit(m.Run())
	}
	if _, err := os.Stdout.WriteString("."); err != nil {
		os.Exit(1)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		os.Exit(1)
	}
}
