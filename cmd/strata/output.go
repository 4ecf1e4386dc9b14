package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"strata/internal/describe"
	"strata/internal/ruleset"
	"strata/internal/safefile"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// printer is standard output. It remembers the first failure, so that who prints line by
// line need not look.
type printer struct {
	io.Writer
	failed error
}

func (p *printer) Write(text []byte) (int, error) {
	n, err := p.Writer.Write(text)
	if err != nil && p.failed == nil {
		p.failed = fmt.Errorf("standard output: %w", err)
	}
	return n, err
}

// writeJSON prints a value for programs.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// writeDocument puts a document into a file, whole or not at all, or prints it.
func writeDocument(cmd *cobra.Command, path string, data []byte) error {
	if path == "" || path == "-" {
		_, err := cmd.OutOrStdout().Write(data)
		return err
	}
	return safefile.ReplacePath(path, data, 0o644)
}

// terminal reports whether a person reads what is written.
func terminal(w io.Writer) bool {
	if p, ok := w.(*printer); ok {
		w = p.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// palette colours text by action; the zero palette does not.
type palette struct{ on bool }

func newPalette(w io.Writer) palette {
	return palette{on: terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// colours of actions: green lets through, yellow is seen, red stops.
var colours = map[ruleset.Kind]string{
	ruleset.Allow:       "32",
	ruleset.Log:         "33",
	ruleset.Trace:       "33",
	ruleset.Notify:      "33",
	ruleset.Errno:       "31",
	ruleset.Trap:        "31",
	ruleset.KillThread:  "1;31",
	ruleset.KillProcess: "1;31",
}

func (p palette) action(a ruleset.Action) string {
	if !p.on {
		return a.String()
	}
	return "\x1b[" + colours[a.Kind] + "m" + a.String() + "\x1b[0m"
}

func (p palette) heading(text string) string {
	if !p.on {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// regionJSON is a part of a profile and what decided it.
type regionJSON struct {
	Calls      []string        `json:"calls,omitempty"` // none: all others
	ABIs       []string        `json:"abis"`
	Conditions []conditionJSON `json:"conditions,omitempty"`
	Action     string          `json:"action"`
	Origin     originJSON      `json:"origin"`
}

type conditionJSON struct {
	Argument uint   `json:"argument"`
	Op       string `json:"op"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"`
}

// originJSON is a rule of a layer; without a rule it is the layer's default action.
type originJSON struct {
	Layer string `json:"layer"`
	Rule  int    `json:"rule,omitempty"`
}

func toJSON(regions []stack.Region) []regionJSON {
	out := make([]regionJSON, len(regions))
	for i, r := range regions {
		out[i] = regionJSON{
			Calls: r.Names, ABIs: abiNames(r.ABIs), Conditions: conditionsJSON(r.Conditions),
			Action: r.Action.String(), Origin: fromOrigin(r.Origin),
		}
	}
	return out
}

func conditionsJSON(conditions []ruleset.Condition) []conditionJSON {
	var out []conditionJSON
	for _, c := range conditions {
		out = append(out, conditionJSON{c.Arg, c.Op.String(), c.Value, c.ValueTwo})
	}
	return out
}

func fromOrigin(o ruleset.Origin) originJSON {
	return originJSON{Layer: o.Layer, Rule: max(o.Rule, 0)}
}

func abiNames(abis []syscalls.ABI) []string {
	names := make([]string, len(abis))
	for i, abi := range abis {
		names[i] = abi.String()
	}
	return names
}

// printRegions explains a stack to a person: what is done, for which calls, and who
// decided it.
func printRegions(w io.Writer, regions []stack.Region, abis []syscalls.ABI) {
	colour := newPalette(w)
	for _, r := range regions {
		where := ""
		if len(r.ABIs) < len(abis) {
			where = " on " + strings.Join(abiNames(r.ABIs), ", ")
		}
		fmt.Fprintf(w, "%s by %v%s:\n", colour.action(r.Action), r.Origin, where)
		switch {
		case len(r.Names) == 0:
			fmt.Fprintln(w, "    all other calls")
		case len(r.Conditions) == 0:
			printWords(w, r.Names)
		default:
			for _, name := range r.Names {
				fmt.Fprintln(w, "    "+describe.Rule(name, r.Conditions))
			}
		}
	}
}

// printWords fills lines of a usual terminal with words.
func printWords(w io.Writer, words []string) {
	const width = 79
	line := "   "
	for _, word := range words {
		if len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = "   "
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}
