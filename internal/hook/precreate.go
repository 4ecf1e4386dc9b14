package hook

import "fmt"

// Precreate reads the config.json that Podman is about to give to the runtime, and writes it back as the container asks.
// A container that asks for nothing gets its bytes back as they were; in others only what is asked for changes, and every
// other byte stays, fields and digits that Strata does not know too.
func (h *Hook) Precreate() error {
	document, err := h.read()
	if err != nil {
		return err
	}
	config, err := parseConfig(document)
	if err != nil {
		return err
	}
	decision, _, err := h.decide(config.Annotations, config.Root.Path)
	if err != nil {
		return err
	}
	if decision.Profile != nil {
		if !unconfined(decision.Profile) {
			return errStack
		}
		if document, err = removeSeccomp(document); err != nil {
			return fmt.Errorf("config.json on standard input: %w", err)
		}
	}
	_, err = h.Stdout.Write(document)
	return err
}
