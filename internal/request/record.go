package request

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"strata/internal/reference"
)

// parseRecord reads io.strata.record with its options, or
// io.containers.trace-syscall. A container has one recording: both together are an
// error.
func parseRecord(set annotations, id Identity) (*Record, error) {
	a, asked := set.get(keyRecord)
	trace, traced := set.get(keyTrace)
	switch {
	case asked && traced:
		return nil, fmt.Errorf("annotations %s and %s: a container has one recording; keep one of the two", a, trace)
	case traced:
		if err := noOptions(set); err != nil {
			return nil, err
		}
		return parseTrace(trace, id)
	case !asked:
		return nil, noOptions(set)
	}
	name, err := recordName(a, id)
	if err != nil {
		return nil, err
	}
	r := &Record{Key: a.name, Name: name}
	if r.Unconfined, err = choice(set, keyRecordSeccomp, "unconfined", "keep", false); err != nil {
		return nil, err
	}
	if r.Merge, err = choice(set, keyRecordMerge, "true", "false", false); err != nil {
		return nil, err
	}
	// Without a profile nothing is denied that could be listed.
	if r.Denied, err = choice(set, keyRecordDenied, "true", "false", !r.Unconfined); err != nil {
		return nil, err
	}
	if r.Denied && r.Unconfined {
		denied, _ := set.get(keyRecordDenied)
		seccomp, _ := set.get(keyRecordSeccomp)
		return nil, fmt.Errorf("annotations %s and %s disagree: an unconfined container is denied nothing", denied, seccomp)
	}
	return r, nil
}

var recordOptions = []key{keyRecordSeccomp, keyRecordDenied, keyRecordMerge}

// noOptions refuses options of a recording that nobody asked for by io.strata.record.
func noOptions(set annotations) error {
	for _, a := range set {
		if slices.Contains(recordOptions, a.key) {
			return a.errorf("it needs io.strata.record=NAME")
		}
	}
	return nil
}

// choice reads an option of two values; missing means the given default.
func choice(set annotations, k key, yes, no string, missing bool) (bool, error) {
	a, ok := set.get(k)
	switch {
	case !ok:
		return missing, nil
	case a.value == yes:
		return true, nil
	case a.value == no:
		return false, nil
	}
	return false, a.errorf("say %s or %s", yes, no)
}

// recordName returns the name of a recording. Under Kubernetes it begins with the
// namespace, so that one tenant can not replace another's recordings: neither
// namespaces nor names of pods and containers hold an underscore.
func recordName(a annotation, id Identity) (string, error) {
	unnamed := a.value == "" || a.value == "true"
	switch {
	case a.value == "false":
		return "", a.errorf("remove the annotation to record nothing")
	case unnamed && (id.Namespace == "" || id.Pod == "" || id.Container == ""):
		return "", a.errorf("name the recording: there is no namespace, pod and container to name it after")
	case unnamed:
		return fit(id.Namespace + "_" + id.Pod + "_" + id.Container), nil
	case strings.HasSuffix(a.value, ".json"):
		return "", a.errorf("leave out .json, it is added")
	}
	if err := reference.CheckName(a.value); err != nil {
		return "", a.errorf("%w", err)
	}
	if id.Trust == Untrusted && id.Namespace != "" {
		return fit(id.Namespace + "_" + a.value), nil
	}
	return a.value, nil
}

// fit shortens a name that would be too long for a file, and keeps it unique.
func fit(name string) string {
	if len(name) <= reference.MaxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	digest := "-" + hex.EncodeToString(sum[:8])
	return name[:reference.MaxName-len(digest)] + digest
}

// parseTrace reads the annotation of containers/oci-seccomp-bpf-hook:
// of:/OUTPUT[;if:/INPUT], in any order.
func parseTrace(a annotation, id Identity) (*Record, error) {
	if id.Trust != Trusted {
		return nil, a.errorf("paths are not accepted here; use io.strata.record=NAME")
	}
	r := &Record{Key: a.name, Denied: true}
	for part := range strings.SplitSeq(a.value, ";") {
		kind, path, _ := strings.Cut(strings.TrimSpace(part), ":")
		var field *string
		switch kind {
		case "of":
			field = &r.Output
		case "if":
			field = &r.Input
		default:
			return nil, a.errorf("write of:/OUTPUT or of:/OUTPUT;if:/INPUT")
		}
		if *field != "" {
			return nil, a.errorf("%s: is said twice", kind)
		}
		if err := reference.CheckPath(path); err != nil {
			return nil, a.errorf("%w", err)
		}
		*field = path
	}
	if r.Output == "" {
		return nil, a.errorf("%w", errors.New("of:/OUTPUT is missing"))
	}
	return r, nil
}
