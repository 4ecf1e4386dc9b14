package filter

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// ErrNotLiftable is in the chain of errors about programs that Lift does not understand.
var ErrNotLiftable = errors.New("not a program of system call number, architecture and argument tests")

var errMasks = fmt.Errorf("program looks at single bits of the call's number or architecture: %w", ErrNotLiftable)

// Lift reads a program back as a set: what it does for every call of the ABIs, for all arguments at once. It runs
// the program once for each system call number, with the arguments unknown: a test of an argument splits the run,
// and its outcomes are joined in a decision diagram. Programs have no loops, so this ends, and what is reached by
// several paths is worked out once.
//
// The fallback of the set is the action for numbers beyond the table, which has to be one and the same.
func Lift(p Program, abis []syscalls.ABI) (*ruleset.Set, error) {
	l, err := newLifter(p)
	if err != nil {
		return nil, err
	}
	var set *ruleset.Set
	failed := l.build.Guard(func() { set, err = l.lift(abis) })
	if failed != nil {
		return nil, failed
	}
	return set, err
}

type lifter struct {
	code  Program
	build *ruleset.Builder
	// numbered says of each instruction whether what follows looks at the call's number or architecture; what does
	// not is the same for all calls and is kept in always, the rest in here, which is for one call.
	numbered     []bool
	always, here map[state]ruleset.Node
	chains       map[int]*chain
	budget       int // of comparisons that chains may hold
	// masks is whether bits of the call's number or architecture are looked at. Then numbers between two that are
	// compared need not be treated alike, and it is not enough to run one of them.
	masks bool
	// The call that is run.
	number, arch uint32
	numbers      []uint32 // those that the program compares, ascending
}

// state is where a run is: the next instruction and what the accumulator holds, a known value or an argument word.
type state struct {
	at     int
	symbol bool
	value  uint32
	word   ruleset.Word
}

// Instruction codes that seccomp programs use (include/uapi/linux/bpf_common.h).
const (
	opLoad  = 0x20 // BPF_LD | BPF_W | BPF_ABS
	opAnd   = 0x54 // BPF_ALU | BPF_AND | BPF_K
	opJump  = 0x05 // BPF_JMP | BPF_JA
	opEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	opAbove = 0x25 // BPF_JMP | BPF_JGT | BPF_K
	opLeast = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	opAny   = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	opRet   = 0x06 // BPF_RET | BPF_K
)

func newLifter(p Program) (*lifter, error) {
	if len(p) == 0 || len(p) > Limit {
		return nil, fmt.Errorf("program: no instructions, or more than %d: %w", Limit, ErrNotLiftable)
	}
	l := &lifter{
		code: p, build: ruleset.NewBuilder(),
		numbered: make([]bool, len(p)), always: map[state]ruleset.Node{}, here: map[state]ruleset.Node{},
		chains: map[int]*chain{}, budget: 8 * Limit,
	}
	for at := len(p) - 1; at >= 0; at-- {
		i := p[at]
		next, err := targets(p, at)
		if err != nil {
			return nil, err
		}
		l.numbered[at] = i.Op == opLoad && i.K < offsetArgs
		for _, t := range next {
			l.numbered[at] = l.numbered[at] || l.numbered[t]
		}
		switch i.Op {
		case opEqual, opAbove, opLeast:
			l.numbers = append(l.numbers, i.K)
		}
	}
	slices.Sort(l.numbers)
	l.numbers = slices.Compact(l.numbers)
	return l, nil
}

// targets checks an instruction and gives where it leads: forwards and inside the program only.
func targets(p Program, at int) ([]int, error) {
	i := p[at]
	var next []int
	switch i.Op {
	case opRet:
		if _, err := actionOf(i.K); err != nil {
			return nil, fmt.Errorf("instruction %d: %w", at, err)
		}
		return nil, nil
	case opLoad:
		if i.K >= dataSize || i.K%4 != 0 || i.K > offsetArch && i.K < offsetArgs {
			return nil, fmt.Errorf("instruction %d loads from %d: %w", at, i.K, ErrNotLiftable)
		}
		next = []int{at + 1}
	case opAnd:
		next = []int{at + 1}
	case opJump:
		next = []int{at + 1 + int(min(i.K, Limit))}
	case opEqual, opAbove, opLeast, opAny:
		next = []int{at + 1 + int(i.Jt), at + 1 + int(i.Jf)}
	default:
		return nil, fmt.Errorf("instruction %d has code %#x: %w", at, i.Op, ErrNotLiftable)
	}
	for _, t := range next {
		if t >= len(p) {
			return nil, fmt.Errorf("instruction %d leads out of the program: %w", at, ErrNotLiftable)
		}
	}
	return next, nil
}

func (l *lifter) lift(abis []syscalls.ABI) (*ruleset.Set, error) {
	if len(abis) == 0 {
		return nil, ruleset.ErrNoABI
	}
	first := ruleset.Call{ABI: abis[0], Number: abis[0].Max() + 1}
	node := l.call(first)
	fallback, ok := l.build.Action(node)
	if !ok {
		return nil, fmt.Errorf("program: %v, beyond the table, is treated by its arguments", first)
	}
	calls := map[syscalls.ABI]map[uint32]ruleset.Node{}
	for _, abi := range abis {
		for _, nr := range l.beyond(abi) {
			if other := (ruleset.Call{ABI: abi, Number: nr}); l.call(other) != node {
				return nil, fmt.Errorf("program: %v and %v, both beyond the table, are not treated alike", first, other)
			}
		}
		calls[abi] = map[uint32]ruleset.Node{}
		for _, nr := range known(abi) {
			if answer := l.call(ruleset.Call{ABI: abi, Number: nr}); answer != node {
				calls[abi][nr] = answer
			}
		}
	}
	if l.masks {
		return nil, errMasks
	}
	return l.build.Set(fallback, calls), nil
}

