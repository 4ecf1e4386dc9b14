package ruleset

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Style says which conditions are used to write a set as rules. All styles say the same; a filter compiled from
// one may be shorter, or right where libseccomp errs in another (GHSA-4q85-33p6-j5g6).
//
// In every style but Words NE and the orders stand in a rule's last condition only. For an earlier one libseccomp 2.5 has two
// nodes on a 64-bit ABI that share what follows (_db_rule_gen_64 in db.c), and a second rule for the call that is
// put below both makes a ring of it: seccomp_rule_add never returns.
type Style uint8

const (
	// Short uses every operator, whichever needs the fewest rules.
	Short Style = iota
	// NoRanges uses EQ, NE and MASKED_EQ.
	NoRanges
	// Masks uses EQ and MASKED_EQ.
	Masks
	// Words uses every operator everywhere, and several conditions on one argument, all of which hold. It is for people
	// and no rules are written in it.
	Words
)

// fewWords is how many conditions people rather read than one mask.
func (s Style) fewWords() int {
	if s == Words {
		return 8
	}
	return 0
}

// Styles lists the styles of rules in the order in which they are worth trying.
func Styles() []Style { return []Style{Short, NoRanges, Masks} }

func (s Style) String() string {
	return [...]string{Short: "short", NoRanges: "without ranges", Masks: "masks only", Words: "words"}[s]
}

// A region is a part of a call's arguments and the leaf that holds there. Regions of one call exclude each
// other, and within each there is at most one condition per argument (but in Words), in their order.
type region struct {
	conditions []Condition
	leaf       leaf
}

// maxRegions bounds the regions of one call. A filter has 4096 instructions, so more rules than this never fit.
const maxRegions = 4096

// maxPaths bounds the masks of one call that are looked at. A range or an exception is up to 64 of them.
const maxPaths = 16 * maxRegions

// cover writes a diagram as regions, leaving out where it is silent.
func (s *space) cover(r ref, width int, style Style) ([]region, error) {
	c := &coverer{space: s, width: width, style: style, done: map[ref][]region{}}
	return c.regions(r)
}

type coverer struct {
	*space
	width int
	style Style
	paths int // so far
	done  map[ref][]region
}

func (c *coverer) regions(r ref) ([]region, error) {
	if c.isLeaf(r) {
		if r == silent {
			return nil, nil
		}
		return []region{{leaf: c.value(r)}}, nil
	}
	if done, ok := c.done[r]; ok {
		return done, nil
	}
	v := &values{coverer: c, arg: levelArg(c.nodes[r].level), last: ^uint64(0) >> (wordBits - c.width), cubes: map[ref][]cube{}}
	if err := v.walk(r, cube{}); err != nil {
		return nil, err
	}
	var out []region
	for _, target := range v.targets {
		rest, err := c.regions(target)
		if err != nil {
			return nil, err
		}
		tests := v.tests(target)
		if len(out)+len(tests)*len(rest) > maxRegions {
			return nil, tooManyRules()
		}
		for _, test := range tests {
			for _, r := range rest {
				out = append(out, region{slices.Concat(test, r.conditions), r.leaf})
			}
		}
	}
	c.done[r] = out
	return out, nil
}

func tooManyRules() error { return fmt.Errorf("more than %d rules: %w", maxRegions, ErrTooComplex) }

// values looks at one argument of a diagram: which of its values lead to which diagram of later arguments. Silence is left
// out.
type values struct {
	*coverer
	arg     uint
	last    uint64         // the greatest value
	targets []ref          // in the order of the values
	cubes   map[ref][]cube // by target, excluding each other
}

// walk finds the targets below r, where cube leads.
func (v *values) walk(r ref, at cube) error {
	if r == silent {
		return nil
	}
	n := v.nodes[r]
	if n.level > level(v.arg, 0) {
		if v.paths++; v.paths > maxPaths {
			return tooManyRules()
		}
		if len(v.cubes[r]) == 0 {
			v.targets = append(v.targets, r)
		}
		v.cubes[r] = append(v.cubes[r], at)
		return nil
	}
	bit := uint64(1) << levelBit(n.level)
	if err := v.walk(n.lo, cube{at.mask | bit, at.value}); err != nil {
		return err
	}
	return v.walk(n.hi, cube{at.mask | bit, at.value | bit})
}

