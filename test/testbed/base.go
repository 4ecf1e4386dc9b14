package testbed

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/profiles"
)

// Base is a runtime's base profile, as programs of this repository have it built in.
func Base(t testing.TB, runtime string) specs.LinuxSeccomp {
	t.Helper()
	data, ok := profiles.Base(runtime)
	if !ok {
		t.Fatalf("no base for %s", runtime)
	}
	var profile specs.LinuxSeccomp
	if err := json.Unmarshal(data, &profile); err != nil {
		t.Fatal(err)
	}
	return profile
}