// known are the numbers of an ABI's table and those that are free between them, ascending.
func known(abi syscalls.ABI) []uint32 { return tables[abi]() }

var tables = func() map[syscalls.ABI]func() []uint32 {
	out := map[syscalls.ABI]func() []uint32{}
	for _, abi := range syscalls.ABIs() {
		out[abi] = sync.OnceValue(func() []uint32 { return table(abi) })
	}
	return out
}()

func table(abi syscalls.ABI) []uint32 {
	var out []uint32
	for nr := range abi.Max() + 1 {
		out = append(out, nr)
	}
	for _, name := range abi.Names() { // Arm has some beyond
		if nr, ok := abi.Number(name); ok && nr > abi.Max() {
			out = append(out, nr)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// beyond are numbers beyond an ABI's table that stand for all of these: between two numbers that the program
// compares all are treated alike.
func (l *lifter) beyond(abi syscalls.ABI) []uint32 {
	in := known(abi)
	out := []uint32{abi.Max() + 1}
	for _, k := range l.numbers {
		for _, nr := range []uint32{k, k + 1} {
			if abi == syscalls.X32 {
				if nr < syscalls.X32Bit {
					continue
				}
				nr &^= syscalls.X32Bit
			} else if abi == syscalls.X86_64 && nr >= syscalls.X32Bit {
				continue // x32, or no call at all
			}
			if _, listed := slices.BinarySearch(in, nr); !listed {
				out = append(out, nr)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// call is what the program does for a call, whatever its arguments are said to be.
func (l *lifter) call(c ruleset.Call) ruleset.Node {
	l.number, l.arch = seen(c.ABI, c.Number), c.ABI.Audit()
	clear(l.here)
	return l.follow(state{})
}

// run works out what the program does from a state on.
func (l *lifter) run(s state) ruleset.Node {
	done := l.always
	if l.numbered[s.at] {
		done = l.here
	}
	node, ok := done[s]
	if !ok {
		node = l.follow(s)
		done[s] = node
	}
	return node
}

// follow goes through the program until it returns, or splits at a test of an argument, or comes from instructions
// that depend on the call to such that do not.
func (l *lifter) follow(s state) ruleset.Node {
	for numbered := l.numbered[s.at]; ; {
		i := l.code[s.at]
		s.at++
		switch i.Op {
		case opRet:
			action, _ := actionOf(i.K) // targets has seen that there is one
			return l.build.Always(action)
		case opLoad:
			s = l.load(s, i.K)
		case opAnd:
			l.masks = l.masks || !s.symbol
			s.value &= i.K
			s.word.Mask &= i.K
		case opJump:
			s.at += int(i.K)
		default:
			if s.symbol {
				return l.split(s, i)
			}
			l.masks = l.masks || i.Op == opAny
			if i.Op == opEqual {
				s.at = l.chain(s.at - 1).next(s.value)
			} else {
				s.at += branch(i, holds(i, s.value))
			}
		}
		if numbered && !l.numbered[s.at] {
			return l.run(s)
		}
	}
}

// A chain is a row of comparisons of one known value for equality, each tried where the one before does not hold.
// Filters that compare call numbers one by one have rows of hundreds, which every number would have to walk.
type chain struct {
	equal map[uint32]int // where the values that are compared lead
	other int            // and all others
}

func (c *chain) next(value uint32) int {
	if at, ok := c.equal[value]; ok {
		return at
	}
	return c.other
}

// chain is the row that begins with the comparison at an instruction.
func (l *lifter) chain(at int) *chain {
	c, ok := l.chains[at]
	if ok {
		return c
	}
	c = &chain{equal: map[uint32]int{}, other: at}
	for l.code[c.other].Op == opEqual && (c.other == at || l.budget > 0) {
		i := l.code[c.other]
		l.budget--
		if _, earlier := c.equal[i.K]; !earlier {
			c.equal[i.K] = c.other + 1 + branch(i, true)
		}
		c.other += 1 + branch(i, false)
	}
	l.chains[at] = c
	return c
}

// split follows both outcomes of a test of an argument word.
func (l *lifter) split(s state, i Instruction) ruleset.Node {
	yes, no := s, s
	yes.at += branch(i, true)
	no.at += branch(i, false)
	ifSo, ifNot := l.run(yes), l.run(no)
	switch i.Op {
	case opEqual:
		return l.build.Equal(s.word, i.K, ifSo, ifNot)
	case opAbove:
		return l.build.Greater(s.word, i.K, ifSo, ifNot)
	case opLeast:
		return l.build.AtLeast(s.word, i.K, ifSo, ifNot)
	}
	return l.build.Any(s.word, i.K, ifSo, ifNot)
}

// branch is how many instructions a test skips.
func branch(i Instruction, holds bool) int {
	if holds {
		return int(i.Jt)
	}
	return int(i.Jf)
}

// load puts a word of struct seccomp_data into the accumulator.
func (l *lifter) load(s state, offset uint32) state {
	switch offset {
	case offsetNumber:
		return state{at: s.at, value: l.number}
	case offsetArch:
		return state{at: s.at, value: l.arch}
	}
	arg := uint(offset-offsetArgs) / 8
	_, high := offsetsOf(int(arg))
	return state{at: s.at, symbol: true, word: ruleset.Word{Arg: arg, High: int(offset) == high, Mask: ^uint32(0)}}
}

// holds reports whether a test holds of a known value.
func holds(i Instruction, value uint32) bool {
	switch i.Op {
	case opEqual:
		return value == i.K
	case opAbove:
		return value > i.K
	case opLeast:
		return value >= i.K
	}
	return value&i.K != 0
}
