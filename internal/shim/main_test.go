package shim

import (
	"os"
	"testing"

	"strata/internal/prove/provetest"
)

func TestMain(m *testing.M) {
	provetest.Serve()
	os.Exit(m.Run())
}
