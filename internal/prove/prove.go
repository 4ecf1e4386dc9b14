// Package prove makes the stack of a plan and proves what libseccomp compiles of it.
//
// It works in a program of its own, strata-prove. Libseccomp is a C library, and a program that holds it takes longer to
// start; the hooks start with every container, and need it once for every stack.
//
// The package knows plans. It must never know containers, files or who asks.
package prove

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"strata/internal/enforce"
	"strata/internal/filter"
	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/stack"
)

// Main answers the plan on standard input, or says on standard error why not, and gives the exit code.
func Main() int {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return enforce.Refused
	}
	return 0
}

func run(stdin io.Reader, stdout io.Writer) error {
	var plan stack.Plan
	in := json.NewDecoder(stdin)
	in.DisallowUnknownFields() // of another version's plan, which may restrict more than is known here
	if err := in.Decode(&plan); err != nil {
		return fmt.Errorf("plan on standard input: %w", err)
	}
	e, err := stackOf(plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(e)
}

// stackOf makes the stack, with the filter proven that libseccomp compiles of it.
func stackOf(plan stack.Plan) (*enforce.Enforced, error) {
	s, err := plan.Build()
	if err != nil {
		return nil, err
	}
	e := &enforce.Enforced{Layers: s.Layers, Ceilings: s.Ceilings}
	for _, w := range s.Warnings {
		e.Notes = append(e.Notes, w.String())
	}
	if s.Unconfined {
		return e, nil
	}
	var changes []ruleset.Change
	if s.Set, changes, err = ruleset.Writable(s.Set); err != nil {
		return nil, fmt.Errorf("profile %v: %w", e, err)
	}
	for _, change := range changes {
		e.Notes = append(e.Notes, change.String())
	}
	proof, err := filter.Proven(s.Set, filter.Options{})
	if err != nil {
		return nil, fmt.Errorf("profile %v: %w", e, err)
	}
	if len(proof.Unknown) > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("libseccomp %s does not know %v: the default action holds there", filter.Version(), proof.Unknown))
	}
	e.Instructions = len(proof.Program)
	document, lost, err := s.Document(proof.Rules).Write(profile.OCI)
	if err != nil {
		return nil, fmt.Errorf("profile %v: %w", e, err)
	}
	for _, w := range lost {
		e.Notes = append(e.Notes, w.String())
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		return nil, fmt.Errorf("profile %v: %w", e, err)
	}
	e.Profile = compact.Bytes()
	return e, nil
}
