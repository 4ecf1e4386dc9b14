package hook

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"strata/internal/decide"
	"strata/internal/enforce"
	"strata/internal/request"
)

// node is where the profiles of a decision come from.
func (h *Hook) node(v *decide.Verdict) enforce.Node {
	return enforce.On(h.State, h.Prover, v.Policy, h.Trust == request.Trusted)
}

// verify makes sure that a container has the profile that was decided for it, and writes down that it has. An engine
// that does not run the precreate stage, or whose runtime is no shim of Strata's, gives it another one; then the
// container must not start.
func (h *Hook) verify(state *specs.State, c *container, v *decide.Verdict) error {
	if v.Profile == nil {
		return nil
	}
	enforced, err := h.node(v).Verify(c.Config, v.Profile)
	if err != nil {
		return v.Blame(err)
	}
	log := h.Log.WithField("container", state.ID)
	for _, note := range enforced.Notes {
		log.Warn(note)
	}
	record := enforced.Record(state.ID, v.Reasons)
	record.PID, record.Image = state.Pid, v.Request.Identity.Image
	if err := record.Write(h.State); err != nil {
		log.Warnf("it runs under %v, which is not written down: %s", enforced, Explain(err))
	}
	return nil
}
