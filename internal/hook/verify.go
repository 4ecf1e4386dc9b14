package hook

import (
	"errors"
	"fmt"

	"strata/internal/policy"
	"strata/internal/reference"
)

// verify makes sure that a container has the profile that was decided for it, and stops it otherwise: an engine that
// does not run the precreate stage, or whose runtime is no shim of Strata's, gives it another one.
func verify(decision *policy.Decision, config *container) error {
	switch {
	case decision.Profile == nil:
		return nil
	case !unconfined(decision.Profile):
		return errStack
	case config.filtered():
		return fmt.Errorf("the container was to run without a seccomp profile and has one: install Strata's precreate hook (Podman), or start it unconfined")
	}
	return nil
}

// unconfined says whether a decision is for no profile at all.
func unconfined(p *policy.Profile) bool {
	return p.Ceiling == nil && len(p.Layers) == 1 && p.Layers[0].Kind == reference.Unconfined
}

// errStack refuses what can not be enforced.
var errStack = errors.New("a stack of profiles was asked for, or decided by the policy, and this version of Strata enforces none: remove the annotation or the policy's rule")
