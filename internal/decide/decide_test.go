package decide

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strata/internal/request"
)

func policyOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "strata.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pod is what the kubelet and CRI-O say of a container.
func pod(container string, more map[string]string) map[string]string {
	annotations := map[string]string{
		"io.container.manager": "cri-o", "io.kubernetes.container.name": container, "io.kubernetes.pod.name": "web",
		"io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "1",
	}
	maps.Copy(annotations, more)
	return annotations
}

func layers(v *Verdict) string {
	if v.Profile == nil {
		return "-"
	}
	var names []string
	for _, layer := range v.Profile.Layers {
		names = append(names, layer.String())
	}
	return strings.Join(names, ",")
}

func TestBy(t *testing.T) {
	bound := policyOf(t, "[profiles]\ndefault = \"quiet\"\n[[bind]]\nnamespace = \"shop\"\nstack = [\"base\", \"web\"]\n")
	for _, c := range []struct {
		name        string
		annotations map[string]string
		want        string
	}{
		{"bound", pod("server", nil), "base,web"},
		{"bound and asked the same", pod("server", map[string]string{"io.strata.stack": "base,web"}), "base,web"},
		{"neither", nil, "quiet"},
		{"asked", map[string]string{"io.strata.stack": "other"}, "other"},
		{"the sandbox of CRI-O", pod("POD", nil), "quiet"},
		{"the sandbox of CRI-O in a pod that asks", pod("POD", map[string]string{"io.strata.stack": "missing", "io.strata.record": "x"}), "quiet"},
		{"the sandbox of CRI-O in a pod that asks for a container", pod("POD", map[string]string{"io.strata.stack/server": "web"}), "quiet"},
		{"the sandbox of containerd", map[string]string{
			"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.sandbox-name": "web",
			"container.seccomp.security.alpha.kubernetes.io/server": "localhost/web",
		}, "quiet"},
		{"a container that says it is one", pod("server", map[string]string{"io.kubernetes.cri.container-type": "sandbox"}), "base,web"},
		{"a container with the other engine's word", pod("server", map[string]string{"io.kubernetes.cri-o.ContainerType": "sandbox"}), "base,web"},
	} {
		v, err := By(bound, Container{Annotations: c.annotations, Trust: request.Untrusted})
		if err != nil || layers(v) != c.want || v.Record != nil {
			t.Errorf("%s: %s, %v; want %s", c.name, layers(v), err, c.want)
		}
	}
}

func TestByRefuses(t *testing.T) {
	for _, c := range []struct {
		policy      string
		annotations map[string]string
		says        string
	}{
		{"", map[string]string{"io.strata.stack": "unconfined"}, "policy"},
		{"", map[string]string{"io.strata.stack": "/etc/passwd"}, "paths"},
		{"nonsense", nil, "strata.toml"},
		{"nonsense", pod("POD", nil), "strata.toml"},
		{"", pod("POD", map[string]string{"io.kubernetes.cri.sandbox-namespace": "kube-system"}), "forged"},
	} {
		if v, err := By(policyOf(t, c.policy), Container{Annotations: c.annotations}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v under %q: %+v, %v; want an error with %q", c.annotations, c.policy, v, err, c.says)
		}
	}
}

func TestBlame(t *testing.T) {
	v, err := By(policyOf(t, ""), Container{Annotations: map[string]string{"io.strata.stack": "web"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Blame(os.ErrNotExist); err.Error() != "stack web: annotation io.strata.stack: file does not exist" {
		t.Error(err)
	}
}
