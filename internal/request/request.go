// Package request turns the annotations of a container into a typed request:
// what is asked for, and by whom.
//
// Annotations are hostile input to a root process: under Kubernetes anybody who
// may create a pod writes them, under Podman an image can carry them. So the
// grammar is narrow, nothing is ignored that looks like a request, and whether
// paths are believed is said by the installed hook file and never by an
// annotation.
//
// It must never know whether a request may be granted (internal/policy), where
// profiles or recordings are, or how anything is enforced. It opens no file.
package request

import (
	"strata/internal/reference"
)

// Trust says how far the writer of the annotations is believed.
type Trust uint8

const (
	// Untrusted annotations name profiles and recordings and never paths: the
	// hook files for CRI-O and the runtime shim say so.
	Untrusted Trust = iota
	// Trusted annotations come from whoever called Podman: they may hold paths.
	// The hook files for Podman say so.
	Trusted
)

// Input is what an engine says about a container.
type Input struct {
	// Annotations as in the OCI state or config.json.
	Annotations map[string]string
	// Trust in whoever wrote them.
	Trust Trust
	// Hostname is what the container's process is told of its host's name: Podman gives
	// it the name of its pod.
	Hostname string
	// Image is what the engine's own storage says about the container's image, if
	// somebody looked: Podman copies the annotations of an image to the container.
	Image Image
}

// Image is a container image as its engine's storage describes it.
type Image struct {
	// Name with tag or digest, "" if unknown.
	Name string
	// Annotations of the image's manifests. They were written by the image's author.
	Annotations map[string][]string
	// Container is the engine's name of the container that was made from the image.
	Container string
	// SetsHostname says that the image's author wrote Input.Hostname.
	SetsHostname bool
}

// Request is what a container's annotations ask for.
type Request struct {
	Identity Identity
	// Record is nil when no recording is asked for.
	Record *Record
	// Stack is nil when no profile is asked for.
	Stack *Stack
}

// Record asks for a recording of the container's system calls.
type Record struct {
	// Key is the annotation that asked.
	Key string
	// Name of the recording below the recordings directory, without ".json", or
	// "" when Output says where to. Under Kubernetes it begins with the namespace.
	Name string
	// Output is an absolute path, from trusted annotations only.
	Output string
	// Input is the absolute path of a profile that the recording extends and whose
	// denials stay, or "".
	Input string
	// Unconfined says that everything is allowed while the container is recorded.
	Unconfined bool
	// Denied says that calls which the container's own profile denies are listed.
	Denied bool
	// Merge says that the recording is united with an existing one of that name.
	Merge bool
}

// Stack asks for a profile made of layers.
type Stack struct {
	// Key is the annotation that asked.
	Key string
	// Layers, base first, at least one. Unconfined stands alone.
	Layers []reference.Reference
}

// Asks reports whether there are annotations that Parse acts on, or refuses.
func Asks(annotations map[string]string) bool {
	found, err := collect(annotations)
	return len(found) > 0 || err != nil
}

// Parse reads the annotations of a container. An error names the annotation.
func Parse(in Input) (*Request, error) {
	set, err := collect(in.Annotations)
	if err != nil {
		return nil, err
	}
	id, err := identify(in, set)
	if err != nil {
		return nil, err
	}
	keys, err := set.of(id)
	if err != nil {
		return nil, err
	}
	if err := keys.refuseImages(in.Image); err != nil {
		return nil, err
	}
	record, err := parseRecord(keys, id)
	if err != nil {
		return nil, err
	}
	stack, err := parseStack(keys, id)
	if err != nil {
		return nil, err
	}
	return &Request{Identity: id, Record: record, Stack: stack}, nil
}
