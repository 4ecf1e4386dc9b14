package enforcement

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "strata/test/programs"
	"strata/test/testbed"
)

// always makes Podman call the hooks for every container until the test ends.
func always(t *testing.T) {
	t.Helper()
	const file = "/etc/containers/containers.conf.d/strata.conf"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "[engine]\nhooks_dir = [\"/usr/local/share/strata/hooks-always.d/podman\"]\n")
	t.Cleanup(func() { write(t, file, string(before)) })
}

// The node's default restricts containers that ask for nothing, and those alone.
func TestDefault(t *testing.T) {
	always(t)
	withPolicy(t, "[profiles]\ndefault = \"child\"\n")
	for _, runtime := range testbed.Runtimes {
		podman := testbed.Podman{Runtime: runtime}
		for _, c := range []struct {
			name   string
			flags  []string
			script Script
		}{
			{"nothing asked", nil, Script{Native("getsid", 0).Gives(-other), Native("vmsplice", -1, 0, 0, 0).Gives(-1)}}, // Podman's denial stays
			{"unconfined by Podman", []string{"--security-opt", "seccomp=unconfined"}, Script{Native("getsid", 0).Gives(-other), Native("vmsplice", -1, 0, 0, 0).Gives(-9)}},
			{"another stack", []string{"--annotation", "io.strata.stack=base"}, Script{Native("getsid", 0), Native("getpriority", 0, 0).Gives(-denied)}},
			{"unconfined by annotation", []string{"--annotation", "io.strata.stack=unconfined"}, Script{Native("getsid", 0), Native("vmsplice", -1, 0, 0, 0).Gives(-9)}},
		} {
			if outcome := podman.Run(t, append([]string{"--rm"}, c.flags...), testbed.Calls, argv(c.script)...); outcome.Code != 0 {
				t.Errorf("%s: %v", c.name, outcome)
			}
		}
	}
}

// To try it first: the default profile of the engines logs what it would deny, and does it.
func TestDefaultLog(t *testing.T) {
	always(t)
	withPolicy(t, "[profiles]\ndefault = \"log\"\n")
	for _, runtime := range testbed.Runtimes {
		podman := testbed.Podman{Runtime: runtime}
		unconfined := Script{Native("vmsplice", -1, 0, 0, 0).Gives(-9)} // EBADF is its own
		if outcome := podman.Run(t, []string{"--rm", "--security-opt", "seccomp=unconfined"}, testbed.Calls, argv(unconfined)...); outcome.Code != 0 {
			t.Error(outcome)
		}
		given := Script{Native("vmsplice", -1, 0, 0, 0).Gives(-1)} // Podman's own profile still denies it
		if outcome := podman.Run(t, []string{"--rm"}, testbed.Calls, argv(given)...); outcome.Code != 0 {
			t.Error(outcome)
		}
	}
}

// A stack that an image is bound to is that of its containers, by Podman's name of the image and by CRI-O's.
func TestBound(t *testing.T) {
	always(t)
	withPolicy(t, "[[bind]]\nimage = \"localhost/calls\"\nstack = [\"base\", \"child\"]\n")
	podman := testbed.Podman{Runtime: "crun"}
	if outcome := podman.Run(t, []string{"--rm"}, testbed.Calls, argv(stacked)...); outcome.Code != 0 {
		t.Error(outcome)
	}
	if outcome := podman.Run(t, []string{"--rm"}, testbed.Shell, "/bin/true"); outcome.Code != 0 {
		t.Error(outcome)
	}
	b := inPod(t, shim("runc"), true, nil, stacked)
	if outcome := b.Create(t); outcome.Code != 0 {
		t.Fatal(outcome)
	}
	b.Start(t)
	b.Wait(t)
	if said := b.Output(t); said != "" {
		t.Error(said)
	}
	b = inPod(t, shim("runc"), true, map[string]string{"io.strata.stack": "open"}, nil)
	if outcome := b.Create(t); outcome.Code != 1 || !strings.Contains(outcome.Stderr, "bound to base,child") {
		t.Error(outcome)
	}
}

// A pod's sandbox runs the engine's own program: requests and bindings are meant for the pod's containers. Nobody gets
// rid of a binding by calling his container a sandbox.
func TestSandbox(t *testing.T) {
	withPolicy(t, "[[bind]]\nnamespace = \"shop\"\nstack = [\"base\"]\n")
	free := Script{Native("getsid", 0), Native("getpriority", 2, 99999).Gives(-noProcess)}
	for _, c := range []struct {
		name        string
		container   string
		annotations map[string]string
		script      Script
	}{
		{"sandbox", "POD", map[string]string{"io.strata.stack": "child"}, free},
		{"fake", "server", map[string]string{"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri-o.ContainerType": "sandbox"}, Script{Native("getpriority", 0, 0).Gives(-denied)}},
	} {
		b := testbed.NewBundle(t, shim("crun"), testbed.Calls, argv(c.script)...)
		pod := testbed.Pod{Namespace: "shop", Name: "web", UID: "1", Annotations: c.annotations}
		if err := b.CRIO(t, pod, c.container, nil, testbed.Calls); err != nil {
			t.Fatal(err)
		}
		if outcome := b.Create(t); outcome.Code != 0 {
			t.Fatal(outcome)
		}
		b.Start(t)
		b.Wait(t)
		if said := b.Output(t); said != "" {
			t.Errorf("%s: %s", c.name, said)
		}
	}
}

// podman kube play gives the annotations of a pod to its containers.
func TestKubePlay(t *testing.T) {
	write(t, "/var/lib/kubelet/seccomp/web.json", documents["child"])
	podman := testbed.Podman{Runtime: "crun"}
	script := argv(append(append(Script{}, Native("getsid", 0).Gives(-other)), Native("getpriority", 2, 99999).Gives(-noProcess)))
	quoted := make([]string, len(script))
	for i, word := range script {
		quoted[i] = "'" + strings.ReplaceAll(word, "'", "''") + "'"
	}
	for i, annotation := range []string{"io.strata.stack: child", "seccomp.security.alpha.kubernetes.io/pod: localhost/web.json"} {
		pod := "enforced-" + number(i)
		file := filepath.Join(t.TempDir(), "pod.yaml")
		write(t, file, `apiVersion: v1
kind: Pod
metadata:
  name: `+pod+`
  annotations:
    `+annotation+`
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
  - name: server
    image: `+testbed.Calls.Imported(t)+`
    command: [`+strings.Join(quoted, ", ")+`]
`)
		t.Cleanup(func() { podman.Do(t, "pod", "rm", "--force", "--ignore", "--time", "0", pod) })
		podman.Do(t, "play", "kube", file)
		if code := podman.Do(t, "wait", pod+"-server"); code != "0" {
			t.Errorf("%s: status %s: %v", annotation, code, testbed.Run(t, podman.Command("logs", pod+"-server")))
		}
	}
}
