package hook

import (
	"errors"
	"fmt"
)

// Collect finishes what others left, and tells a person about it.
func (h *Hook) Collect() error {
	store, err := h.store()
	if err != nil {
		return err
	}
	outcomes, err := store.Recover()
	all := []error{err}
	for _, o := range outcomes {
		err := h.report(o)
		all = append(all, err)
		for _, note := range o.Notes {
			fmt.Fprintf(h.Stdout, "container %s: %s\n", oneLine(o.Container), oneLine(note))
		}
		if err == nil && o.Profile != "" {
			fmt.Fprintf(h.Stdout, "container %s: recorded %s\n", oneLine(o.Container), oneLine(o.Profile))
		}
	}
	return errors.Join(append(all, store.Close())...)
}
