package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// span is a part of a document, in bytes.
type span struct{ from, to int }

func (s span) of(data []byte) []byte { return data[s.from:s.to:s.to] }

// object is an object of a document.
type object struct {
	at      span // from its brace to behind the other one
	members []member
}

// member is a name with its value.
type member struct {
	name  string
	at    span // from the name's quote to behind the value
	value span
}

func (m member) null(data []byte) bool { return string(m.value.of(data)) == "null" }

func (o object) member(name string) (member, bool) {
	i := o.index(name)
	if i < 0 {
		return member{}, false
	}
	return o.members[i], true
}

func (o object) index(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

// check reports whether data is one JSON value that is not too deep. What follows relies on it.
func check(data []byte) error {
	if !json.Valid(data) {
		var any json.RawMessage
		if err := json.Unmarshal(data, &any); err != nil {
			return err
		}
		return errors.New("not a JSON document")
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("more than %d lists and objects inside each other", MaxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// readObject finds the members of the object in a part of a valid document that holds one value.
func readObject(data []byte, at span) (object, error) {
	i := skipSpace(data, at.from)
	if data[i] != '{' {
		return object{}, errors.New("it is not an object")
	}
	o := object{at: span{from: i}}
	for i = skipSpace(data, i+1); data[i] != '}'; i = skipSpace(data, i) {
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		m := member{at: span{from: i}}
		i = skipString(data, i)
		if err := json.Unmarshal(data[m.at.from:i], &m.name); err != nil {
			return object{}, err
		}
		i = skipSpace(data, skipSpace(data, i)+len(":"))
		m.value.from = i
		i = skipValue(data, i)
		m.value.to, m.at.to = i, i
		o.members = append(o.members, m)
	}
	o.at.to = i + 1
	return o, nil
}

// lastElement finds where the list at i ends, and where its last element ends, if it has one.
func lastElement(data []byte, at span) (end int, filled bool) {
	end = skipSpace(data, at.from+1)
	for i := end; data[i] != ']'; i = skipSpace(data, i) {
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		i = skipValue(data, i)
		end, filled = i, true
	}
	return end, filled
}

func skipSpace(data []byte, i int) int {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r' {
		i++
	}
	return i
}

func skipString(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(data []byte, i int) int {
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		for depth := 0; ; {
			switch data[i] {
			case '"':
				i = skipString(data, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(data) && !slices.Contains([]byte(" \t\n\r,]}"), data[i]) {
		i++
	}
	return i
}
