package main

import (
	"github.com/spf13/cobra"

	"strata/internal/profile"
)

// convertJSON is what `strata convert --json` prints.
type convertJSON struct {
	Format   string `json:"format"`
	Digest   string `json:"digest"` // of the document
	Document string `json:"document"`
}

func newConvert() *cobra.Command {
	var (
		in         input
		to, output string
		resolve    bool
		asJSON     bool
	)
	cmd := &cobra.Command{
		Use:   "convert PROFILE --to FORMAT",
		Short: "Write a profile in another format",
		Long: `Write a profile as OCI JSON (oci), as Docker reads it (docker), or as a SeccompProfile
of the Security Profiles Operator (spo). The bases of a profile stay named; strata stack
makes one profile of all.

What a format can not say is an error: OCI and the operator know no capabilities, which
--resolve decides. That the operator's format has no number for the default error is a
warning. What is written is read again, compared with what was meant, and proven with
libseccomp.

JSON: format, digest, and document, which is text.`,
		Args: wants(1, 1, "one profile"),
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
			if p.Name == profile.Unconfined {
				return errUnconfined
			}
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
			if output != "" || !asJSON {
				if err := writeDocument(cmd, output, data); err != nil || !asJSON {
					return err
				}
			}
			return writeJSON(cmd.OutOrStdout(), convertJSON{f.String(), digest(data), string(data)})
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(1)
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "format: oci, docker or spo")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is defined one line above
	}
	f.StringVarP(&output, "output", "o", "", "write to this file")
	f.BoolVar(&asJSON, "json", false, "print as JSON; the profile goes to --output, too")
	f.BoolVar(&resolve, "resolve", false, "decide what depends on capabilities, architecture and kernel")
	completeFlags(cmd, &in)
	return cmd
}
