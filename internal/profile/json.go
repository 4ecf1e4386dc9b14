package profile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// parseJSON reads a document's values in one pass. Package json accepts what profiles must not have, duplicate keys, and does
// not say where a value stands; reading a container's profile twice to find out would cost its start a millisecond.
func parseJSON(data []byte) (node, *Error) {
	r := jsonReader{data: string(data), line: 1}
	n, err := r.value(0)
	if err != nil {
		return n, err
	}
	if c, ok := r.peek(); ok {
		return n, r.fail("%q follows the profile: it must be all of the file", c)
	}
	return n, nil
}

type jsonReader struct {
	counter
	data string
	at   int // offset of the next byte

	line, lineStart int // the line of that byte, and the offset of the line
}

func (r *jsonReader) fail(format string, args ...any) *Error {
	return &Error{Line: r.line, Column: r.at - r.lineStart + 1, Text: fmt.Sprintf(format, args...)}
}

// peek skips white space and looks at the byte behind it, which is missing at the end.
func (r *jsonReader) peek() (byte, bool) {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case '\n':
			r.line++
			r.lineStart = r.at + 1
		case ' ', '\t', '\r':
		default:
			return c, true
		}
	}
	return 0, false
}

// unexpected is the error where something else was wanted than what follows.
func (r *jsonReader) unexpected(wanted string) *Error {
	if r.at >= len(r.data) {
		return r.fail("the file ends where %s is expected", wanted)
	}
	return r.fail("%s is expected, not %q", wanted, []rune(r.data[r.at:min(r.at+4, len(r.data))])[0])
}

// literals are the values that are one word.
var literals = map[string]kind{"null": null, "true": boolean, "false": boolean}

func (r *jsonReader) value(depth int) (node, *Error) {
	c, _ := r.peek()
	n := node{line: r.line, column: r.at - r.lineStart + 1}
	if fault := r.count(depth); fault != "" {
		return n, r.fail("%s", fault)
	}
	var err *Error
	switch {
	case c == '{':
		n.kind = object
		err = r.object(&n, depth+1)
	case c == '[':
		n.kind = list
		err = r.list(&n, depth+1)
	case c == '"':
		n.kind = text
		n.text, err = r.string()
	case c == '-' || c >= '0' && c <= '9':
		n.kind = number
		n.text, err = r.run("a number", "+-.0123456789Ee")
	default:
		if n.text, err = r.run("a value", "aeflnrstu"); err == nil {
			n.kind = literals[n.text]
		}
	}
	return n, err
}

// run reads a number or a literal: all that follows of the given bytes.
func (r *jsonReader) run(what, bytes string) (string, *Error) {
	rest := r.data[r.at:]
	word := rest[:len(rest)-len(strings.TrimLeft(rest, bytes))]
	if !json.Valid([]byte(word)) {
		return "", r.unexpected(what)
	}
	r.at += len(word)
	return word, nil
}

func (r *jsonReader) string() (string, *Error) {
	escaped := false
	for end := r.at + 1; end < len(r.data); end++ {
		switch c := r.data[end]; {
		case c == '\\':
			escaped = true
			end++
		case c < ' ':
			r.at = end
			return "", r.fail("a control character is in a string: write it as an escape")
		case c == '"':
			quoted := r.data[r.at : end+1]
			s := quoted[1 : len(quoted)-1]
			if escaped && json.Unmarshal([]byte(quoted), &s) != nil {
				return "", r.fail("an escape in the string %s is none of JSON's", quote(quoted))
			}
			r.at = end + 1
			return s, nil
		}
	}
	r.at = len(r.data)
	return "", r.unexpected("the end of a string")
}

// next reads what stands before an item: nothing or a comma. It says false at the end of the list or object.
func (r *jsonReader) next(first bool, end byte) (bool, *Error) {
	c, _ := r.peek()
	switch {
	case c == end:
		r.at++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		r.at++
		if c, _ := r.peek(); c == end {
			return false, r.unexpected("another item")
		}
		return true, nil
	}
	return false, r.unexpected(fmt.Sprintf("a comma or %q", end))
}

func (r *jsonReader) list(n *node, depth int) *Error {
	r.at++
	for {
		more, err := r.next(len(n.items) == 0, ']')
		if err != nil || !more {
			return err
		}
		item, err := r.value(depth)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
}

func (r *jsonReader) object(n *node, depth int) *Error {
	r.at++
	seen := map[string]bool{}
	for {
		more, err := r.next(len(n.keys) == 0, '}')
		if err != nil || !more {
			return err
		}
		if c, _ := r.peek(); c != '"' {
			return r.unexpected("a key in quotation marks")
		}
		k := key{line: r.line, column: r.at - r.lineStart + 1}
		if k.name, err = r.string(); err != nil {
			return err
		}
		if seen[k.name] {
			return &Error{Line: k.line, Column: k.column, Text: "key " + quote(k.name) + " is there twice"}
		}
		seen[k.name] = true
		if c, _ := r.peek(); c != ':' {
			return r.unexpected("a colon")
		}
		r.at++
		if k.value, err = r.value(depth); err != nil {
			return err
		}
		n.keys = append(n.keys, k)
	}
}
