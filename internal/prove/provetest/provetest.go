// Package provetest makes a test's own binary the strata-prove that it needs.
package provetest

import (
	"os"
	"path/filepath"
	"testing"

	"strata/internal/enforce"
	"strata/internal/prove"
)

// name of the program.
var name = filepath.Base(string(enforce.ProverBeside("/")))

// Serve is to be called by TestMain before all else. Where the binary runs as strata-prove it does not return.
func Serve() {
	if filepath.Base(os.Args[0]) == name {
		os.Exit(prove.Main())
	}
}

// Prover is this binary under the name of strata-prove.
func Prover(t testing.TB) enforce.Prover {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return enforce.Prover(link)
}
