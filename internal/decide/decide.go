// Package decide goes from what a container says of itself to what the node does with it: its annotations become a
// request, and the policy's answer to that a decision.
//
// It must never know how a decision is carried out.
package decide

import (
	"fmt"
	"maps"
	"strings"

	"strata/internal/podman"
	"strata/internal/policy"
	"strata/internal/request"
)

// Container is what is known of a container before it starts.
type Container struct {
	Annotations map[string]string
	// Trust is how far whoever wrote the annotations is believed.
	Trust request.Trust
	// Root is the path of the container's root file system.
	Root string
	// Env is the environment of the container's process, NAME=VALUE.
	Env []string
}

// Verdict is a decision with what it was made from.
type Verdict struct {
	*policy.Decision
	Request *request.Request
	Policy  *policy.Policy
}

// Blame adds to an error in carrying a verdict out what the verdict follows from.
func (v *Verdict) Blame(err error) error {
	return fmt.Errorf("%s: %w", strings.Join(v.Reasons, "; "), err)
}

// By decides about a container by the policy below a directory. The image is looked at where annotations are trusted:
// Podman gives those of the image to the container as well, and they are not its user's.
func By(dir string, c Container) (*Verdict, error) {
	if sandbox(c.Annotations) {
		return bySandbox(dir, c)
	}
	rules, err := policy.Load(dir)
	if err != nil {
		return nil, err
	}
	in := request.Input{Annotations: c.Annotations, Trust: c.Trust, Hostname: hostname(c.Env)}
	if c.Trust == request.Trusted && (request.Asks(c.Annotations) || rules.NeedsImage()) {
		if in.Image, err = podman.Image(c.Root); err != nil {
			return nil, err
		}
	}
	asked, err := request.Parse(in)
	if err != nil {
		return nil, err
	}
	decision, err := rules.Decide(asked)
	if err != nil {
		return nil, err
	}
	return &Verdict{decision, asked, rules}, nil
}

// sandbox reports whether a container is the one that holds a pod's namespaces. CRI-O's has the kubelet's label with a
// name that no container of a pod can have; containerd's has no such label, and a type that containerd itself says.
func sandbox(annotations map[string]string) bool {
	name, named := annotations["io.kubernetes.container.name"]
	return name == "POD" || !named && annotations["io.kubernetes.cri.container-type"] == "sandbox"
}

// bySandbox decides about a pod's sandbox. What its annotations ask for, and what its pod is bound to, is meant for the
// containers of the pod: the sandbox runs a program of the engine's. It gets what those get that ask for nothing.
func bySandbox(dir string, c Container) (*Verdict, error) {
	engines := maps.Clone(c.Annotations)
	maps.DeleteFunc(engines, func(key, _ string) bool {
		return !strings.HasPrefix(key, "io.kubernetes.") && !strings.HasPrefix(key, "io.container.")
	})
	asked, err := request.Parse(request.Input{Annotations: engines, Trust: c.Trust})
	if err != nil {
		return nil, err
	}
	rules, err := policy.Load(dir)
	if err != nil {
		return nil, err
	}
	unbound := *rules
	unbound.Bind = nil
	decision, err := unbound.Decide(asked)
	if err != nil {
		return nil, err
	}
	return &Verdict{decision, asked, rules}, nil
}

// hostname is what the container's process is told of its host's name. Podman tells it where the image does not.
func hostname(env []string) string {
	for _, variable := range env {
		if name, ok := strings.CutPrefix(variable, "HOSTNAME="); ok {
			return name
		}
	}
	return ""
}
