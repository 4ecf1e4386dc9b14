// Command strata-runtime stands in front of an OCI runtime: see strata-runtime(8).
//
// Engines call it for everything that they do with a container, so a call that makes none does next to nothing before
// the real runtime takes over.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"strata/internal/enforce"
	"strata/internal/policy"
	"strata/internal/shim"
	"strata/internal/syslog"
)

func main() {
	s := shim.Shim{
		State:  "/run/strata",
		Policy: policy.Dir,
		Log:    syslog.New(shim.Name),
	}
	self, err := os.Executable()
	if err == nil {
		s.Hook = filepath.Join(filepath.Dir(self), "strata-hook")
		s.Prover = enforce.ProverBeside(self)
		err = s.Run(os.Args[0], os.Args[1:])
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", shim.Name, err)
	os.Exit(1)
}
