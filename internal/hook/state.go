package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// parseState reads the state that runtimes give to hooks (runtime.md of the OCI runtime specification, "State").
func parseState(data []byte) (*specs.State, error) {
	state := new(specs.State)
	if err := json.Unmarshal(data, state); err != nil {
		return nil, fmt.Errorf("state on standard input: %w", err)
	}
	if state.ID == "" {
		return nil, fmt.Errorf("state on standard input: no container id")
	}
	return state, nil
}

// oneLine makes a text fit for one line of a log, whatever it quotes.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
}
