// Package policy holds what a node's administrator says: where profiles are, who
// may ask for what, and what containers get that ask for nothing.
//
// It reads /etc/strata/strata.toml and /etc/strata/strata.toml.d/*.toml, and
// decides about requests. Without a file the defaults hold, which are safe on a
// node with tenants: pods may name profiles that the administrator installed, and
// record nothing. With a broken file nothing is decided at all.
//
// It must never know how annotations are written (internal/request), what is in a
// profile (internal/stack) or how one is enforced.
package policy

import (
	"strata/internal/reference"
)

// Dir is where the policy of a node is.
const Dir = "/etc/strata"

// Policy is what the files of a node say, completed by the defaults.
type Policy struct {
	Profiles Profiles
	Record   Record
	Runtime  Runtime
	// Allow lists the rules about names that pods may use.
	Allow []Allow
	// Bind lists the stacks of images and namespaces.
	Bind []Bind

	files  []string
	places map[string]Place // where each key was said
}

// Profiles says where profiles are and which ones containers get unasked.
type Profiles struct {
	// Dirs are searched in this order for a profile's name.
	Dirs []string
	// SeccompRoot is where localhost/NAME is looked for.
	SeccompRoot string
	// Default is for containers that ask for nothing and are bound to nothing.
	Default Default
	// Exempt namespaces do not get the default.
	Exempt []Pattern
	// Ceiling is the profile that no stack exceeds, or nil.
	Ceiling *reference.Reference
}

// Default says what containers get that ask for nothing. The zero Default leaves
// them as they are.
type Default struct {
	// Profile restricts such containers. With Log it is the default profile.
	Profile *reference.Reference
	// Log says that what the profile denies is logged and done.
	Log bool
}

func (d Default) String() string {
	switch {
	case d.Log:
		return defaultLog
	case d.Profile != nil:
		return d.Profile.String()
	}
	return defaultOff
}

const (
	defaultOff = "off"
	defaultLog = "log"
)

// Record says who may record.
type Record struct {
	// Podman allows it to whoever calls Podman as root.
	Podman bool
	// Namespaces whose pods may record. A recording slows the calls of the whole
	// node a little, so no tenant may unasked.
	Namespaces []Pattern
	// Others allows it to containers outside Kubernetes whose annotations are not
	// trusted: Docker's, or Podman's with the hook files for CRI-O.
	Others bool
	// Unconfined allows those that are not trusted to run without a profile while
	// they are recorded.
	Unconfined bool
	// OnFailure says what becomes of a container that can not be recorded.
	OnFailure OnFailure
}

// OnFailure says what becomes of a container whose recording fails.
type OnFailure string

const (
	// Stop stops the container's start.
	Stop OnFailure = "stop"
	// Warn writes to the log and lets the container run unrecorded.
	Warn OnFailure = "warn"
)

// Runtime configures the runtime shim.
type Runtime struct {
	// Path of the real runtime.
	Path string
	// InjectRecord adds the recording hooks to a bundle, for engines that read no
	// hook files (containerd, Docker).
	InjectRecord bool
}

// Allow lists the profiles that pods of some namespaces may name.
type Allow struct {
	Namespace Pattern
	Profiles  []Pattern
	Place     Place
}

// Bind gives a stack to containers of an image, of a namespace, or of both.
type Bind struct {
	// Image and Namespace are "" where they do not matter; one of them does.
	Image     Image
	Namespace Pattern
	// Stack, base first.
	Stack []reference.Reference
	// Override lets a request name another stack.
	Override bool
	Place    Place
}

// Defaults returns the policy of a node without files.
func Defaults() *Policy {
	return &Policy{
		Profiles: Profiles{
			Dirs:        []string{"/etc/strata/profiles", "/usr/local/share/strata/profiles", "/usr/share/strata/profiles"},
			SeccompRoot: "/var/lib/kubelet/seccomp",
			Exempt:      []Pattern{"kube-system"},
		},
		Record: Record{
			Podman:    true,
			OnFailure: Stop,
		},
		Runtime: Runtime{Path: "/usr/bin/runc"},
		places:  map[string]Place{},
	}
}

// allowed is what pods may name where no rule is about their namespace: whatever
// the administrator installed, and never "unconfined".
var allowed = Allow{Namespace: "*", Profiles: []Pattern{"runtime/default", "localhost/*", "*"}}

// Files returns the files that were read, in this order.
func (p *Policy) Files() []string { return p.files }

// Place returns where a key ("record.podman") was said; the zero Place if it holds
// by default.
func (p *Policy) Place(key string) Place { return p.places[key] }

// NeedsImage reports whether a decision can depend on the container's image.
func (p *Policy) NeedsImage() bool {
	for _, b := range p.Bind {
		if b.Image != "" {
			return true
		}
	}
	return false
}
