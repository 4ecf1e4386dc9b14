package ruleset

import "fmt"

// A space holds decision diagrams: nodes that test one bit of one argument and lead to two others, down to
// leaves. Nodes are made only by space.node, which returns an existing one where it can, and bits are tested in
// one order everywhere, so a function has exactly one diagram in a space: two refs are equal if and only if the
// functions are. (Bryant, "Graph-based algorithms for Boolean function manipulation", 1986, with leaves of many
// values.)
//
// The order of the tests is argument 0 to 5 and within one the high bit first, so that a comparison of one
// argument is one chain of nodes.
type space struct {
	nodes  []node
	unique map[node]ref
	steps  int    // of operations, so far
	leaves []leaf // the value of node i is leaves[nodes[i].lo] where the node is a leaf
	values map[leaf]ref
}

// A ref is the index of a node in its space.
type ref uint32

// silent is the leaf where nothing is said, the first node of every space.
const silent ref = 0

type node struct {
	level  uint16 // which bit is tested; leafLevel in leaves
	lo, hi ref    // where the bit is 0 and 1; in a leaf lo is the index of its value
}

const (
	wordBits  = 64
	leafLevel = Arguments * wordBits
)

// A leaf is what a diagram says of a call: nothing (the zero leaf), or an action and who said it.
type leaf struct {
	action Action
	origin Origin
}

func (l leaf) said() bool { return l.action.Kind != 0 }

// maxNodes bounds a space, and maxSteps the work in it: two diagrams can take long to find that they have nothing in
// common. The default profiles of the engines need about two thousand nodes; a set that needs more than this is made
// to exhaust memory or time.
const (
	maxNodes = 1 << 18
	maxSteps = 1 << 20
)

// tooComplex is thrown by space at its limits and turned into an error by guard. It is the one place of the package
// where a panic is used, because every step of every operation makes nodes.
type tooComplex struct{}

func (s *space) step() {
	if s.steps++; s.steps > maxSteps {
		panic(tooComplex{})
	}
}

