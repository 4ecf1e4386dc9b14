package filter

import (
	"testing"

	"strata/internal/syscalls"
)

func TestUnknownsAreListedByABIs(t *testing.T) {
	all := Unknowns{
		{ABI: syscalls.X86_64, Name: "mseal"}, {ABI: syscalls.X86, Name: "mseal"}, {ABI: syscalls.X32, Name: "map_shadow_stack"},
		{ABI: syscalls.X86_64, Name: "statmount"}, {ABI: syscalls.X86, Name: "statmount"},
	}
	const want = "mseal, statmount on x86_64, x86; map_shadow_stack on x32"
	if got := all.String(); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
