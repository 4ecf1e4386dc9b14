package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/ruleset"
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
ignore or misread is an error, and a filter must be there that does what the profile says.
Where libseccomp makes another one of the rules as they stand, as it does below 2.6.1 of some
comparisons with large numbers, that is a warning: an engine that installs the file itself
enforces something else. The exit code is 0 if all are right, 1 if not, 2 if one can not be
read at all.

JSON: a list with file, valid, errors, warnings and instructions for each.`,
		Args: wants(1, unlimited, "profiles"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := in.prepare(); err != nil {
				return err
			}
			var results []validJSON
			var missing []error
			answer := error(nil)
			for _, name := range args {
				result, err := validate(&in, name, strict)
				switch {
				case errors.As(err, new(unreadable)):
					missing = append(missing, err)
				case err != nil:
					answer = errNo
				}
				results = append(results, result)
				if !asJSON {
					printValid(cmd, result, err)
				}
			}
			if asJSON {
				answer = errors.Join(writeJSON(cmd.OutOrStdout(), results), answer)
			}
			if len(missing) > 0 {
				return errors.Join(missing...)
			}
			return answer
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(unlimited)
	cmd.Flags().BoolVar(&strict, "strict", false, "take unknown system calls, and what libseccomp gets wrong, for errors")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
	return cmd
}

// validate judges one profile. The error says why it is not right.
func validate(in *input, name string, strict bool) (validJSON, error) {
	result := validJSON{File: name}
	chain, warnings, err := in.load(name)
	if err == nil && strict {
		err = warnings.Strict()
	}
	for _, w := range warnings {
		if !strict || w.Reason != profile.UnknownCall {
			result.Warnings = append(result.Warnings, w.String())
		}
	}
	if err == nil {
		result.Instructions, err = instructions(in, chain)
	}
	if err == nil && len(chain) == 1 && result.Instructions > 0 {
		wrong, failed := asItStands(in, chain[0])
		switch {
		case failed != nil:
			err = failed
		case wrong != nil && strict:
			err = wrong
		case wrong != nil:
			result.Warnings = append(result.Warnings, wrong.Error())
		}
	}
	if err != nil {
		result.Errors = lines(err)
	}
	result.Valid = err == nil
	return result, err
}

// instructions compiles a profile and proves the filter.
func instructions(in *input, chain []*profile.Profile) (int, error) {
	s, err := stack.Plan{Layers: [][]*profile.Profile{chain}, Machine: in.machine, Overlap: in.reading}.Build()
	if err != nil {
		return 0, err
	}
	if s.Unconfined {
		return 0, nil
	}
	proof, err := in.prove(s.Set)
	if err != nil {
		return 0, err
	}
	return len(proof.Program), nil
}

// asItStands says what is wrong with the filter that an engine gets which hands the rules to libseccomp as they stand.
func asItStands(in *input, p *profile.Profile) (wrong, err error) {
	resolved, _, err := p.Resolve(in.machine)
	if err != nil {
		return nil, err
	}
	source := resolved.Source()
	set, err := ruleset.Read(source, ruleset.Options{Overlap: in.reading})
	if err != nil {
		return nil, err
	}
	if err := filter.AsTheyStand(set, source.Rules); err != nil {
		return fmt.Errorf("libseccomp %s goes wrong with these rules as they stand: %w: "+
			"give engines what strata stack writes of them", filter.Version(), err), nil
	}
	return nil, nil
}

// printValid prints what was found. That a profile can not be read is printed as an error, at the end.
func printValid(cmd *cobra.Command, r validJSON, err error) {
	w := cmd.OutOrStdout()
	about := fmt.Sprintf("profile %q: ", r.File) // said at the beginning of the line
	if !errors.As(err, new(unreadable)) {
		for _, text := range r.Errors {
			fmt.Fprintf(w, "%s: error: %s\n", r.File, strings.TrimPrefix(text, about))
		}
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(w, "%s: warning: %s\n", r.File, strings.TrimPrefix(text, about))
	}
	switch {
	case r.Valid && r.Instructions == 0:
		fmt.Fprintf(w, "%s: right, no filter\n", r.File)
	case r.Valid:
		fmt.Fprintf(w, "%s: right, %d instructions\n", r.File, r.Instructions)
	}
}