// guard runs an operation that makes nodes and returns an error if it runs into the limit.
func guard(name string, f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooComplex:
			err = fmt.Errorf("%s: %w", name, ErrTooComplex)
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func newSpace() *space {
	s := &space{unique: map[node]ref{}, values: map[leaf]ref{}}
	s.leaf(leaf{})
	return s
}

func (s *space) leaf(l leaf) ref {
	if r, ok := s.values[l]; ok {
		return r
	}
	r := s.add(node{level: leafLevel, lo: ref(len(s.leaves))})
	s.leaves = append(s.leaves, l)
	s.values[l] = r
	return r
}

func (s *space) node(level uint16, lo, hi ref) ref {
	if lo == hi {
		return lo
	}
	n := node{level, lo, hi}
	if r, ok := s.unique[n]; ok {
		return r
	}
	r := s.add(n)
	s.unique[n] = r
	return r
}

func (s *space) add(n node) ref {
	if len(s.nodes) >= maxNodes {
		panic(tooComplex{})
	}
	s.nodes = append(s.nodes, n)
	return ref(len(s.nodes) - 1)
}

func (s *space) isLeaf(r ref) bool { return s.nodes[r].level == leafLevel }

// value is the leaf that r is.
func (s *space) value(r ref) leaf { return s.leaves[s.nodes[r].lo] }

// level is the number of the test of one bit (0 is the lowest) of an argument.
func level(arg uint, bit int) uint16 { return uint16(arg)*wordBits + uint16(wordBits-1-bit) }

func levelArg(l uint16) uint { return uint(l / wordBits) }

func levelBit(l uint16) int { return wordBits - 1 - int(l%wordBits) }

// at walks the diagram to the leaf of the arguments.
func (s *space) at(r ref, args Args) leaf {
	for {
		n := s.nodes[r]
		if n.level == leafLevel {
			return s.leaves[n.lo]
		}
		r = n.lo
		if args[levelArg(n.level)]>>levelBit(n.level)&1 == 1 {
			r = n.hi
		}
	}
}

// test is the diagram that leads to yes where the condition holds of the low width bits of its argument, and to
// no elsewhere. Both must test later arguments only.
func (s *space) test(c Condition, width int, yes, no ref) ref {
	switch c.Op {
	case NE:
		return s.test(Condition{Arg: c.Arg, Op: EQ, Value: c.Value}, width, no, yes)
	case LT:
		return s.test(Condition{Arg: c.Arg, Op: GE, Value: c.Value}, width, no, yes)
	case LE:
		return s.test(Condition{Arg: c.Arg, Op: GT, Value: c.Value}, width, no, yes)
	}
	value, mask := c.Value, ^uint64(0)
	same := yes // where all bits tested so far agree
	switch c.Op {
	case MaskedEQ:
		value, mask = c.ValueTwo, c.Value
	case GT:
		same = no
	}
	greater := no
	if c.Op == GE || c.Op == GT {
		greater = yes
	}
	for bit := range width {
		switch {
		case mask>>bit&1 == 0:
		case value>>bit&1 == 1:
			same = s.node(level(c.Arg, bit), no, same)
		default:
			same = s.node(level(c.Arg, bit), same, greater)
		}
	}
	return same
}

// both walks two diagrams of the space at once and joins their leaves. Results are kept for further calls on
// the same pairs.
type both struct {
	*space
	join func(a, b ref) ref
	done map[[2]ref]ref
}

func (s *space) both(join func(a, b ref) ref) *both {
	return &both{space: s, join: join, done: map[[2]ref]ref{}}
}

func (b *both) apply(x, y ref) ref {
	nx, ny := b.nodes[x], b.nodes[y]
	if nx.level == leafLevel && ny.level == leafLevel {
		return b.join(x, y)
	}
	key := [2]ref{x, y}
	if r, ok := b.done[key]; ok {
		return r
	}
	lx, hx, ly, hy := nx.lo, nx.hi, ny.lo, ny.hi
	if nx.level > ny.level {
		lx, hx = x, x
	}
	if ny.level > nx.level {
		ly, hy = y, y
	}
	b.step()
	l := min(nx.level, ny.level)
	r := b.node(l, b.apply(lx, ly), b.apply(hx, hy))
	b.done[key] = r
	return r
}

// fold applies an associative join to all diagrams in their order, halves first, so that small ones meet small ones.
func (b *both) fold(all []ref) ref {
	switch len(all) {
	case 0:
		return silent
	case 1:
		return all[0]
	}
	half := len(all) / 2
	return b.apply(b.fold(all[:half]), b.fold(all[half:]))
}

// each rewrites the leaves of a diagram of the space from, which may be another one, into the space.
type each struct {
	*space
	from *space
	turn func(leaf) leaf
	done map[ref]ref
}

func (s *space) each(from *space, turn func(leaf) leaf) *each {
	return &each{space: s, from: from, turn: turn, done: map[ref]ref{}}
}

// copying brings diagrams of another space into this one as they are.
func (s *space) copying(from *space) *each {
	return s.each(from, func(l leaf) leaf { return l })
}

func (e *each) apply(x ref) ref {
	if r, ok := e.done[x]; ok {
		return r
	}
	n := e.from.nodes[x]
	var r ref
	if n.level == leafLevel {
		r = e.leaf(e.turn(e.from.leaves[n.lo]))
	} else {
		r = e.node(n.level, e.apply(n.lo), e.apply(n.hi))
	}
	e.done[x] = r
	return r
}

// find looks for arguments that lead to a leaf that is wanted, which has to be there. Bits that do not matter are 0.
func (s *space) find(r ref, wanted func(leaf) bool) Args {
	dead := map[ref]bool{}
	var args Args
	var walk func(ref) bool
	walk = func(r ref) bool {
		n := s.nodes[r]
		if n.level == leafLevel {
			return wanted(s.leaves[n.lo])
		}
		if dead[r] {
			return false
		}
		if walk(n.lo) {
			return true
		}
		arg, bit := levelArg(n.level), levelBit(n.level)
		args[arg] |= 1 << bit
		if walk(n.hi) {
			return true
		}
		args[arg] &^= 1 << bit
		dead[r] = true
		return false
	}
	walk(r)
	return args
}
