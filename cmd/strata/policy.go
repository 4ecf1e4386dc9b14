package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"strata/internal/policy"
	"strata/internal/reference"
	"strata/internal/stack"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check and show this node's policy",
		Long:  "Check and show the policy of this node, see strata.toml(5).",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyCheck(), newPolicyShow())
	return cmd
}

// policyCheckJSON is what `strata policy check --json` prints.
type policyCheckJSON struct {
	Valid  bool     `json:"valid"`
	Files  []string `json:"files"`
	Errors []string `json:"errors,omitempty"`
}

func newPolicyCheck() *cobra.Command {
	var (
		in     input
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether the policy is right",
		Long: `Read the policy as the hooks do, and every profile that it names. The exit code is 0
if all is right and 1 if not; each error is printed with its file, line and column.

JSON: valid, files, errors.`,
		Args: wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			result := policyCheckJSON{Files: []string{}}
			p, err := loadPolicy(cmd, in.policyDir)
			if err == nil {
				result.Files = append(result.Files, p.Files()...)
				if err = in.prepare(); err == nil {
					err = checkProfiles(&in, p)
				}
			}
			if err != nil {
				result.Errors = lines(err)
			}
			result.Valid = err == nil
			w := cmd.OutOrStdout()
			if asJSON {
				err = writeJSON(w, result)
			} else {
				err = printPolicyCheck(w, result)
			}
			if err == nil && !result.Valid {
				err = errNo
			}
			return err
		},
	}
	in.addTo(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &in)
	return cmd
}

