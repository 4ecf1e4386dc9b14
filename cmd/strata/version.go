package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strata/internal/version"
)

type versionJSON struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), versionJSON{version.Version, version.Commit})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "strata %s\n", version.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
