package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// Region is a part of a set's calls that one rule of one layer decided.
type Region struct {
	Names      []string       // sorted; none: all calls that no other region is about
	ABIs       []syscalls.ABI // where it is so; all of the set's if it is so wherever the calls exist
	Conditions []ruleset.Condition
	Action     ruleset.Action
	Origin     ruleset.Origin
}

// Explain lists for every part of a set what decided it: regions that exclude each
// other, the most permissive first, the default last. The set's order is the same
// for equal sets.
func Explain(set *ruleset.Set) ([]Region, error) {
	found := gathering{}
	for _, abi := range set.ABIs() {
		for _, nr := range set.Numbers(abi) {
			pieces, err := set.Pieces(abi, nr)
			if err != nil {
				return nil, err
			}
			for _, p := range pieces {
				found.add(abi, ruleset.Name(abi, nr), p)
			}
		}
	}
	regions := found.regions(set.ABIs())
	_, origin := set.Why(set.ABIs()[0], set.ABIs()[0].Max()+1, ruleset.Args{})
	return append(regions, Region{ABIs: set.ABIs(), Action: set.Fallback(), Origin: origin}), nil
}

// gathering joins the pieces that differ in the call or in the ABI alone.
type gathering struct {
	calls []gathered
	index map[string]int
}

type gathered struct {
	name  string
	piece ruleset.Piece
	abis  []syscalls.ABI
}

func (g *gathering) add(abi syscalls.ABI, name string, p ruleset.Piece) {
	if g.index == nil {
		g.index = map[string]int{}
	}
	key := name + " " + pieceKey(p)
	i, ok := g.index[key]
	if !ok {
		i = len(g.calls)
		g.index[key] = i
		g.calls = append(g.calls, gathered{name: name, piece: p})
	}
	g.calls[i].abis = append(g.calls[i].abis, abi)
}

func abiKey(abis []syscalls.ABI) string {
	names := make([]string, len(abis))
	for i, abi := range abis {
		names[i] = abi.String()
	}
	return strings.Join(names, " ")
}

func pieceKey(p ruleset.Piece) string {
	return fmt.Sprint(p.Action, p.Origin.Layer, p.Origin.Rule, p.Conditions)
}

func (g *gathering) regions(all []syscalls.ABI) []Region {
	var regions []Region
	index := map[string]int{}
	for _, c := range g.calls {
		if everywhere(c.name, c.abis, all) {
			c.abis = all
		}
		key := pieceKey(c.piece) + abiKey(c.abis)
		i, ok := index[key]
		if !ok {
			i = len(regions)
			index[key] = i
			regions = append(regions, Region{
				ABIs: c.abis, Conditions: c.piece.Conditions, Action: c.piece.Action, Origin: c.piece.Origin,
			})
		}
		regions[i].Names = append(regions[i].Names, c.name)
	}
	for i := range regions {
		slices.Sort(regions[i].Names)
	}
	slices.SortStableFunc(regions, func(a, b Region) int {
		return cmp.Or(
			cmp.Compare(a.Action.Kind, b.Action.Kind),
			cmp.Compare(a.Action.Errno, b.Action.Errno),
			cmp.Compare(a.Origin.Layer, b.Origin.Layer),
			cmp.Compare(a.Origin.Rule, b.Origin.Rule),
			slices.Compare(a.Names, b.Names),
			cmp.Compare(ruleset.Formula(a.Conditions), ruleset.Formula(b.Conditions)),
			slices.Compare(a.ABIs, b.ABIs),
		)
	})
	return regions
}

// everywhere reports whether no other ABI has a call of that name.
func everywhere(name string, abis, all []syscalls.ABI) bool {
	return !slices.ContainsFunc(all, func(abi syscalls.ABI) bool {
		_, has := abi.Number(name)
		return has && !slices.Contains(abis, abi)
	})
}
