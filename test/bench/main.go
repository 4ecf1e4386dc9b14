// Bench measures what Strata costs: the hooks of a container's start and end as whole processes, the shim, and a system call
// in a recorded container, in another container and elsewhere on the machine, with and without recordings.
//
// Every figure is the median over rounds, and every ratio is between two measurements of one round, because machines
// drift. It prints a table and, with -json, writes the same as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"text/tabwriter"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := work(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	rounds := flag.Int("rounds", 7, "rounds to take the medians of")
	output := flag.String("json", "", "also write the figures to this file")
	binary := flag.String("hook", "bin/strata-hook", "the hook to measure")
	shim := flag.String("shim", "bin/strata-runtime", "the runtime shim to measure")
	only := flag.String("only", "", "measure this part alone: hooks, enforcing, stacking, calls or peer")
	flag.Parse()
	parts := []part{
		{"hooks", func() ([]Figure, error) { return measureHooks(*rounds, *binary) }},
		{"enforcing", func() ([]Figure, error) { return measureEnforcement(*rounds, *binary, *shim) }},
		{"stacking", func() ([]Figure, error) { return measureStacking(*rounds) }},
		{"calls", func() ([]Figure, error) { return measureCalls(*rounds) }},
		{"peer", func() ([]Figure, error) { return measurePeer(*rounds) }},
	}
	if *only != "" {
		parts = slices.DeleteFunc(parts, func(p part) bool { return p.name != *only })
	}
	if len(parts) == 0 {
		log.Fatalf("bench: no part %q: say hooks, enforcing, stacking, calls or peer", *only)
	}
	if err := run(parts, *rounds, *output); err != nil {
		log.Fatalf("bench: %v", err)
	}
}

// A Figure is one line of the result.
type Figure struct {
	Name string `json:"name"`
	// Median is in milliseconds for hooks, and a ratio to the same without recording for system calls.
	Median float64 `json:"median"`
	Lowest float64 `json:"lowest"`
	Most   float64 `json:"highest"`
	Unit   string  `json:"unit"`
	// Bar is what the project wants to stay at or below; 0 where there is none.
	Bar float64 `json:"bar,omitempty"`
}

func figure(name, unit string, bar float64, samples []float64) Figure {
	slices.Sort(samples)
	return Figure{Name: name, Unit: unit, Bar: bar,
		Median: samples[len(samples)/2], Lowest: samples[0], Most: samples[len(samples)-1]}
}

type part struct {
	name    string
	measure func() ([]Figure, error)
}

func run(parts []part, rounds int, output string) error {
	var figures []Figure
	for _, p := range parts {
		more, err := p.measure()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		figures = append(figures, more...)
	}
	print(figures)
	if output == "" {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"rounds": rounds, "figures": figures}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(output, append(text, '\n'), 0o644)
}

func print(figures []Figure) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmedian\tlowest\thighest\tbar\t")
	for _, f := range figures {
		bar := "–"
		if f.Bar != 0 {
			bar = fmt.Sprintf("%.2f %s", f.Bar, f.Unit)
			if f.Median > f.Bar {
				bar += " (missed)"
			}
		}
		fmt.Fprintf(table, "%s\t%.2f %s\t%.2f\t%.2f\t%s\t\n", f.Name, f.Median, f.Unit, f.Lowest, f.Most, bar)
	}
	table.Flush()
}
