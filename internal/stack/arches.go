package stack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"strata/internal/profile"
	"strata/internal/syscalls"
)

// ErrNoArchitecture is in the chain of errors about layers whose lists of
// architectures have nothing in common.
var ErrNoArchitecture = errors.New("no architecture in common")

// commonABIs are the ABIs that layers are read for: those of the architectures that
// every layer with a list lists, and the machine's own, which every filter is about.
// A layer without a list says the same on each of them.
func commonABIs(layers []*profile.Resolved, native syscalls.ABI) ([]syscalls.ABI, error) {
	if unconfined(layers) { // there is no filter that could kill others
		return append(native.Beside(), native), nil
	}
	var (
		common  []profile.Arch
		listing []string
	)
	for _, layer := range layers {
		switch {
		case len(layer.Arches) == 0:
			continue
		case listing == nil:
			common = slices.Clone(layer.Arches)
		default:
			common = slices.DeleteFunc(common, func(a profile.Arch) bool { return !slices.Contains(layer.Arches, a) })
		}
		listing = append(listing, fmt.Sprintf("%s (%s)", layer.Name, arches(layer.Arches)))
	}
	if listing != nil && len(common) == 0 {
		return nil, fmt.Errorf("layers %s: %w", strings.Join(listing, ", "), ErrNoArchitecture)
	}
	abis := []syscalls.ABI{native}
	for _, arch := range common {
		if abi, ok := arch.ABI(); ok {
			abis = append(abis, abi)
		}
	}
	slices.Sort(abis)
	return slices.Compact(abis), nil
}

func arches(list []profile.Arch) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = strings.TrimPrefix(string(a), "SCMP_ARCH_")
	}
	return strings.Join(texts, " ")
}
