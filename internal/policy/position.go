package policy

import (
	"fmt"
	"strings"
)

// Place is where something is said. The zero Place is nowhere.
type Place struct {
	File      string
	Line, Col int // from 1; Col counts bytes
}

func (p Place) String() string {
	if p.File == "" {
		return "default"
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// positions finds where the keys and tables of a TOML document are said; the
// library keeps that to itself and does not tell apart the tables of an array.
// Keys are written as they are decoded: "record.podman", "bind[1].stack". The
// document is known to be valid. What is inside an inline table is not found.
func positions(file, text string) map[string]Place {
	s := scanner{text: text, file: file, line: 1, found: map[string]Place{}, arrays: map[string]int{}}
	for s.skipBlank(); s.at < len(s.text); s.skipBlank() {
		if s.text[s.at] == '[' {
			s.header()
		} else {
			s.keyValue()
		}
	}
	return s.found
}

type scanner struct {
	file, text  string
	at          int
	table       string // of the last header, with its final dot
	line, start int    // of the line that was looked at last: its number and offset
	found       map[string]Place
	arrays      map[string]int // tables so far in each array of tables
}

func (s *scanner) here() Place {
	passed := s.text[s.start:s.at]
	s.line += strings.Count(passed, "\n")
	s.start += strings.LastIndexByte(passed, '\n') + 1
	return Place{File: s.file, Line: s.line, Col: s.at - s.start + 1}
}

func (s *scanner) note(path string, where Place) {
	if _, ok := s.found[path]; !ok {
		s.found[path] = where
	}
}

// header reads [a.b] or [[a.b]].
func (s *scanner) header() {
	where := s.here()
	array := strings.HasPrefix(s.text[s.at:], "[[")
	s.at += 1
	if array {
		s.at += 1
	}
	name := s.key("]")
	for s.at < len(s.text) && s.text[s.at] == ']' {
		s.at++
	}
	s.note(name, where)
	if array {
		element := fmt.Sprintf("%s[%d]", name, s.arrays[name])
		s.arrays[name]++
		name = element
		s.note(name, where)
	}
	s.table = name + "."
}

// keyValue reads a.b = value.
func (s *scanner) keyValue() {
	where := s.here()
	name := s.table + s.key("=")
	s.note(name, where)
	for i := len(s.table); i < len(name); i++ {
		if name[i] == '.' {
			s.note(name[:i], where) // a dotted key makes tables too
		}
	}
	s.at++
	s.value()
}

// key reads a dotted key up to one of the ending characters.
func (s *scanner) key(end string) string {
	var name strings.Builder
	for s.at < len(s.text) && !strings.ContainsRune(end, rune(s.text[s.at])) {
		switch c := s.text[s.at]; c {
		case '"', '\'':
			start := s.at + 1
			s.quoted()
			name.WriteString(s.text[start : s.at-1])
			continue
		case ' ', '\t':
		default:
			name.WriteByte(c)
		}
		s.at++
	}
	return name.String()
}

// value skips a value: to the end of the line at which no bracket is open.
func (s *scanner) value() {
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"', '\'':
			s.quoted()
			continue
		case '#':
			s.comment()
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '\n':
			if depth == 0 {
				return
			}
		}
		s.at++
	}
}

// quoted skips a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.at : s.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.at:], triple) {
		quote = triple
	}
	s.at += len(quote)
	for s.at < len(s.text) && !strings.HasPrefix(s.text[s.at:], quote) {
		if quote[0] == '"' && s.text[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	s.at += len(quote)
	// A multi-line string may end in one or two quotes of its own.
	for range 2 {
		if len(quote) == 3 && s.at < len(s.text) && s.text[s.at] == quote[0] {
			s.at++
		}
	}
	s.at = min(s.at, len(s.text))
}

func (s *scanner) comment() {
	for s.at < len(s.text) && s.text[s.at] != '\n' {
		s.at++
	}
}

func (s *scanner) skipBlank() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		case '#':
			s.comment()
		default:
			return
		}
	}
}
