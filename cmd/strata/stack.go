package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/stack"
)

// stackJSON is what `strata stack --json` prints.
type stackJSON struct {
	Layers       []string        `json:"layers"`
	Ceilings     []string        `json:"ceilings,omitempty"`
	Digest       string          `json:"digest"` // of the profile in OCI's format
	Instructions int             `json:"instructions"`
	Style        string          `json:"style"`
	Profile      json.RawMessage `json:"profile"`
	Regions      []regionJSON    `json:"regions,omitempty"`
}

func newStack() *cobra.Command {
	var (
		in                                        input
		ceilings                                  []string
		output, format                            string
		childWins, logged, exact, explain, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "stack [BASE...] CHILD",
		Short: "Make one profile of several",
		Long: `Make one profile of several layers, the base first.

Where several layers say something about a call the most restrictive of them holds, where
one does it holds, and where none does the default action of the last. A layer may name a
base of its own (baseProfileName). A rule that says what the default action of its layer is
says nothing, as engines drop it; where a layer above allows what it denies, a warning says
so. Below a ceiling the result is what the kernel would do
with both filters.

The result is compiled with libseccomp and the filter is proven to do, for all calls and
arguments, what the stack says; a result that can not be proven is an error.

Two things no rules can say, so more is denied there, with a warning, or with --exact the
stack refused. On 32-bit x86 libseccomp adds rules of its own for the calls behind socketcall
and ipc; where these would allow what the stack does not, all calls of the two are denied.
And a rule is for all architectures that a profile lists, but compares the low halves of
arguments only on 32-bit ones; where the stack says different things there, the stricter one
holds on all.

JSON: layers, ceilings, digest (of the profile in OCI's format), instructions, style (of the
rules that the filter was compiled from), profile (in OCI's format), and with --explain
regions as strata show has them.`,
		Example: `  strata stack base/runc app/nginx -o nginx.json
  strata stack runtime/default web.json --ceiling runtime/default --explain`,
		Args: wants(1, unlimited, "the layers of a stack, base first"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, ok := profile.ParseFormat(format)
			if !ok {
				return unknownFormat(format)
			}
			if err := in.prepare(); err != nil {
				return err
			}
			plan, err := in.plan(args, ceilings)
			if err != nil {
				return err
			}
			plan.ChildWins, plan.Log = childWins, logged
			s, err := in.build(plan)
			if err != nil {
				return err
			}
			if s.Unconfined {
				return errUnconfined
			}
			if !exact {
				if s.Set, err = in.writable(s.Set); err != nil {
					return err
				}
			}
			return printStack(&in, s, stackOutput{f, output, explain, asJSON})
		},
	}
	in.addTo(cmd)
	cmd.ValidArgsFunction = in.completeProfiles(unlimited)
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", "write the profile to this file")
	f.StringVar(&format, "format", profile.OCI.String(), "format of the profile: oci, docker or spo")
	f.StringArrayVar(&ceilings, "ceiling", nil, "a profile that the result does not exceed (can be repeated)")
	f.BoolVar(&childWins, "child-wins", false, "let a layer's action replace those of the layers below it")
	f.BoolVar(&logged, "log", false, "log what the layers deny, and do it")
	f.BoolVar(&exact, "exact", false, "fail where libseccomp can not be told exactly what the stack says, instead of denying more")
	f.BoolVar(&explain, "explain", false, "print which layer's rule decided each part; the profile goes to --output alone")
	f.BoolVar(&asJSON, "json", false, "print everything as JSON")
	completeFlags(cmd, &in)
	return cmd
}

type stackOutput struct {
	format        profile.Format
	path          string
	explain, json bool
}

func printStack(in *input, s *stack.Stack, o stackOutput) error {
	proof, err := in.proveExactly(s.Set)
	if err != nil {
		return err
	}
	document := s.Document(proof.Rules)
	data, err := writeProfile(in, document, o.format)
	if err != nil {
		return err
	}
	if o.path != "" || !o.explain && !o.json {
		if err := writeDocument(in.cmd, o.path, data); err != nil {
			return err
		}
	}
	w := in.cmd.OutOrStdout()
	var regions []stack.Region
	if o.explain {
		if regions, err = stack.Explain(s.Set); err != nil {
			return err
		}
	}
	if !o.json {
		printRegions(w, regions, s.Set.ABIs())
		return nil
	}
	oci, err := writeProfile(in, document, profile.OCI)
	if err != nil {
		return err
	}
	return writeJSON(w, stackJSON{
		Layers: s.Layers, Ceilings: s.Ceilings, Digest: digest(oci),
		Instructions: len(proof.Program), Style: proof.Style.String(),
		Profile: oci, Regions: toJSON(regions),
	})
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// writeProfile gives a document's bytes after reading them again: what is handed out
// means what was proven.
func writeProfile(in *input, p *profile.Profile, f profile.Format) ([]byte, error) {
	data, warnings, err := p.Write(f)
	if err != nil {
		return nil, err
	}
	in.warn(warnings)
	again, _, err := profile.Parse(p.Name, data)
	if err != nil {
		return nil, fmt.Errorf("what was written can not be read again: %w", err)
	}
	if err := in.same(p, again); err != nil {
		return nil, err
	}
	return data, nil
}

// same reports where one document is more permissive than the other. Formats that can
// not say the number of an error have warned of that.
func (in *input) same(a, b *profile.Profile) error {
	var sets [2]*ruleset.Set
	for i, p := range []*profile.Profile{a, b} {
		s, err := stack.Plan{Layers: [][]*profile.Profile{{p}}, Machine: in.machine, Overlap: in.reading}.Build()
		if err != nil {
			return err
		}
		sets[i] = s.Set
	}
	for _, pair := range [][2]*ruleset.Set{sets, {sets[1], sets[0]}} {
		within, witness, err := ruleset.Within(pair[0], pair[1])
		if err != nil {
			return err
		}
		if !within {
			return fmt.Errorf("what was written differs from what was meant: %v", witness)
		}
	}
	return nil
}

func unknownFormat(name string) error {
	return fmt.Errorf("no format %q: say oci, docker or spo", name)
}
