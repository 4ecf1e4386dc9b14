package ruleset

import (
	"strata/internal/syscalls"
)

// Builder makes a set from the answers of something that decides by tests of argument words in any order, such as
// a BPF program. A Node stands for the answer to all arguments.
type Builder struct {
	space *space
	done  map[choice]ref
}

// Node is an answer of a Builder. Nodes of one Builder are equal exactly if the answers are.
type Node struct{ r ref }

type choice struct{ test, yes, no ref }

// NewBuilder makes an empty builder.
func NewBuilder() *Builder {
	return &Builder{space: newSpace(), done: map[choice]ref{}}
}

// Always is the action whatever the arguments.
func (b *Builder) Always(a Action) Node { return Node{b.space.leaf(leaf{action: a})} }

// Word is the low or high half of an argument, of which only the bits of Mask are looked at.
type Word struct {
	Arg  uint
	High bool
	Mask uint32
}

// Equal is yes where the word equals k, and no elsewhere.
func (b *Builder) Equal(w Word, k uint32, yes, no Node) Node {
	if k&^w.Mask != 0 {
		return no
	}
	return b.choose(w, yes, no, func(same, no ref) ref {
		for bit := range 32 {
			switch {
			case w.Mask>>bit&1 == 0:
			case k>>bit&1 == 1:
				same = b.space.node(b.level(w, bit), no, same)
			default:
				same = b.space.node(b.level(w, bit), same, no)
			}
		}
		return same
	})
}

// Greater is yes where the word is greater than k, and no elsewhere.
func (b *Builder) Greater(w Word, k uint32, yes, no Node) Node {
	return b.choose(w, yes, no, func(yes, no ref) ref { return b.compare(w, k, yes, no, no) })
}

// AtLeast is yes where the word is k or greater, and no elsewhere.
func (b *Builder) AtLeast(w Word, k uint32, yes, no Node) Node {
	return b.choose(w, yes, no, func(yes, no ref) ref { return b.compare(w, k, yes, no, yes) })
}

// Any is yes where the word has one of the bits of k, and no elsewhere.
func (b *Builder) Any(w Word, k uint32, yes, no Node) Node {
	w.Mask &= k
	return b.Equal(w, 0, no, yes)
}

// compare builds an order test from the lowest bit up: what decides is the highest bit that differs.
func (b *Builder) compare(w Word, k uint32, greater, less, same ref) ref {
	for bit := range 32 {
		l := b.level(w, bit)
		inWord, inK := w.Mask>>bit&1 == 1, k>>bit&1 == 1
		switch {
		case inWord && inK:
			same = b.space.node(l, less, same)
		case inWord:
			same = b.space.node(l, same, greater)
		case inK:
			same = less
		}
	}
	return same
}

func (b *Builder) level(w Word, bit int) uint16 {
	if w.High {
		bit += 32
	}
	return level(w.Arg, bit)
}

// choose builds a test with its two outcomes in place where these test later bits only, and otherwise as a diagram
// of its own that is joined with them.
func (b *Builder) choose(w Word, yes, no Node, test func(yes, no ref) ref) Node {
	if yes == no {
		return yes
	}
	last := b.level(w, 0)
	if b.space.nodes[yes.r].level > last && b.space.nodes[no.r].level > last {
		return Node{test(yes.r, no.r)}
	}
	truth := b.space.leaf(leaf{origin: Origin{Layer: "holds"}})
	return Node{b.ifThenElse(test(truth, silent), yes.r, no.r)}
}

// ifThenElse is yes where test does not end in silent, and no where it does.
func (b *Builder) ifThenElse(test, yes, no ref) ref {
	s := b.space
	switch {
	case test == silent:
		return no
	case s.isLeaf(test) || yes == no:
		return yes
	}
	key := choice{test, yes, no}
	if r, ok := b.done[key]; ok {
		return r
	}
	s.step()
	l := min(s.nodes[test].level, s.nodes[yes].level, s.nodes[no].level)
	split := func(r ref) (ref, ref) {
		if n := s.nodes[r]; n.level == l {
			return n.lo, n.hi
		}
		return r, r
	}
	testLo, testHi := split(test)
	yesLo, yesHi := split(yes)
	noLo, noHi := split(no)
	r := s.node(l, b.ifThenElse(testLo, yesLo, noLo), b.ifThenElse(testHi, yesHi, noHi))
	b.done[key] = r
	return r
}

// Set is the set with these answers, and the fallback for all other calls.
func (b *Builder) Set(fallback Action, calls map[syscalls.ABI]map[uint32]Node) *Set {
	var abis []syscalls.ABI
	for abi := range calls {
		abis = append(abis, abi)
	}
	set := newSet(b.space, leaf{action: fallback}, abis)
	for abi, answers := range calls {
		for nr, node := range answers {
			set.put(abi, nr, node.r)
		}
	}
	return set
}

// Guard runs f, which makes nodes, and returns an error if they become too many.
func (b *Builder) Guard(f func()) error { return guard("build", f) }

// Action is the action of a node that does not depend on the arguments.
func (b *Builder) Action(n Node) (Action, bool) {
	if !b.space.isLeaf(n.r) {
		return Action{}, false
	}
	return b.space.value(n.r).action, true
}
