package hook

import (
	"encoding/json"
	"fmt"
	"slices"

	"strata/internal/bundle"
)

// container is what a container's config.json says, as far as the stages go by it.
type container struct {
	*bundle.Config
	seccomp *seccomp
}

// seccomp is what Strata needs to know of the profile that the engine gives to the container.
type seccomp struct {
	DefaultAction string `json:"defaultAction"`
	Syscalls      []struct {
		Action string `json:"action"`
	} `json:"syscalls"`
}

func newContainer(config *bundle.Config) (*container, error) {
	c := &container{Config: config}
	if config.Seccomp == nil {
		return c, nil
	}
	if err := json.Unmarshal(config.Seccomp, &c.seccomp); err != nil {
		return nil, fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	return c, nil
}

// readContainer reads the configuration that the runtime was given.
func readContainer(dir string) (*container, error) {
	if dir == "" {
		return nil, fmt.Errorf("state on standard input: no bundle")
	}
	config, err := bundle.Read(dir)
	if err != nil {
		return nil, err
	}
	return newContainer(config)
}

// filtered says whether the container will have a seccomp filter. Runtimes take a profile without a default action and
// without rules for none.
func (c *container) filtered() bool {
	return c.seccomp != nil && (c.seccomp.DefaultAction != "" || len(c.seccomp.Syscalls) > 0)
}

// harmless are the actions under which a call is made.
var harmless = []string{"SCMP_ACT_ALLOW", "SCMP_ACT_LOG"}

// denies says whether the container's profile can deny a call.
func (c *container) denies() bool {
	if !c.filtered() {
		return false
	}
	if !slices.Contains(harmless, c.seccomp.DefaultAction) {
		return true
	}
	for _, rule := range c.seccomp.Syscalls {
		if !slices.Contains(harmless, rule.Action) {
			return true
		}
	}
	return false
}
