package describe

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// Group is a set of calls that people think of together.
type Group struct {
	Name  string // one word, for columns
	Title string // a few words, for headings
	Calls []string
}

// Other is the group of calls that none lists: those of architectures without a table.
const Other = "other"

//go:embed groups.txt
var groupsText string

var groups = sync.OnceValue(func() []Group { return parseGroups(groupsText) })

// byCall finds a call's group.
var byCall = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for _, g := range groups() {
		for _, call := range g.Calls {
			names[call] = g.Name
		}
	}
	return names
})

func parseGroups(text string) []Group {
	var all []Group
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			last := &all[len(all)-1]
			last.Calls = append(last.Calls, strings.Fields(line)...)
		default:
			if name, title, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				all = append(all, Group{Name: name, Title: title})
			}
		}
	}
	for i := range all {
		slices.Sort(all[i].Calls)
	}
	return append(all, Group{Name: Other, Title: "Calls of other architectures"})
}

// Groups lists all groups, the harmless and common ones first, Other last.
func Groups() []Group {
	all := slices.Clone(groups())
	for i := range all {
		all[i].Calls = slices.Clone(all[i].Calls)
	}
	return all
}

// GroupOf is the name of a call's group.
func GroupOf(call string) string {
	if name, ok := byCall()[call]; ok {
		return name
	}
	return Other
}
