package testbed

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/containers/common/pkg/hooks"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Pod is what CRI-O knows of a pod when it makes the configuration of one of its containers.
type Pod struct {
	Namespace, Name, UID string
	Annotations          map[string]string // written by the pod's author
}

// CRIO makes the bundle what CRI-O makes of a pod's container: its annotations and the hooks that match them. It is
// the engine's part of the hook files' contract; errors in hook files are the caller's to judge.
func (b *Bundle) CRIO(t testing.TB, pod Pod, container string, annotations map[string]string, image *Image, hookDirs ...string) error {
	t.Helper()
	labels := map[string]string{ // the kubelet's
		"io.kubernetes.container.name": container,
		"io.kubernetes.pod.name":       pod.Name,
		"io.kubernetes.pod.namespace":  pod.Namespace,
		"io.kubernetes.pod.uid":        pod.UID,
	}
	asJSON := func(m map[string]string) string {
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	of := b.Spec.Annotations
	maps.Copy(of, pod.Annotations)
	maps.Copy(of, annotations)
	matched := maps.Clone(of)
	maps.Copy(of, labels)
	maps.Copy(of, map[string]string{ // CRI-O's own
		"io.container.manager":                     "cri-o",
		"io.kubernetes.cri-o.Annotations":          asJSON(annotations),
		"io.kubernetes.cri-o.ContainerID":          b.ID,
		"io.kubernetes.cri-o.ContainerName":        "k8s_" + container + "_" + pod.Name + "_" + pod.Namespace + "_" + pod.UID + "_0",
		"io.kubernetes.cri-o.ContainerType":        "container",
		"io.kubernetes.cri-o.Created":              "2026-01-02T03:04:05.678901234Z",
		"io.kubernetes.cri-o.Image":                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"io.kubernetes.cri-o.ImageName":            image.Reference(),
		"io.kubernetes.cri-o.ImageRef":             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"io.kubernetes.cri-o.Labels":               asJSON(labels),
		"io.kubernetes.cri-o.Metadata":             `{"name":"` + container + `"}`,
		"io.kubernetes.cri-o.Name":                 "k8s_" + container + "_" + pod.Name + "_" + pod.Namespace + "_" + pod.UID + "_0",
		"io.kubernetes.cri-o.SandboxID":            "sandbox-" + pod.UID,
		"io.kubernetes.cri-o.SandboxName":          "k8s_POD_" + pod.Name + "_" + pod.Namespace + "_" + pod.UID + "_0",
		"io.kubernetes.cri-o.SeccompProfilePath":   "RuntimeDefault",
		"io.kubernetes.cri-o.Stdin":                "false",
		"io.kubernetes.cri-o.TTY":                  "false",
		"io.kubernetes.container.restartCount":     "0",
		"org.systemd.property.CollectMode":         "'inactive-or-failed'",
		"org.systemd.property.DefaultDependencies": "true",
	})
	if len(hookDirs) == 0 {
		return nil
	}
	manager, err := hooks.New(context.Background(), hookDirs, nil) // no extension stages, as CRI-O has none
	if err != nil {
		return err
	}
	_, err = manager.Hooks(b.Spec, matched, slices.ContainsFunc(b.Spec.Mounts, func(m specs.Mount) bool { return m.Type == "bind" }))
	return err
}
