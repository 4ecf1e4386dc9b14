package profile

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// node is a value of a document, JSON and YAML alike, with its place. Keys of objects keep their order.
type node struct {
	kind   kind
	text   string // text, number: as written; boolean: true or false
	items  []node // list
	keys   []key  // object
	line   int
	column int
}

type key struct {
	name         string
	line, column int
	value        node
}

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	list
	object
)

var kinds = [...]string{null: "null", boolean: "a boolean", number: "a number", text: "a string", list: "a list", object: "an object"}

func (k kind) String() string { return kinds[k] }

// counter keeps documents from taking many times their size in memory.
type counter struct{ values int }

// count is called for each value, with how deep it lies. It says what is too much.
func (c *counter) count(depth int) (fault string) {
	c.values++
	switch {
	case depth > MaxDepth:
		return fmt.Sprintf("lists and objects are more than %d deep", MaxDepth)
	case c.values > MaxValues:
		return fmt.Sprintf("there are more than %d values", MaxValues)
	}
	return ""
}

// get finds a key's value.
func (n *node) get(name string) (*node, bool) {
	for i := range n.keys {
		if n.keys[i].name == name {
			return &n.keys[i].value, true
		}
	}
	return nil, false
}

// quote makes a text from a document fit for a message: short, on one line, no control characters.
func quote(s string) string { return strconv.Quote(shorten(s, maxQuoted)) }

// clip is quote without the quotation marks where the text does not need them.
func clip(s string) string {
	if short := shorten(s, maxQuoted); short != "" && isWord(short) {
		return short
	}
	return quote(s)
}

func isWord(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '.' && r != '/' && r != '…' {
			return false
		}
	}
	return true
}

// maxQuoted is the length in bytes up to which messages show a text.
const maxQuoted = 64

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Error is one thing that is wrong with a document.
type Error struct {
	Profile string // the document's name
	Line    int    // 1 for the first; 0 where no line is to blame
	Column  int    // in bytes, 1 for the first
	Rule    int    // 1 for the first; 0 where no rule is to blame
	Call    string // the rule's first name
	Text    string // what is wrong
}

func (e *Error) Error() string { return e.place() + e.Text }

func (e *Error) place() string {
	s := "profile " + quote(e.Profile) + ": "
	if e.Line > 0 {
		s += fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	}
	switch {
	case e.Rule > 0 && e.Call != "":
		s += fmt.Sprintf("rule %d (%s): ", e.Rule, e.Call)
	case e.Rule > 0:
		s += fmt.Sprintf("rule %d: ", e.Rule)
	}
	return s
}

// Errors are all things that are wrong with a document, in its order.
type Errors []*Error

// Error is the first one and how many more there are: one line. Unwrap has them all.
func (es Errors) Error() string {
	if len(es) > 1 {
		return fmt.Sprintf("%s (and %d more)", es[0].Error(), len(es)-1)
	}
	return es[0].Error()
}

// Unwrap gives all errors, for errors.As and for showing them line by line.
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// Reason is why a warning was given.
type Reason uint8

// The reasons.
const (
	UnknownCall   Reason = iota + 1 // no architecture has a call of that name; runtimes skip it
	RepeatedIndex                   // conditions on one argument are alternatives
	Repeated                        // something stands there twice
	NoEffect                        // something has no meaning where it stands
	NotEvaluated                    // an architecture whose calls have no table here
	Lost                            // the format written cannot say it
)

// Warning is something in a document that is legal, and maybe not meant.
type Warning struct {
	Reason Reason
	Error
}

// String is the warning in one line.
func (w Warning) String() string { return w.Error.Error() }

// Warnings are a document's warnings in its order.
type Warnings []Warning

// Strict turns names of unknown calls, which are warnings by default, into an error.
func (ws Warnings) Strict() error {
	var es Errors
	for i := range ws {
		if ws[i].Reason == UnknownCall {
			es = append(es, &ws[i].Error)
		}
	}
	if len(es) == 0 {
		return nil
	}
	return es
}
