package request

import (
	"fmt"
	"strings"

	"strata/internal/reference"
)

// Engine is the program that runs the container.
type Engine string

// The engines that are told apart; annotations can claim to be any of them.
const (
	Podman     Engine = "podman"
	CRIO       Engine = "cri-o"
	Containerd Engine = "containerd"
	Other      Engine = "other"
)

// Identity says whose container it is. What can be forged may be used in messages
// and metadata, but grants nothing.
type Identity struct {
	Trust  Trust
	Engine Engine // forgeable
	// Namespace, Pod, PodUID and Container are the kubelet's and can not be
	// forged by a pod's author. They are "" outside Kubernetes.
	Namespace, Pod, PodUID, Container string
	// Image is the image's name with its tag or digest, or "". Under CRI-O a
	// checkpoint image can forge it, so a policy binds images to profiles only
	// where that is acceptable.
	Image string
}

// Kubernetes reports whether a kubelet started the container.
func (id Identity) Kubernetes() bool { return id.Namespace != "" }

// facts lists for every field of an identity where engines write it. CRI-O passes
// the kubelet's labels, containerd writes keys of its own. Neither lets a pod's
// author set its own keys, but each may pass the other's: where two differ, one is
// forged.
var facts = []struct {
	field func(*Identity) *string
	keys  []string
}{
	{func(id *Identity) *string { return &id.Namespace }, []string{"io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"}},
	{func(id *Identity) *string { return &id.Pod }, []string{"io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"}},
	{func(id *Identity) *string { return &id.PodUID }, []string{"io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid"}},
	{func(id *Identity) *string { return &id.Container }, []string{"io.kubernetes.container.name", "io.kubernetes.cri.container-name"}},
}

// images lists where engines write the image's name, by falling worth.
var images = []string{"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"}

const manager = "io.container.manager"

func identify(in Input, set annotations) (Identity, error) {
	id := Identity{Trust: in.Trust, Engine: Other, Image: in.Image.Name}
	for _, f := range facts {
		said := ""
		for _, k := range f.keys {
			value, ok := in.Annotations[k]
			if !ok {
				continue
			}
			if err := reference.CheckName(value); err != nil {
				return Identity{}, fmt.Errorf("annotation %s=%s: %w", k, reference.Quote(value), err)
			}
			if said != "" && value != *f.field(&id) {
				return Identity{}, fmt.Errorf("annotations %s=%s and %s=%s disagree: one of them is forged",
					said, reference.Quote(*f.field(&id)), k, reference.Quote(value))
			}
			said, *f.field(&id) = k, value
		}
	}
	for _, k := range images {
		if id.Image == "" {
			id.Image = in.Annotations[k]
		}
	}
	if len(id.Image) > maxImage {
		return Identity{}, fmt.Errorf("image %s: the name is longer than %d bytes", reference.Quote(id.Image), maxImage)
	}
	if strings.ContainsFunc(id.Image, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return Identity{}, fmt.Errorf("image %s: a name has no spaces and no control characters", reference.Quote(id.Image))
	}
	if id.Container == "" && in.Trust == Trusted {
		id.Container = inPodmanPod(in)
	}
	switch _, cri := in.Annotations["io.kubernetes.cri.container-type"]; {
	case in.Annotations[manager] == "libpod":
		id.Engine = Podman
	case in.Annotations[manager] == "cri-o":
		id.Engine = CRIO
	case cri:
		id.Engine = Containerd
	}
	if in.Trust == Trusted && id.Engine == CRIO && len(set) > 0 {
		return Identity{}, fmt.Errorf("annotation %s=cri-o: this hook file is Podman's and trusts annotations; remove it from CRI-O's hooks_dir", manager)
	}
	return id, nil
}

// inPodmanPod returns the name that a pod gives to a container of podman kube play, or
// "". Podman calls the container POD-NAME, and tells its process the name of the pod.
func inPodmanPod(in Input) string {
	if _, ok := in.Annotations["io.kubernetes.cri-o.SandboxID"]; !ok || in.Hostname == "" || in.Image.SetsHostname {
		return ""
	}
	name, ok := strings.CutPrefix(in.Image.Container, in.Hostname+"-")
	if !ok || reference.CheckName(name) != nil {
		return ""
	}
	return name
}

// maxImage bounds the name of an image: a registry's name, a path of 255 bytes, a
// tag of 128 and a digest.
const maxImage = 1024
