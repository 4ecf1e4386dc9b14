package shim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"strata/internal/bundle"
	"strata/internal/decide"
	"strata/internal/enforce"
	"strata/internal/request"
)

// Shim is one call of the shim.
type Shim struct {
	// State and Policy are the directories of what lives as long as the machine runs, and of the node's policy.
	State, Policy string
	// Hook is the path of strata-hook, which records.
	Hook string
	// Prover proves stacks.
	Prover enforce.Prover
	// Log is for the node's administrator. What stops a container is returned as an error as well.
	Log *logrus.Logger
}

// Run is a call by a name with arguments. It does not return, because the process becomes the real runtime, unless there
// is an error.
func (s *Shim) Run(called string, args []string) error {
	call, err := Parse(args)
	if err != nil {
		return call.report(err)
	}
	runtime, err := Runtime(called, func() (string, error) { return s.configured(call) })
	if err != nil {
		return call.report(err)
	}
	if call.Command != "" {
		if err := s.prepare(call); err != nil {
			s.Log.WithField("container", call.ID).Error(err)
			return call.report(err)
		}
	}
	for _, id := range call.Deletes {
		if err := enforce.Forget(s.State, id); err != nil {
			s.Log.WithField("container", id).Warn(err)
		}
	}
	return call.report(Exec(runtime, args))
}

// prepare makes of a container's configuration what the node's policy and the container's annotations say.
func (s *Shim) prepare(call Call) error {
	config, err := bundle.Read(call.Bundle)
	if err != nil {
		return err
	}
	verdict, err := decide.By(s.Policy, decide.Container{Annotations: config.Annotations, Trust: request.Untrusted, Root: config.Root})
	if err != nil {
		return err
	}
	if call.Restores() && (verdict.Profile != nil || verdict.Record != nil) {
		return fmt.Errorf("%s: the container keeps the filter of its checkpoint, so what was decided for it can not be had (%s)",
			call.Command, strings.Join(verdict.Reasons, "; "))
	}
	edited, enforced := config, (*enforce.Enforced)(nil)
	if verdict.Profile != nil {
		if edited, enforced, err = enforce.On(s.State, s.Prover, verdict.Policy, false).Apply(config, verdict.Profile); err != nil {
			return verdict.Blame(err)
		}
	}
	if verdict.Record != nil {
		if edited, err = s.inject(edited, verdict); err != nil {
			return err
		}
	}
	if edited != config {
		if err := bundle.Write(call.Bundle, edited); err != nil {
			return err
		}
	}
	if enforced != nil {
		s.record(call.ID, enforced, verdict)
	}
	return nil
}

func (s *Shim) record(id string, enforced *enforce.Enforced, verdict *decide.Verdict) {
	log := s.Log.WithField("container", id)
	for _, note := range enforced.Notes {
		log.Warn(note)
	}
	record := enforced.Record(id, verdict.Reasons)
	record.Image = verdict.Request.Identity.Image
	if err := record.Write(s.State); err != nil {
		log.Warnf("it runs under %v, which is not written down: %v", enforced, err)
	}
}

// recorders are the hooks that record, as hooks.d/crio has them for engines that read hook files.
var recorders = []struct {
	stage bundle.Stage // of the specification
	name  string       // as strata-hook calls it
}{
	{bundle.CreateRuntime, "prestart"},
	{bundle.Poststop, "poststop"},
}

// timeout of a hook in seconds.
const timeout = 60

// inject adds the hooks that record, unless the engine did.
func (s *Shim) inject(c *bundle.Config, v *decide.Verdict) (*bundle.Config, error) {
	if hasHook(c, s.Hook) {
		return c, nil
	}
	if !v.Policy.Runtime.InjectRecord {
		return nil, fmt.Errorf("annotation %s: no hook of Strata's is in config.json: install the hook files if the engine reads any (CRI-O), or set runtime.inject_record in strata.toml", v.Record.Key)
	}
	if _, err := os.Stat(s.Hook); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", v.Record.Key, err)
	}
	for _, r := range recorders {
		var err error
		c, err = c.WithHook(r.stage, bundle.Hook{
			Path: s.Hook, Args: []string{filepath.Base(s.Hook), "--trust=names", r.name}, Timeout: timeout,
		})
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// hasHook reports whether the engine added strata-hook at a stage where recordings begin.
func hasHook(c *bundle.Config, path string) bool {
	for _, stage := range []bundle.Stage{bundle.Prestart, bundle.CreateRuntime} {
		for _, hook := range c.Hooks[stage] {
			if filepath.Base(hook.Path) == filepath.Base(path) {
				return true
			}
		}
	}
	return false
}
