package profile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// parseJSON reads a document's values. Package json accepts what profiles must not have: duplicate keys and any depth.
func parseJSON(data []byte) (node, *Error) {
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		e := &Error{Text: strings.TrimPrefix(err.Error(), "json: ")}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			// The offset is behind the byte to blame, except at the end of the input.
			e.Line, e.Column = place(data, min(max(syntax.Offset-1, 0), int64(len(data))))
		}
		return node{}, e
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := jsonReader{Decoder: d, data: data, line: 1}
	t, err := r.next()
	if err != nil {
		return node{}, err
	}
	return r.value(t, 0)
}

// place says in which line and column an offset lies.
func place(data []byte, offset int64) (line, column int) {
	before := data[:offset]
	return bytes.Count(before, []byte{'\n'}) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

type jsonReader struct {
	*json.Decoder
	data []byte

	// The place up to which lines are counted.
	at        int
	line      int
	lineStart int
}

type jsonToken struct {
	json.Token
	line, column int
}

// next reads one token and says where it starts.
func (r *jsonReader) next() (jsonToken, *Error) {
	from := int(r.InputOffset())
	from += len(r.data[from:]) - len(bytes.TrimLeft(r.data[from:], " \t\r\n,:"))
	for ; r.at < from; r.at++ {
		if r.data[r.at] == '\n' {
			r.line++
			r.lineStart = r.at + 1
		}
	}
	t := jsonToken{line: r.line, column: from - r.lineStart + 1}
	var err error
	if t.Token, err = r.Token(); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("ends too early")
		}
		return t, r.fail(t, err.Error())
	}
	return t, nil
}

func (r *jsonReader) fail(t jsonToken, text string) *Error {
	return &Error{Line: t.line, Column: t.column, Text: text}
}

// value reads the value that starts with t.
func (r *jsonReader) value(t jsonToken, depth int) (node, *Error) {
	n := node{line: t.line, column: t.column}
	switch v := t.Token.(type) {
	case nil:
		n.kind = null
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(v)
	case json.Number:
		n.kind, n.text = number, v.String()
	case string:
		n.kind, n.text = text, v
	case json.Delim:
		if depth == MaxDepth {
			return n, r.fail(t, fmt.Sprintf("lists and objects are more than %d deep", MaxDepth))
		}
		if v == '[' {
			return r.list(n, depth+1)
		}
		return r.object(n, depth+1)
	}
	return n, nil
}

func (r *jsonReader) list(n node, depth int) (node, *Error) {
	n.kind = list
	for {
		t, err := r.next()
		if err != nil {
			return n, err
		}
		if t.Token == json.Delim(']') {
			return n, nil
		}
		item, err := r.value(t, depth)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
}

func (r *jsonReader) object(n node, depth int) (node, *Error) {
	n.kind = object
	seen := map[string]bool{}
	for {
		t, err := r.next()
		if err != nil {
			return n, err
		}
		name, isKey := t.Token.(string)
		if !isKey {
			return n, nil // the closing brace: syntax was checked before
		}
		if seen[name] {
			return n, r.fail(t, "key "+quote(name)+" is there twice")
		}
		seen[name] = true
		first, err := r.next()
		if err != nil {
			return n, err
		}
		value, err := r.value(first, depth)
		if err != nil {
			return n, err
		}
		n.keys = append(n.keys, key{name: name, line: t.line, column: t.column, value: value})
	}
}
