package main

import (
	"github.com/spf13/cobra"

	"strata/internal/profile"
)

func newConvert() *cobra.Command {
	var (
		in         input
		to, output string
		resolve    bool
	)
	cmd := &cobra.Command{
		Use:   "convert PROFILE --to FORMAT",
		Short: "Write a profile in another format",
		Long: `Write a profile as OCI JSON (oci), as Docker reads it (docker), or as a SeccompProfile
of the Security Profiles Operator (spo). What a format can not say is an error. The bases
of a profile stay named; strata stack makes one profile of all.

What is written is read again, compared with what was meant, and proven with libseccomp.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, ok := profile.ParseFormat(to)
			if !ok {
				return unknownFormat(to)
			}
			if err := in.prepare(); err != nil {
				return err
			}
			chain, err := in.chain(args[0])
			if err != nil {
				return err
			}
			p := chain[len(chain)-1]
			if resolve {
				r, warnings, err := p.Resolve(in.machine)
				if err != nil {
					return err
				}
				in.warn(warnings)
				base := p.Base
				p = r.Profile()
				p.Base = base
			}
			if _, err := instructions(&in, []*profile.Profile{p}); err != nil {
				return err
			}
			data, err := writeProfile(&in, p, f)
			if err != nil {
				return err
			}
			return writeDocument(cmd, output, data)
		},
	}
	in.addTo(cmd)
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "format: oci, docker or spo")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is defined one line above
	}
	f.StringVarP(&output, "output", "o", "", "write to this file")
	f.BoolVar(&resolve, "resolve", false, "decide what depends on capabilities, architecture and kernel")
	return cmd
}