// tests are the values that lead to a target, excluding each other: never none. Of the conditions of a test all have to
// hold.
func (v *values) tests(target ref) [][]Condition {
	cubes := v.cubes[target]
	if v.style == Masks || v.style != Words && !v.isLeaf(target) {
		return v.masked(cubes)
	}
	spans := v.spans(cubes)
	if holes, ok := allBut(spans, v.last); ok && (len(holes) == 1 || v.style == Words) {
		test := make([]Condition, len(holes))
		for i, hole := range holes {
			test[i] = Condition{Arg: v.arg, Op: NE, Value: hole}
		}
		return [][]Condition{test}
	}
	if v.style == Short || v.style == Words {
		if ranges := v.ranges(spans); spans != nil && len(ranges) <= max(len(cubes), v.style.fewWords()) {
			return ranges
		}
	}
	return v.masked(cubes)
}

// A cube is all values that agree with value in the bits of mask.
type cube struct{ mask, value uint64 }

// A span is all values from first to last.
type span struct{ first, last uint64 }

func (v *values) masked(cubes []cube) [][]Condition {
	out := make([][]Condition, len(cubes))
	for i, c := range cubes {
		out[i] = []Condition{v.condition(c)}
	}
	return out
}

func (v *values) condition(c cube) Condition {
	if c.mask == v.last {
		return Condition{Arg: v.arg, Op: EQ, Value: c.value}
	}
	return Condition{Arg: v.arg, Op: MaskedEQ, Value: c.mask, ValueTwo: c.value}
}

// maxSpans is how many spans are looked at before masks are taken instead: more never get shorter as ranges.
const maxSpans = 256

// spans are the values as the longest possible spans, ascending, or nil if they are too many. Cubes come
// ascending by their first value where each is one span, so it is enough to look at these in turn.
func (v *values) spans(cubes []cube) []span {
	if v.style == Words {
		cubes = v.split(cubes)
	}
	var out []span
	for _, c := range cubes {
		free := v.last &^ c.mask
		if free&(free+1) != 0 || len(out) > maxSpans { // the free bits are not the lowest ones: many spans
			return nil
		}
		s := span{c.value, c.value | free}
		if n := len(out); n > 0 && out[n-1].last+1 == s.first {
			out[n-1].last = s.last
		} else {
			out = append(out, s)
		}
	}
	return out
}

// split makes of cubes that are a few spans each, such as the values 0 and 8, cubes that are one. People prefer a list of
// values to a mask of all other bits.
func (v *values) split(cubes []cube) []cube {
	var out []cube
	for _, c := range cubes {
		free := v.last &^ c.mask
		between := free & (free + 1) // free bits above one that is not
		if bits.OnesCount64(between) >= bits.Len(uint(v.style.fewWords())) {
			return cubes
		}
		for sub := uint64(0); ; sub = (sub - between) & between {
			out = append(out, cube{c.mask | between, c.value | sub})
			if sub == between {
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b cube) int { return cmp.Compare(a.value, b.value) })
	return out
}

// allBut reports the few values that the spans leave out, if these are what is shorter to say.
func allBut(spans []span, last uint64) (holes []uint64, ok bool) {
	next := uint64(0) // the first value that no span before has
	for _, s := range spans {
		switch {
		case s.first == next+1:
			holes = append(holes, next)
		case s.first != next:
			return nil, false
		}
		if s.last == last {
			return holes, len(holes) > 0
		}
		next = s.last + 1
	}
	return append(holes, last), len(spans) > 0 && next == last
}

// ranges writes spans as comparisons: one for a span that begins at 0 or ends at the last value. For one in between rules
// need as few aligned masks as possible, as they may have one comparison per argument only.
func (v *values) ranges(spans []span) [][]Condition {
	var out [][]Condition
	for _, s := range spans {
		least, most := Condition{Arg: v.arg, Op: GE, Value: s.first}, Condition{Arg: v.arg, Op: LE, Value: s.last}
		switch {
		case s.first == s.last:
			out = append(out, []Condition{{Arg: v.arg, Op: EQ, Value: s.first}})
		case s.first == 0:
			out = append(out, []Condition{most})
		case s.last == v.last:
			out = append(out, []Condition{least})
		case v.style == Words:
			out = append(out, []Condition{least, most})
		default:
			out = append(out, v.masked(s.aligned(v.last))...)
		}
	}
	return out
}

// aligned splits a span into the fewest cubes.
func (s span) aligned(last uint64) []cube {
	var out []cube
	for first := s.first; ; {
		size := bits.TrailingZeros64(first)
		for size > 0 && (size >= wordBits || first+(1<<size-1) > s.last || first+(1<<size-1) < first) {
			size--
		}
		out = append(out, cube{last &^ (1<<size - 1), first})
		end := first + (1<<size - 1)
		if end >= s.last {
			return out
		}
		first = end + 1
	}
}
