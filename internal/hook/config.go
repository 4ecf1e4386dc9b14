package hook

import (
	"encoding/json"
	"fmt"
	"slices"

	"strata/internal/safefile"
)

// config is what Strata reads of a container's config.json (config.md of the OCI runtime specification).
type config struct {
	Annotations map[string]string `json:"annotations"`
	Root        struct {
		Path string `json:"path"`
	} `json:"root"`
	Linux struct {
		Seccomp *struct {
			DefaultAction string `json:"defaultAction"`
			Syscalls      []struct {
				Action string `json:"action"`
			} `json:"syscalls"`
		} `json:"seccomp"`
	} `json:"linux"`
}

func parseConfig(data []byte) (*config, error) {
	c := new(config)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}

// readConfig reads the configuration that the runtime was given.
func readConfig(bundle string) (*config, error) {
	if bundle == "" {
		return nil, fmt.Errorf("state on standard input: no bundle")
	}
	root, err := safefile.OpenRoot(bundle)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer root.Close()
	data, err := root.Read("config.json", inputLimit)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return parseConfig(data)
}

// filtered says whether the container will have a seccomp filter. Runtimes take a profile without a default action and
// without rules for none.
func (c *config) filtered() bool {
	s := c.Linux.Seccomp
	return s != nil && (s.DefaultAction != "" || len(s.Syscalls) > 0)
}

// harmless are the actions under which a call is made.
var harmless = []string{"SCMP_ACT_ALLOW", "SCMP_ACT_LOG"}

// denies says whether the container's profile can deny a call.
func (c *config) denies() bool {
	if !c.filtered() {
		return false
	}
	if !slices.Contains(harmless, c.Linux.Seccomp.DefaultAction) {
		return true
	}
	for _, rule := range c.Linux.Seccomp.Syscalls {
		if !slices.Contains(harmless, rule.Action) {
			return true
		}
	}
	return false
}
