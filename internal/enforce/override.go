package enforce

import (
	"fmt"

	"strata/internal/bundle"
	"strata/internal/reference"
)

// overrides are annotations by which crun takes something else than linux.seccomp for the filter, or lets somebody else
// answer the calls of which a filter notifies (crun(1), "EXTENSIONS TO OCI"). A pod's author and an image can write them.
var overrides = []string{"run.oci.seccomp_bpf_data", "run.oci.seccomp.receiver", "run.oci.seccomp.plugins"}

// refuseOverrides refuses what would make linux.seccomp mean nothing.
func refuseOverrides(c *bundle.Config) error {
	for _, key := range overrides {
		if value, ok := c.Annotations[key]; ok {
			return fmt.Errorf("annotation %s=%s: crun would take it instead of the profile that was decided: remove it", key, reference.Quote(value))
		}
	}
	return nil
}
