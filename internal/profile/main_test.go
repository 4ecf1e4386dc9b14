package profile

import (
	"flag"
	"log"
	"os"
	"testing"
)

// TestMain has the laws tried on more random profiles than rapid's default, unless -rapid.checks says how many.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}
