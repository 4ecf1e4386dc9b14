package testbed

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// HooksDir is where Podman looks for hook files on this machine: where make install puts them.
const HooksDir = "/usr/local/share/strata/hooks.d"

// configureEngine writes Podman's configuration as an administrator would.
func configureEngine() error {
	ulimits, err := ulimits()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(HooksDir, 0o755); err != nil {
		return err
	}
	for file, text := range map[string]string{
		"/etc/containers/policy.json": `{"default": [{"type": "insecureAcceptAnything"}]}`,
		"/etc/containers/storage.conf": `[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
`,
		"/etc/containers/containers.conf": `[containers]
default_ulimits = [` + ulimits + `]
netns = "host"
cgroups = "no-conmon"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
hooks_dir = ["` + HooksDir + `"]
`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, variable := range os.Environ() { // no one else's configuration
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "CONTAINER") || strings.HasPrefix(name, "STORAGE_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ulimits are limits that a process without CAP_SYS_RESOURCE can set too.
func ulimits() (string, error) {
	var text []string
	for _, limit := range []struct {
		name     string
		resource int
		most     uint64
	}{{"nofile", unix.RLIMIT_NOFILE, 20000}, {"nproc", unix.RLIMIT_NPROC, 32768}} {
		var now unix.Rlimit
		if err := unix.Getrlimit(limit.resource, &now); err != nil {
			return "", fmt.Errorf("limit %s: %w", limit.name, err)
		}
		n := min(now.Max, limit.most)
		text = append(text, fmt.Sprintf("%q", fmt.Sprintf("%s=%d:%d", limit.name, n, n)))
	}
	return strings.Join(text, ", "), nil
}
