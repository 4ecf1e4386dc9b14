package hook

import (
	"strata/internal/bundle"
	"strata/internal/enforce"
)

// Precreate reads the config.json that Podman is about to give to the runtime, and writes it back as the container asks.
// A container that asks for nothing gets its bytes back as they were; in others only what is asked for changes, and every
// other byte stays, fields and digits that Strata does not know too.
func (h *Hook) Precreate() error {
	document, err := h.read()
	if err != nil {
		return err
	}
	config, err := bundle.Parse(document)
	if err != nil {
		return err
	}
	verdict, err := h.decide(config.Annotations, config)
	if err != nil {
		return err
	}
	if verdict.Profile != nil {
		var enforced *enforce.Enforced
		if config, enforced, err = h.node(verdict).Apply(config, verdict.Profile); err != nil {
			return verdict.Blame(err)
		}
		for _, note := range enforced.Notes {
			h.Log.Warn(note)
		}
	}
	_, err = h.Stdout.Write(config.Bytes())
	return err
}
