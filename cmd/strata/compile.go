package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"strata/internal/filter"
)

func newCompile() *cobra.Command {
	var (
		in         input
		to, output string
	)
	cmd := &cobra.Command{
		Use:   "compile PROFILE --to bpf|pfc",
		Short: "Make the filter that the kernel runs",
		Long: `Compile a profile with libseccomp, prove the filter, and write it as the kernel takes
it (bpf: an array of struct sock_filter in this machine's byte order) or as a text that a
person can read (pfc).`,
		Args: cobra.ExactArgs(1),
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
				return errors.New("the profile restricts nothing: it has no filter")
			}
			proof, err := in.prove(s.Set)
			if err != nil {
				return err
			}
			if to == "bpf" {
				if output == "" && terminal(cmd.OutOrStdout()) {
					return errors.New("a filter is not for a terminal: give --output FILE")
				}
				return writeDocument(cmd, output, proof.Program.Bytes())
			}
			text, err := filter.PFC(s.Set.Fallback(), proof.Rules, s.Set.ABIs(), filter.Options{})
			if err != nil {
				return err
			}
			return writeDocument(cmd, output, []byte(text))
		},
	}
	in.addTo(cmd)
	f := cmd.Flags()
	f.StringVar(&to, "to", "bpf", "bpf or pfc")
	f.StringVarP(&output, "output", "o", "", "write to this file")
	return cmd
}
