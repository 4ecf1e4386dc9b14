package profiles

import "embed"

//go:embed base/runc.json base/crun.json
var base embed.FS

// Base returns the profile (OCI JSON) of the system calls that a runtime ("runc", "crun") needs under a container's
// filter to start the container, and false for a runtime that none was measured for.
func Base(runtime string) ([]byte, bool) {
	data, err := base.ReadFile("base/" + runtime + ".json")
	return data, err == nil
}
