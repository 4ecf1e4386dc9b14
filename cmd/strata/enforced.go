package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"strata/internal/enforce"
)

func newEnforced() *cobra.Command {
	var (
		state  string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "enforced [CONTAINER]",
		Short: "Say what containers of this node run under",
		Long: `List the containers of this node that Strata gave a profile, with its layers, base first.
With the beginning of a container's id, say everything about that one, and what the decision
followed from; the exit code is 1 if there is none.

JSON: a list with container, pid, image, layers, ceilings, because, sha256 (of the value of
linux.seccomp; none without a filter), instructions and time of each.`,
		Args: wants(0, 1, "one container, or none for all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			records, err := enforce.Records(state)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if len(args) == 1 {
				records = startingWith(records, args[0])
			}
			switch {
			case asJSON:
				if records == nil {
					records = []enforce.Record{}
				}
				err = writeJSON(w, records)
			case len(args) == 1:
				for _, r := range records {
					printEnforced(w, r)
				}
			default:
				err = listEnforced(w, records)
			}
			if err == nil && len(args) == 1 && len(records) == 0 {
				err = errNo
			}
			return err
		},
	}
	cmd.ValidArgsFunction = completeContainer
	cmd.Flags().StringVar(&state, "state", enforce.DefaultState, "directory of what the hooks wrote down")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &input{})
	return cmd
}

func startingWith(records []enforce.Record, id string) []enforce.Record {
	var found []enforce.Record
	for _, r := range records {
		if strings.HasPrefix(r.Container, id) {
			found = append(found, r)
		}
	}
	return found
}

func listEnforced(w io.Writer, records []enforce.Record) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CONTAINER\tIMAGE\tLAYERS\tCEILING\tSINCE")
	for _, r := range records {
		fmt.Fprintf(t, "%.12s\t%s\t%s\t%s\t%s\n", r.Container, orNone(r.Image), strings.Join(r.Layers, ","),
			orNone(strings.Join(r.Ceilings, ",")), r.Time.Format(time.RFC3339))
	}
	return t.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func printEnforced(w io.Writer, r enforce.Record) {
	row := func(what, value string) { fmt.Fprintf(w, "%-14s%s\n", what+":", value) }
	row("container", r.Container)
	row("image", orNone(r.Image))
	row("layers", strings.Join(r.Layers, ","))
	row("ceilings", orNone(strings.Join(r.Ceilings, ",")))
	for _, reason := range r.Because {
		row("because", reason)
	}
	if r.SHA256 == "" {
		row("filter", "none")
	} else {
		row("filter", fmt.Sprintf("%d instructions", r.Instructions))
		row("linux.seccomp", "sha256:"+r.SHA256)
	}
	row("since", r.Time.Format(time.RFC3339))
}
