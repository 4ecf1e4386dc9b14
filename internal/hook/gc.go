package hook

import (
	"errors"
	"fmt"

	"strata/internal/enforce"
)

// Collect finishes what others left, tells a person about it, and forgets what ended containers ran under.
func (h *Hook) Collect() error {
	store, err := h.store()
	if err != nil {
		return err
	}
	outcomes, err := store.Recover()
	for _, o := range outcomes {
		for _, note := range o.Notes {
			fmt.Fprintf(h.Stdout, "container %s: %s\n", oneLine(o.Container), oneLine(note))
		}
		if o.Err == nil && o.Profile != "" {
			fmt.Fprintf(h.Stdout, "container %s: recorded %s\n", oneLine(o.Container), oneLine(o.Profile))
		}
	}
	return errors.Join(err, h.report(outcomes), store.Close(), enforce.Sweep(h.State))
}
