package request

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"strata/internal/reference"
)

// Key names what an annotation asks for, whatever way it is written in.
type key uint8

const (
	keyRecord key = iota + 1
	keyRecordSeccomp
	keyRecordDenied
	keyRecordMerge
	keyTrace
	keyStack
	keySeccomp      // Kubernetes 1.6 to 1.26
	keySeccompOlder // Kubernetes 1.3 to 1.5
)

// spellings lists every annotation that Strata acts on. An annotation for one
// container of a pod has the container's name behind the container prefix.
var spellings = []struct {
	key       key
	plain     string // of the container, or of all containers of its pod
	container string // "" where there is none
}{
	{keyRecord, "io.strata.record", "io.strata.record/"},
	{keyRecordSeccomp, "io.strata.record.seccomp", "io.strata.record.seccomp/"},
	{keyRecordDenied, "io.strata.record.denied", "io.strata.record.denied/"},
	{keyRecordMerge, "io.strata.record.merge", "io.strata.record.merge/"},
	{keyStack, "io.strata.stack", "io.strata.stack/"},
	{keyTrace, "io.containers.trace-syscall", "io.containers.trace-syscall/"},
	{keySeccomp, "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"},
	{keySeccompOlder, "security.alpha.kubernetes.io/seccomp/pod", "security.alpha.kubernetes.io/seccomp/container/"},
}

// owned lists the beginnings of keys that are Strata's to know: an unknown one is
// a mistake in writing, and a mistake may not become "no request".
var owned = []string{
	"io.strata.",
	"io.strata/",
	"io.containers.trace-syscall",
	"seccomp.security.alpha.kubernetes.io/",
	"container.seccomp.security.alpha.kubernetes.io/",
	"security.alpha.kubernetes.io/seccomp/",
}

// Keys returns the annotations that Strata acts on, as documentation writes them.
func Keys() []string {
	var keys []string
	for _, s := range spellings {
		keys = append(keys, s.plain, s.container+"CONTAINER")
	}
	return keys
}

const (
	// maxValue bounds the value of one annotation that Strata acts on, in bytes.
	maxValue = 4 << 10
	// maxAnnotations bounds all annotations of a container together, in bytes.
	// Kubernetes allows 256 KiB for a pod; CRI-O repeats these several times.
	maxAnnotations = 4 << 20
)

// annotation is one annotation that Strata acts on.
type annotation struct {
	key       key
	name      string // as it is written
	value     string
	container string // "" for a plain one
}

// level orders plain annotations below those for one container.
func (a annotation) level() int { return min(1, len(a.container)) }

func (a annotation) String() string {
	return fmt.Sprintf("%s=%s", a.name, reference.Quote(a.value))
}

func (a annotation) errorf(format string, args ...any) error {
	return fmt.Errorf("annotation %s: %w", a, fmt.Errorf(format, args...))
}

// annotations are those that Strata acts on, sorted by name.
type annotations []annotation

// collect finds the annotations that Strata acts on and refuses those that look
// as if they were meant to be.
func collect(all map[string]string) (annotations, error) {
	total := 0
	for name, value := range all {
		total += len(name) + len(value)
	}
	if total > maxAnnotations {
		return nil, fmt.Errorf("annotations: %d bytes together, the limit is %d", total, maxAnnotations)
	}
	var found annotations
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, err := recognise(name, all[name])
		if err != nil {
			return nil, err
		}
		if a.key != 0 {
			found = append(found, a)
		}
	}
	return found, nil
}

func recognise(name, value string) (annotation, error) {
	normal := strings.ToLower(strings.TrimSpace(name))
	if !slices.ContainsFunc(owned, func(prefix string) bool { return strings.HasPrefix(normal, prefix) }) {
		return annotation{}, nil
	}
	a := annotation{name: name, value: value}
	for _, s := range spellings {
		if name == s.plain {
			a.key = s.key
		} else if container, ok := strings.CutPrefix(name, s.container); ok && reference.CheckName(container) == nil {
			a.key, a.container = s.key, container
		}
	}
	switch {
	case a.key == 0:
		return annotation{}, fmt.Errorf("annotation %s: unknown; known are %s", reference.Quote(name), strings.Join(Keys(), ", "))
	case len(value) > maxValue:
		return annotation{}, a.errorf("the value has %d bytes, the limit is %d", len(value), maxValue)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return annotation{}, a.errorf("the value holds control characters or is not UTF-8")
	}
	return a, nil
}

// of leaves those that are meant for one container: for each key the one with the
// container's name, else the plain one.
func (set annotations) of(id Identity) (annotations, error) {
	var mine annotations
	for _, a := range set {
		if a.container != "" && id.Container == "" {
			return nil, a.errorf("which container of a pod this is can not be told; use the key without a container's name")
		}
		if a.container != "" && a.container != id.Container {
			continue
		}
		i := slices.IndexFunc(mine, func(m annotation) bool { return m.key == a.key })
		switch {
		case i < 0:
			mine = append(mine, a)
		case a.level() > mine[i].level():
			mine[i] = a
		}
	}
	return mine, nil
}

func (set annotations) get(k key) (annotation, bool) {
	i := slices.IndexFunc(set, func(a annotation) bool { return a.key == k })
	if i < 0 {
		return annotation{}, false
	}
	return set[i], true
}

// refuseImages refuses requests that an image's author made: Podman copies the
// annotations of an image to its containers, and whoever runs an image did not
// ask for what it says of itself.
func (set annotations) refuseImages(image Image) error {
	for _, a := range set {
		if slices.Contains(image.Annotations[a.name], a.value) {
			return a.errorf("it comes from the image %s and not from who runs it; override it with --annotation", reference.Quote(image.Name))
		}
	}
	return nil
}
