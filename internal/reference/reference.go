// Package reference holds the ways of naming a profile: runtime/default,
// unconfined, localhost/NAME, NAME and, for trusted people, absolute paths.
//
// It knows how names are written and nothing of where profiles are: it opens no
// file. Names come from annotations that anybody may have written, so the
// grammar is narrow, and an error never repeats more than a line of them.
package reference

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind says which of the ways of naming a profile a reference uses.
type Kind uint8

const (
	// Default is the default profile of containers/common, "runtime/default".
	Default Kind = iota + 1
	// Unconfined is no profile at all, "unconfined".
	Unconfined
	// Localhost is a file below the kubelet's seccomp profile root, "localhost/NAME".
	Localhost
	// Named is a file below one of the profile directories, "NAME" or "base/NAME".
	Named
	// Path is a file anywhere, "/PATH".
	Path
)

const (
	// MaxName is the length in bytes of the longest name of one component; it
	// leaves room for suffixes in a file name, which ends at 255 bytes.
	MaxName = 200
	// MaxPath is the length in bytes of the longest path or localhost name.
	MaxPath = 1024
)

// Reference names a profile. References are comparable; equal ones name the same
// profile. The zero Reference names none.
type Reference struct {
	Kind Kind
	Name string // of Localhost (without the prefix), Named and Path
}

// String returns the reference as it is written.
func (r Reference) String() string {
	switch r.Kind {
	case Default:
		return runtimeDefault
	case Unconfined:
		return unconfined
	case Localhost:
		return localhost + r.Name
	default:
		return r.Name
	}
}

const (
	runtimeDefault = "runtime/default"
	dockerDefault  = "docker/default" // what Kubernetes wrote before 1.11
	unconfined     = "unconfined"
	localhost      = "localhost/"
)

// reserved begin names that are not files of the profile directories.
var reserved = []string{"runtime", "docker"}

// Parse reads a reference as an untrusted person may write it: paths are errors.
func Parse(text string) (Reference, error) {
	switch {
	case text == "":
		return Reference{}, errors.New("no profile named")
	case text == runtimeDefault, text == dockerDefault:
		return Reference{Kind: Default}, nil
	case text == unconfined:
		return Reference{Kind: Unconfined}, nil
	case strings.HasPrefix(text, localhost):
		name := strings.TrimPrefix(text, localhost)
		if err := checkComponents(name); err != nil {
			return Reference{}, fmt.Errorf("profile %s: %w", Quote(text), err)
		}
		return Reference{Kind: Localhost, Name: name}, nil
	case strings.HasPrefix(text, "/"):
		return Reference{}, fmt.Errorf("profile %s: paths are not accepted here: give the name of a profile", Quote(text))
	}
	if first, _, nested := strings.Cut(text, "/"); nested && slices.Contains(reserved, first) {
		return Reference{}, fmt.Errorf("profile %s: of these there are %s, %s and %sNAME", Quote(text), runtimeDefault, dockerDefault, localhost)
	}
	if err := checkComponents(text); err != nil {
		return Reference{}, fmt.Errorf("profile %s: %w", Quote(text), err)
	}
	return Reference{Kind: Named, Name: text}, nil
}

// ParseTrusted is Parse for people who may name any file: absolute paths too.
func ParseTrusted(text string) (Reference, error) {
	if !strings.HasPrefix(text, "/") {
		return Parse(text)
	}
	if err := CheckPath(text); err != nil {
		return Reference{}, err
	}
	return Reference{Kind: Path, Name: text}, nil
}

// CheckName reports whether a name is a letter or digit followed by letters,
// digits, dots, underscores and hyphens.
func CheckName(name string) error {
	if name == "" {
		return errors.New("the name is empty")
	}
	if len(name) > MaxName {
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(name), MaxName)
	}
	if !alphanumeric(name[0]) {
		return errors.New("a name begins with a letter or a digit")
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return errors.New("a name is made of letters, digits, '.', '_' and '-'")
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// checkComponents accepts names joined by slashes.
func checkComponents(name string) error {
	if len(name) > MaxPath {
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(name), MaxPath)
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := CheckName(part); err != nil {
			return err
		}
	}
	return nil
}

// CheckPath accepts absolute paths without detours that fit on one line.
func CheckPath(path string) error {
	switch {
	case len(path) > MaxPath:
		return fmt.Errorf("path %s: it has %d bytes, the limit is %d", Quote(path), len(path), MaxPath)
	case !filepath.IsAbs(path):
		return fmt.Errorf("path %s: it does not begin with /", Quote(path))
	case !utf8.ValidString(path) || strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("path %s: it holds control characters or is not UTF-8", Quote(path))
	case path != filepath.Clean(path):
		return fmt.Errorf("path %s: write it as %s", Quote(path), Quote(filepath.Clean(path)))
	}
	return nil
}

// Quote makes a value of any length and content fit for one line of a message:
// at most about 100 printable ASCII characters.
func Quote(value string) string {
	const most = 100
	cut := value[:min(len(value), most)]
	quoted := fmt.Sprintf("%+q", cut)
	whole := len(cut) == len(value)
	if len(quoted) > most+len(`""`) { // escapes made it longer
		quoted, whole = strings.TrimRight(quoted[:most], `\`)+`"`, false
	}
	if !whole {
		quoted = fmt.Sprintf("%s… (%d bytes)", quoted, len(value))
	}
	return quoted
}
