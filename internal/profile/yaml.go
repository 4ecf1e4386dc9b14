package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads a document's values. Of YAML it takes what JSON can say: no anchors, aliases, merge keys or tags, as
// those let a short text stand for a long one, or for one that other readers see differently.
func parseYAML(data []byte) (node, *Error) {
	if len(data) > MaxYAML {
		return node{}, &Error{Text: fmt.Sprintf("has %d bytes, more than the %d that YAML may have: write JSON", len(data), MaxYAML)}
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return node{}, &Error{Text: "is empty"}
		}
		return node{}, &Error{Text: oneLine(err)}
	}
	var more yaml.Node
	switch err := d.Decode(&more); {
	case err == nil:
		return node{}, &Error{Line: more.Line, Column: more.Column, Text: "a second document follows the first: keep each profile in a file of its own"}
	case !errors.Is(err, io.EOF):
		return node{}, &Error{Text: oneLine(err)}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return node{}, &Error{Text: "is empty"}
	}
	var r yamlReader
	return r.value(doc.Content[0], 0)
}

type yamlReader struct{ counter }

// oneLine is the text of an error of package yaml, which may quote the document at any length.
func oneLine(err error) string {
	return shorten(strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " "), 200)
}

var yamlScalars = map[string]kind{
	"!!null": null, "!!bool": boolean, "!!int": number, "!!float": number, "!!str": text, "!!timestamp": text,
}

func (r *yamlReader) value(y *yaml.Node, depth int) (node, *Error) {
	n := node{line: y.Line, column: y.Column}
	fail := func(text string) (node, *Error) {
		return n, &Error{Line: y.Line, Column: y.Column, Text: text}
	}
	if fault := r.count(depth); fault != "" {
		return fail(fault)
	}
	switch {
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		return fail("anchors and aliases are not read: write the value out")
	case y.Style&yaml.TaggedStyle != 0:
		return fail("the tag " + quote(y.Tag) + " is not read: leave it out")
	}
	switch y.Kind {
	case yaml.ScalarNode:
		k, ok := yamlScalars[y.ShortTag()]
		if !ok {
			return fail("a value of type " + quote(y.ShortTag()) + " is not read: put it in quotation marks")
		}
		n.kind, n.text = k, y.Value
		if k == boolean {
			n.text = strings.ToLower(n.text)
		}
	case yaml.SequenceNode:
		n.kind = list
		for _, item := range y.Content {
			v, err := r.value(item, depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, v)
		}
	case yaml.MappingNode:
		return r.object(y, n, depth)
	default:
		return fail("this kind of value is not read")
	}
	return n, nil
}

func (r *yamlReader) object(y *yaml.Node, n node, depth int) (node, *Error) {
	n.kind = object
	seen := map[string]bool{}
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		at := func(text string) (node, *Error) {
			return n, &Error{Line: k.Line, Column: k.Column, Text: text}
		}
		name, err := r.value(k, depth+1)
		if err != nil {
			return n, err
		}
		if name.kind != text {
			return at("a key is " + name.kind.String() + ", not a string")
		}
		if seen[name.text] {
			return at("key " + quote(name.text) + " is there twice")
		}
		seen[name.text] = true
		v, err := r.value(y.Content[i+1], depth+1)
		if err != nil {
			return n, err
		}
		n.keys = append(n.keys, key{name: name.text, line: k.Line, column: k.Column, value: v})
	}
	return n, nil
}
