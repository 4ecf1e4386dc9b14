package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// WithSeccomp is the configuration with another value of linux.seccomp, or without one where it is nil.
func (c *Config) WithSeccomp(profile []byte) (*Config, error) {
	if profile == nil {
		return c.without("linux", "seccomp")
	}
	return c.with("linux", "seccomp", profile)
}

// WithHook is the configuration with one more hook in a stage, called after those that are there.
func (c *Config) WithHook(stage Stage, hook Hook) (*Config, error) {
	if !slices.Contains(Stages(), stage) {
		return nil, fmt.Errorf("hook stage %q: unknown", stage)
	}
	text, err := encode(hook)
	if err != nil {
		return nil, err
	}
	list, ok := c.objects["hooks"].member(string(stage))
	if !ok || list.null(c.data) {
		return c.with("hooks", string(stage), slices.Concat([]byte("["), text, []byte("]")))
	}
	end, filled := lastElement(c.data, list.value)
	if filled {
		text = append([]byte(","), text...)
	}
	return c.splice(span{end, end}, text)
}

// with sets a member of a watched object that is itself a member of the document, or the document.
func (c *Config) with(path, name string, value []byte) (*Config, error) {
	if !json.Valid(value) {
		return nil, errors.New("the new value is not JSON")
	}
	o, ok := c.objects[path]
	if !ok { // null or not there
		parent, last := split(path)
		return c.with(parent, last, slices.Concat([]byte("{"), pair(name, value), []byte("}")))
	}
	if m, ok := o.member(name); ok {
		return c.splice(m.value, value)
	}
	if len(o.members) == 0 {
		return c.splice(span{o.at.from + 1, o.at.from + 1}, pair(name, value))
	}
	end := o.members[len(o.members)-1].at.to
	return c.splice(span{end, end}, append([]byte(","), pair(name, value)...))
}

// without removes a member and one comma.
func (c *Config) without(path, name string) (*Config, error) {
	o := c.objects[path]
	i := o.index(name)
	if i < 0 {
		return c, nil
	}
	cut := o.members[i].at
	switch {
	case i > 0:
		cut.from = o.members[i-1].at.to
	case len(o.members) > 1:
		cut.to = o.members[1].at.from
	}
	return c.splice(cut, nil)
}

func (c *Config) splice(at span, text []byte) (*Config, error) {
	return Parse(slices.Concat(c.data[:at.from], text, c.data[at.to:]))
}

// pair spells a member. The names that Strata adds need no escapes.
func pair(name string, value []byte) []byte {
	return slices.Concat([]byte(`"`), []byte(name), []byte(`":`), value)
}

// encode is json.Marshal that leaves <, > and & as they are.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