func printPolicyCheck(w io.Writer, r policyCheckJSON) error {
	for _, text := range r.Errors {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	switch {
	case !r.Valid:
		return nil
	case len(r.Files) == 0:
		_, err := fmt.Fprintln(w, "right: there are no files, the defaults hold")
		return err
	}
	_, err := fmt.Fprintf(w, "right: %s\n", strings.Join(r.Files, ", "))
	return err
}

// checkProfiles reads every profile that a policy names, and stacks them as they
// would be.
func checkProfiles(in *input, p *policy.Policy) error {
	var problems policy.Problems
	check := func(where policy.Place, layers []reference.Reference, ceiling *reference.Reference) {
		if err := checkStack(in, layers, ceiling); err != nil {
			problems = append(problems, fmt.Errorf("%v: %w", where, err))
		}
	}
	if c := p.Profiles.Ceiling; c != nil {
		check(p.Place("profiles.ceiling"), []reference.Reference{*c}, nil)
	}
	if len(problems) > 0 {
		return problems // it would be in every other one, too
	}
	if d := p.Profiles.Default.Profile; d != nil {
		check(p.Place("profiles.default"), []reference.Reference{*d}, p.Profiles.Ceiling)
	}
	for _, b := range p.Bind {
		check(b.Place, b.Stack, p.Profiles.Ceiling)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func checkStack(in *input, layers []reference.Reference, ceiling *reference.Reference) error {
	plan := stack.Plan{Machine: in.machine, Overlap: in.reading}
	var err error
	if plan.Layers, _, err = in.library.LoadAll(layers); err != nil {
		return err
	}
	if ceiling != nil {
		if plan.Ceilings, _, err = in.library.LoadAll([]reference.Reference{*ceiling}); err != nil {
			return err
		}
	}
	s, err := plan.Build()
	if err != nil || s.Unconfined {
		return err
	}
	_, err = in.prove(s.Set)
	return err
}

// policyJSON is what `strata policy show --json` prints.
type policyJSON struct {
	Files        []string    `json:"files"`
	Dirs         []string    `json:"dirs"`
	SeccompRoot  string      `json:"seccompRoot"`
	Default      string      `json:"default"`
	Exempt       []string    `json:"exempt"`
	Ceiling      string      `json:"ceiling,omitempty"`
	RecordPodman bool        `json:"recordPodman"`
	RecordOthers bool        `json:"recordOthers"`
	Namespaces   []string    `json:"recordNamespaces"`
	Unconfined   bool        `json:"recordUnconfined"`
	OnFailure    string      `json:"onRecordFailure"`
	Runtime      string      `json:"runtime"`
	InjectRecord bool        `json:"injectRecord"`
	Allow        []allowJSON `json:"allow,omitempty"`
	Bind         []bindJSON  `json:"bind,omitempty"`
}

type allowJSON struct {
	Namespace string   `json:"namespace"`
	Profiles  []string `json:"profiles"`
	Place     string   `json:"place"`
}

type bindJSON struct {
	Image     string   `json:"image,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Stack     []string `json:"stack"`
	Override  bool     `json:"override"`
	Place     string   `json:"place"`
}

func newPolicyShow() *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print what the policy says, defaults included",
		Long: `Print what holds on this node, and where each thing is said.

JSON: files, and what strata.toml(5) calls profiles.dirs, seccomp_root, default, exempt and
ceiling, record.podman, others, namespaces, unconfined and on_failure, runtime.path and
inject_record, allow and bind: dirs, seccompRoot, default, exempt, ceiling, recordPodman,
recordOthers, recordNamespaces, recordUnconfined, onRecordFailure, runtime, injectRecord,
allow and bind.`,
		Args: wants(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := loadPolicy(cmd, dir)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), toPolicyJSON(p))
			}
			printPolicy(cmd.OutOrStdout(), p)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "policy", policy.Dir, "directory of strata.toml")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	completeFlags(cmd, &input{})
	return cmd
}

func toPolicyJSON(p *policy.Policy) policyJSON {
	out := policyJSON{
		Files: append([]string{}, p.Files()...), Dirs: p.Profiles.Dirs, SeccompRoot: p.Profiles.SeccompRoot, Default: p.Profiles.Default.String(),
		Exempt: texts(p.Profiles.Exempt), Ceiling: ceilingOf(p), RecordPodman: p.Record.Podman, RecordOthers: p.Record.Others,
		Namespaces: texts(p.Record.Namespaces), Unconfined: p.Record.Unconfined, OnFailure: string(p.Record.OnFailure),
		Runtime: p.Runtime.Path, InjectRecord: p.Runtime.InjectRecord,
	}
	for _, a := range p.Allow {
		out.Allow = append(out.Allow, allowJSON{string(a.Namespace), texts(a.Profiles), a.Place.String()})
	}
	for _, b := range p.Bind {
		out.Bind = append(out.Bind, bindJSON{string(b.Image), string(b.Namespace), references(b.Stack), b.Override, b.Place.String()})
	}
	return out
}

func texts(patterns []policy.Pattern) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = string(p)
	}
	return out
}

func references(layers []reference.Reference) []string {
	out := make([]string, len(layers))
	for i, l := range layers {
		out[i] = l.String()
	}
	return out
}

func ceilingOf(p *policy.Policy) string {
	if p.Profiles.Ceiling == nil {
		return ""
	}
	return p.Profiles.Ceiling.String()
}

func printPolicy(w io.Writer, p *policy.Policy) {
	row := func(key string, value any) {
		fmt.Fprintf(w, "%-24s %-40v %v\n", key, value, p.Place(key))
	}
	list := func(all []string) string {
		if len(all) == 0 {
			return "none"
		}
		return strings.Join(all, ", ")
	}
	ceiling := ceilingOf(p)
	if ceiling == "" {
		ceiling = "none"
	}
	row("profiles.dirs", list(p.Profiles.Dirs))
	row("profiles.seccomp_root", p.Profiles.SeccompRoot)
	row("profiles.default", p.Profiles.Default)
	row("profiles.exempt", list(texts(p.Profiles.Exempt)))
	row("profiles.ceiling", ceiling)
	row("record.podman", p.Record.Podman)
	row("record.namespaces", list(texts(p.Record.Namespaces)))
	row("record.others", p.Record.Others)
	row("record.unconfined", p.Record.Unconfined)
	row("record.on_failure", p.Record.OnFailure)
	row("runtime.path", p.Runtime.Path)
	row("runtime.inject_record", p.Runtime.InjectRecord)
	for _, a := range p.Allow {
		fmt.Fprintf(w, "allow %s: %s (%v)\n", a.Namespace, list(texts(a.Profiles)), a.Place)
	}
	for _, b := range p.Bind {
		var what []string
		if b.Image != "" {
			what = append(what, "image "+string(b.Image))
		}
		if b.Namespace != "" {
			what = append(what, "namespace "+string(b.Namespace))
		}
		fmt.Fprintf(w, "bind %s: %s (%v)\n", strings.Join(what, ", "), strings.Join(references(b.Stack), ","), b.Place)
	}
}
