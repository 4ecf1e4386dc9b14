package request

import (
	"fmt"
	"slices"
	"strings"

	"strata/internal/reference"
)

// MaxLayers is the number of layers that a request may name. Layers add their
// bases, of which internal/profile limits the number.
const MaxLayers = 16

// ways are the keys that name a profile.
var ways = []key{keyStack, keySeccomp, keySeccompOlder}

// parseStack reads every way of naming a profile. Those for the container go before
// those for its pod; of those that are left all must say the same.
func parseStack(set annotations, id Identity) (*Stack, error) {
	level := 0
	for _, a := range set {
		if slices.Contains(ways, a.key) {
			level = max(level, a.level())
		}
	}
	var (
		stack *Stack
		first annotation
	)
	for _, a := range set {
		if !slices.Contains(ways, a.key) {
			continue
		}
		layers, err := parseLayers(a, id)
		switch {
		case err != nil:
			return nil, err
		case a.level() < level:
			continue
		case stack == nil:
			stack, first = &Stack{Key: a.name, Layers: layers}, a
		case !slices.Equal(stack.Layers, layers):
			return nil, fmt.Errorf("annotations %s and %s disagree: keep one of the two", first, a)
		}
	}
	return stack, nil
}

// parseLayers reads a list of layers, which commas or colons separate: podman run --annotation takes a comma for the
// beginning of another annotation.
func parseLayers(a annotation, id Identity) ([]reference.Reference, error) {
	if a.key != keyStack {
		return parseKubernetes(a)
	}
	parse := reference.Parse
	if id.Trust == Trusted {
		parse = reference.ParseTrusted
	}
	var layers []reference.Reference
	for text := range strings.SplitSeq(strings.ReplaceAll(a.value, ":", ","), ",") {
		layer, err := parse(strings.TrimSpace(text))
		switch {
		case err != nil:
			return nil, a.errorf("%w", err)
		case slices.Contains(layers, layer):
			return nil, a.errorf("%s is named twice", reference.Quote(layer.String()))
		case len(layers) == MaxLayers:
			return nil, a.errorf("more than %d layers", MaxLayers)
		}
		layers = append(layers, layer)
	}
	if len(layers) > 1 && slices.Contains(layers, reference.Reference{Kind: reference.Unconfined}) {
		return nil, a.errorf("unconfined is no layer: name it alone or leave it out")
	}
	return layers, nil
}

// parseKubernetes reads a value that Kubernetes defined: no list, no plain name.
func parseKubernetes(a annotation) ([]reference.Reference, error) {
	layer, err := reference.Parse(a.value)
	if err == nil && layer.Kind == reference.Named {
		err = fmt.Errorf("say runtime/default, unconfined or localhost/NAME")
	}
	if err != nil {
		return nil, a.errorf("%w", err)
	}
	return []reference.Reference{layer}, nil
}
