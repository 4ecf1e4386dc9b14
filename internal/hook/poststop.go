package hook

import (
	"errors"

	"strata/internal/enforce"
)

// Poststop finishes the recording of a container that has ended, and forgets what it ran under. Containers that were not recorded, or whose poststop
// came before, have none: that is no error. What the annotations ask for was decided when the container started.
func (h *Hook) Poststop() error {
	data, err := h.read()
	if err != nil {
		return err
	}
	state, err := parseState(data)
	if err != nil {
		return err
	}
	if err := enforce.Forget(h.State, state.ID); err != nil {
		h.Log.WithField("container", state.ID).Warn(Explain(err))
	}
	store, err := h.store()
	if err != nil {
		return err
	}
	mine, err := store.Finish(state.ID)
	err = errors.Join(err, h.report(mine))
	others, failed := store.Sweep()
	h.reportOthers(others)
	return errors.Join(err, failed, store.Close())
}
