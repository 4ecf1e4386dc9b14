package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// member is one member of a JSON object: where its value is in the object's text.
type member struct {
	name       string
	start, end int
}

// members lists an object's members. Names that differ in case alone, or not at all, are refused: Go programs, as the
// engines and runc are, take them for the same, crun does not.
func members(object []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("not a JSON object (%v)", err)
	}
	var list []member
	seen := make(map[string]string)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		end := int(decoder.InputOffset())
		m := member{name.(string), end - len(value), end}
		if other, found := seen[strings.ToLower(m.name)]; found {
			return nil, fmt.Errorf("%.80q and %.80q are the same key to some readers", other, m.name)
		}
		seen[strings.ToLower(m.name)] = m.name
		list = append(list, m)
	}
	_, err := decoder.Token()
	return list, err
}

// removeSeccomp removes linux.seccomp and leaves every other byte as it is.
func removeSeccomp(document []byte) ([]byte, error) {
	if !json.Valid(document) {
		return nil, fmt.Errorf("not JSON")
	}
	top, err := members(document)
	if err != nil {
		return nil, err
	}
	for _, m := range top {
		if !strings.EqualFold(m.name, "linux") {
			continue
		}
		linux, err := remove(document[m.start:m.end], "seccomp")
		if err != nil {
			return nil, fmt.Errorf("linux: %w", err)
		}
		return bytes.Join([][]byte{document[:m.start], linux, document[m.end:]}, nil), nil
	}
	return document, nil
}

// remove removes a member, if there is one, with one of the commas beside it.
func remove(object []byte, name string) ([]byte, error) {
	list, err := members(object)
	if err != nil {
		return nil, err
	}
	for i, m := range list {
		if !strings.EqualFold(m.name, name) {
			continue
		}
		start, end := bytes.IndexByte(object, '{')+1, m.end
		switch {
		case i > 0:
			start = list[i-1].end
		case len(list) > 1:
			end += bytes.IndexByte(object[end:], ',') + 1
		}
		return bytes.Join([][]byte{object[:start], object[end:]}, nil), nil
	}
	return object, nil
}
