package policy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"strata/internal/reference"
)

// Pattern matches names: an exact one, or all that begin with what is before a
// final "*". The empty pattern is none.
type Pattern string

// Match reports whether the pattern matches a name.
func (p Pattern) Match(name string) bool {
	if prefix, ok := strings.CutSuffix(string(p), "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return string(p) == name
}

// rank orders patterns that match one name, the more specific ones higher. Two
// different patterns that match one name have different ranks.
func (p Pattern) rank() int {
	switch {
	case p == "":
		return 0
	case strings.HasSuffix(string(p), "*"):
		return len(p)
	}
	return maxText + 1
}

// maxText bounds every text of a policy, in bytes.
const maxText = 1024

func parseNamespace(text string) (Pattern, error) {
	name, star := strings.CutSuffix(text, "*")
	if star && name == "" {
		return "*", nil
	}
	if err := reference.CheckName(name); err != nil {
		return "", fmt.Errorf("namespace %s: %w (a final * matches any rest)", reference.Quote(text), err)
	}
	return Pattern(text), nil
}

// parseProfiles reads a pattern of profile names. "*" matches names in the profile
// directories, "localhost/*" those below the kubelet's; nothing but "unconfined"
// matches unconfined.
func parseProfiles(text string) (Pattern, error) {
	name, star := strings.CutSuffix(text, "*")
	switch {
	case star && (name == "" || name == "localhost/"):
		return Pattern(text), nil
	case star && strings.HasSuffix(name, "/"):
		name += "x"
	}
	if _, err := reference.Parse(name); err != nil {
		return "", fmt.Errorf("%w (a final * matches any rest)", err)
	}
	return Pattern(text), nil
}

// matchProfile matches a pattern of parseProfiles. Prefixes do not reach from one
// way of naming a profile into another.
func matchProfile(p Pattern, r reference.Reference) bool {
	if !strings.HasSuffix(string(p), "*") {
		return string(p) == r.String()
	}
	switch r.Kind {
	case reference.Named:
		return p.Match(r.Name)
	case reference.Localhost:
		return strings.HasPrefix(string(p), "localhost/") && p.Match(r.String())
	}
	return false
}

// Image matches images: NAME (with any tag or digest), NAME:TAG, NAME@DIGEST, or
// all that begin with what is before a final "*".
type Image string

func parseImage(text string) (Image, error) {
	if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", fmt.Errorf("image %s: a name has no spaces and no control characters", reference.Quote(text))
	}
	if strings.Contains(strings.TrimSuffix(text, "*"), "*") {
		return "", fmt.Errorf("image %s: * stands at the end", reference.Quote(text))
	}
	if text == "" || strings.HasPrefix(text, "@") || strings.HasPrefix(text, ":") {
		return "", errors.New("an image has a name (write * for any)")
	}
	return Image(text), nil
}

// Match reports whether an image, by the name that its engine gives, is meant.
func (i Image) Match(image string) bool {
	if image == "" {
		return false
	}
	if prefix, ok := strings.CutSuffix(string(i), "*"); ok {
		return strings.HasPrefix(image, prefix)
	}
	name, tag, digest := split(image)
	wantName, wantTag, wantDigest := split(string(i))
	return name == wantName &&
		(wantTag == "" || tag == wantTag) &&
		(wantDigest == "" || digest == wantDigest)
}

// split takes NAME[:TAG][@DIGEST] apart; a colon before a slash is a port's.
func split(image string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, tag = name[:colon], name[colon+1:]
	}
	return name, tag, digest
}

// rank orders patterns that match one image, the more specific ones higher: a
// longer prefix, a name, a tag, a digest, both. Different patterns that match one
// image have different ranks.
func (i Image) rank() int {
	_, tag, digest := split(string(i))
	switch {
	case i == "":
		return 0
	case strings.HasSuffix(string(i), "*"):
		return len(i)
	}
	rank := maxText + 1
	if tag != "" {
		rank++
	}
	if digest != "" {
		rank += 2
	}
	return rank
}

// matches reports whether a binding is about a container.
func (b Bind) matches(namespace, image string) bool {
	return (b.Image == "" || b.Image.Match(image)) &&
		(b.Namespace == "" || namespace != "" && b.Namespace.Match(namespace))
}

// compare orders bindings that match one container: images before namespaces.
func (b Bind) compare(other Bind) int {
	return cmp.Or(
		cmp.Compare(b.Image.rank(), other.Image.rank()),
		cmp.Compare(b.Namespace.rank(), other.Namespace.rank()),
	)
}
