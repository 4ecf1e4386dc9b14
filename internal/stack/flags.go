package stack

import (
	"errors"
	"fmt"
	"slices"

	"strata/internal/profile"
	"strata/internal/ruleset"
)

// ErrTwoListeners is in the chain of errors about stacks in which more than one
// layer notifies: a filter has one listener.
var ErrTwoListeners = errors.New("only one layer can have a listener or notify it")

// takeFlags takes over what layers and ceilings say beside their rules. A mitigation
// is left off only if all leave it off, and what one of them wants logged is logged.
func (s *Stack) takeFlags(layers []*profile.Resolved) error {
	var listening *profile.Resolved
	states := map[profile.Flag]int{}
	for _, layer := range layers {
		for _, flag := range layer.Flags {
			states[flag]++
		}
		if !listens(layer) {
			continue
		}
		if listening != nil {
			return fmt.Errorf("layers %s and %s: %w", listening.Name, layer.Name, ErrTwoListeners)
		}
		listening = layer
	}
	notifies := false
	if listening != nil {
		var err error
		if notifies, err = s.notifies(); err != nil {
			return err
		}
	}
	if notifies {
		s.listenerPath, s.listenerMetadata = listening.ListenerPath, listening.ListenerMetadata
	}
	needed := map[profile.Flag]int{
		profile.FlagSpecAllow:    len(layers),
		profile.FlagLog:          1,
		profile.FlagTSync:        1,
		profile.FlagWaitKillable: 1,
	}
	for flag, n := range needed {
		if states[flag] >= n && (flag != profile.FlagWaitKillable || notifies) {
			s.flags = append(s.flags, flag)
		}
	}
	slices.Sort(s.flags)
	return nil
}

func listens(layer *profile.Resolved) bool {
	return layer.ListenerPath != "" || layer.Default == profile.Notify ||
		slices.ContainsFunc(layer.Rules, func(r profile.ResolvedRule) bool { return r.Action == profile.Notify })
}

// notifies reports whether the result still notifies: what does can be overruled.
func (s *Stack) notifies() (bool, error) {
	for _, abi := range s.Set.ABIs() {
		for _, nr := range s.Set.Numbers(abi) {
			pieces, err := s.Set.Pieces(abi, nr)
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(pieces, func(p ruleset.Piece) bool { return p.Action.Kind == ruleset.Notify }) {
				return true, nil
			}
		}
	}
	return false, nil
}
