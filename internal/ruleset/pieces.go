package ruleset

import (
	"fmt"
	"iter"

	"strata/internal/syscalls"
)

// Piece is a part of a call's arguments where one rule holds, with its origin. The pieces of a call exclude each
// other; where none holds, nothing is said. All conditions of a piece hold, and one argument can have several.
type Piece struct {
	Conditions []Condition
	Action     Action
	Origin     Origin
}

// Pieces are what is said of a call and by which rule, the provenance of a merged set.
func (s *Set) Pieces(abi syscalls.ABI, nr uint32) ([]Piece, error) {
	if !s.Has(abi) {
		return nil, nil
	}
	regions, err := s.space.cover(s.calls[abi][nr], width(abi), Words)
	if err != nil {
		return nil, fmt.Errorf("%s on %v: %w", Name(abi, nr), abi, err)
	}
	pieces := make([]Piece, len(regions))
	for i, r := range regions {
		pieces[i] = Piece{r.conditions, r.leaf.action, r.leaf.origin}
	}
	return pieces, nil
}

// Call is one call with its arguments.
type Call struct {
	ABI    syscalls.ABI
	Number uint32
	Args   Args
}

func (c Call) String() string { return c.Args.call(c.ABI, c.Number) + " on " + c.ABI.String() }

// Boundary yields calls on and beside every threshold of a set: for each system call of which something is said
// arguments that meet the conditions of a piece, and the same with one of these arguments moved past one, one
// with a number that nothing is said of, and one beyond the table.
func Boundary(s *Set) iter.Seq2[Call, error] {
	return func(yield func(Call, error) bool) {
		for _, abi := range s.abis {
			numbers := s.Numbers(abi)
			for _, nr := range numbers {
				pieces, err := s.Pieces(abi, nr)
				if err != nil {
					yield(Call{}, err)
					return
				}
				if !edges(abi, nr, pieces, yield) {
					return
				}
			}
			if !yield(Call{abi, unmentioned(abi, numbers), Args{}}, nil) || !yield(Call{abi, abi.Max() + 1, Args{}}, nil) {
				return
			}
		}
	}
}

func edges(abi syscalls.ABI, nr uint32, pieces []Piece, yield func(Call, error) bool) bool {
	all := ^uint64(0) >> (wordBits - width(abi))
	if !yield(Call{abi, nr, Args{}}, nil) || !yield(Call{abi, nr, Args{all, all, all, all, all, all}}, nil) {
		return false
	}
	for _, p := range pieces {
		at := example(p.Conditions)
		if !yield(Call{abi, nr, at}, nil) {
			return false
		}
		for _, c := range p.Conditions {
			for _, v := range beside(c, at[c.Arg]) {
				moved := at
				moved[c.Arg] = v & all
				if !yield(Call{abi, nr, moved}, nil) {
					return false
				}
			}
		}
	}
	return true
}

// beside are values on both sides of a condition's thresholds.
func beside(c Condition, at uint64) []uint64 {
	out := []uint64{c.Value - 1, c.Value, c.Value + 1, c.Value ^ 1<<32, c.Value ^ 1<<63}
	if c.Op != MaskedEQ {
		return out
	}
	out = []uint64{at ^ 1<<32, at ^ 1<<63, at | ^c.Value}
	for bit := uint64(1); bit != 0; bit <<= 1 {
		if c.Value&bit != 0 {
			out = append(out, at^bit)
		}
	}
	return out
}
