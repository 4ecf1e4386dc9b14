package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"strata/internal/profile"
	"strata/internal/safefile"
	"strata/internal/stack"
)

// validJSON is what `strata validate --json` prints for each file.
type validJSON struct {
	File         string   `json:"file"`
	Valid        bool     `json:"valid"`
	Errors       []string `json:"errors,omitempty"`
	Warnings     []string `json:"warnings,omitempty"`
	Instructions int      `json:"instructions,omitempty"`
}

func newValidate() *cobra.Command {
	var (
		in             input
		strict, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "validate PROFILE...",
		Short: "Say whether profiles are right",
		Long: `Read profiles as strictly as Strata does before it enforces them: what an engine would
ignore or misread is an error, and the filter that libseccomp makes of a profile must do
what the profile says. The exit code is 0 if all are right, 1 if not, 2 if one can not be
read at all.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.prepare(); err != nil {
				return err
			}
			var results []validJSON
			answer := error(nil)
			for _, name := range args {
				result, err := validate(&in, name, strict)
				if err != nil {
					return err
				}
				if !result.Valid {
					answer = errNo
				}
				results = append(results, result)
			}
			if asJSON {
				return errors.Join(writeJSON(cmd.OutOrStdout(), results), answer)
			}
			for _, r := range results {
				printValid(cmd, r)
			}
			return answer
		},
	}
	in.addTo(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "take unknown system calls for errors")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// validate reads one profile. An error says that there is nothing to judge.
func validate(in *input, name string, strict bool) (validJSON, error) {
	result := validJSON{File: name}
	chain, warnings, err := in.load(name)
	if unreadable(err) {
		return result, err
	}
	for _, w := range warnings {
		result.Warnings = append(result.Warnings, w.String())
	}
	if err == nil && strict {
		err = warnings.Strict()
	}
	if err == nil {
		result.Instructions, err = instructions(in, chain)
	}
	if err != nil {
		result.Errors = lines(err)
	}
	result.Valid = err == nil
	return result, nil
}

func unreadable(err error) bool {
	path := (*fs.PathError)(nil)
	return errors.As(err, &path) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, safefile.ErrUnguarded)
}

// instructions compiles a profile and proves the filter.
func instructions(in *input, chain []*profile.Profile) (int, error) {
	s, err := stack.Plan{Layers: [][]*profile.Profile{chain}, Machine: in.machine, Overlap: in.reading}.Build()
	if err != nil {
		return 0, err
	}
	proof, err := in.prove(s.Set)
	if err != nil {
		return 0, err
	}
	return len(proof.Program), nil
}

func printValid(cmd *cobra.Command, r validJSON) {
	w := cmd.OutOrStdout()
	for _, text := range r.Errors {
		fmt.Fprintf(w, "%s: error: %s\n", r.File, text)
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "%s: warning: %s\n", r.File, text)
	}
	if r.Valid {
		fmt.Fprintf(w, "%s: right, %d instructions\n", r.File, r.Instructions)
	}
}
