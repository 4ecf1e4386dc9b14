package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"strata/internal/filter"
)

// compileJSON is what `strata compile --json` prints.
type compileJSON struct {
	Layers       []string `json:"layers"`
	ABIs         []string `json:"abis"`
	Instructions int      `json:"instructions"`
	Style        string   `json:"style"`
	Form         string   `json:"form"`
	Filter       []byte   `json:"filter"`
}

func newCompile() *cobra.Command {
	var (
		in         input
		to, output string
		asJSON     bool
	)
	cmd := &cobra.Command{
		Use:   "compile PROFILE --to bpf|pfc",
		Short: "Make the filter that the kernel runs",
		Long: `Compile a profile with libseccomp, prove the filter, and write it as the kernel takes
it (bpf: an array of struct sock_filter in this machine's byte order) or as a text that a
person can read (pfc).

JSON: layers, abis, instructions, style (of the rules that it was compiled from), form (bpf
or pfc), and filter in base64.`,
		Args: wants(1, 1, "one profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to != "bpf" && to != "pfc" {
				return fmt.Errorf("no form %q: say bpf or pfc", to)
			}
			if err := in.prepare(); err != nil {
				return err
			}
			s, err := in.read(args[0])
			if err != nil {
				return err
			}
			if s.Unconfined {
				return errUnconfined
			}
			proof, err := in.prove(s.Set)
			if err != nil {
				return err
			}
			data := proof.Program.Bytes()
			if to == "pfc" {
				text, err := filter.PFC(s.Set.Fallback(), proof.Rules, s.Set.ABIs(), filter.Options{})
				if err != nil {
					return err
				}
				data = []byte(text)
			}
			if output != "" || !asJSON {
				if to == "bpf" && output == "" && terminal(cmd.OutOrStdout()) {
					return errors.New("a filter is not for a terminal: give --output FILE")
				}
				if err := writeDocument(cmd, output, data); err != nil || !asJSON {
					return err
				}
			}
			return writeJSON(cmd.OutOrStdout(), compileJSON{s.Layers, abiNames(s.Set.ABIs()), len(proof.Program), proof.Style.String(), to, data})
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(1)
	f := cmd.Flags()
	f.StringVar(&to, "to", "bpf", "bpf or pfc")
	f.BoolVar(&asJSON, "json", false, "print as JSON; the filter goes to --output, too")
	f.StringVarP(&output, "output", "o", "", "write to this file")
	completeFlags(cmd, &in)
	return cmd
}
