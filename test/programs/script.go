package programs

import (
	"fmt"
	"slices"
	"strconv"

	"strata/internal/syscalls"
)

// A Script is what the program calls is told to do, step after step.
type Script []Step

// A Step is one of a script's words with the block that may follow it.
type Step struct {
	word  string
	block Script // in brackets behind the word; nil for a word without
	makes []call // by the word itself, not by its block
}

type call struct {
	abi  syscalls.ABI
	name string
}

// Last and Scratch are arguments of calls: the result of the call before in the same thread, and the address of 64 KiB
// of memory that holds zeros until a call writes there.
const (
	Last    = special("$")
	Scratch = special("*")
)

type special string

// Native is a 64-bit call. An argument is an int, a string (its address is passed), Last or Scratch.
func Native(name string, args ...any) Step { return direct("64:", syscalls.X86_64, name, args) }

// Compat is a call through int 0x80, with at most five arguments.
func Compat(name string, args ...any) Step { return direct("32:", syscalls.X86, name, args) }

// X32 is a 64-bit call with the x32 bit in its number.
func X32(name string, args ...any) Step { return direct("x32:", syscalls.X32, name, args) }

// Unknown is a 64-bit call by a number that no table has.
func Unknown(number int) Step { return Step{word: "64:" + strconv.Itoa(number)} }

func direct(prefix string, abi syscalls.ABI, name string, args []any) Step {
	number, ok := abi.Number(name)
	if !ok {
		panic(fmt.Sprintf("%s has no call %s", abi, name))
	}
	word := prefix + strconv.Itoa(int(number))
	for _, arg := range args {
		switch a := arg.(type) {
		case int:
			word += "," + strconv.Itoa(a)
		case string:
			word += ",'" + a
		case special:
			word += "," + string(a)
		default:
			panic(fmt.Sprintf("%s: argument %v is not an int, a string, Last or Scratch", name, arg))
		}
	}
	return Step{word: word, makes: []call{{abi, name}}}
}

// Gives says the result that the call must have, -errno where it fails; another one ends the program with status 100.
func (s Step) Gives(result int) Step {
	s.word += "=" + strconv.Itoa(result)
	return s
}

// Ends says the status as wait4 gives it that the child must end with, where it is not 0.
func (s Step) Ends(status int) Step { return s.Gives(status) }

func block(word string, steps []Step, makes ...string) Step {
	s := Step{word: word, block: append(Script{}, steps...)}
	for _, name := range makes {
		s.makes = append(s.makes, call{syscalls.X86_64, name})
	}
	return s
}

// Thread runs steps in a new thread and waits for it.
func Thread(steps ...Step) Step { return threads("thread", steps) }

// Together runs steps in n threads at once and waits for all.
func Together(n int, steps ...Step) Step { return threads("together:"+strconv.Itoa(n), steps) }

func threads(word string, steps []Step) Step {
	if replaced(steps) {
		return block(word, steps, "clone", "futex")
	}
	return block(word, steps, "clone", "futex", "exit")
}

// replaced says whether a thread of these steps does not come to its end, because it executes the program anew or waits
// for a thread that does.
func replaced(steps []Step) bool {
	if len(steps) == 0 {
		return false
	}
	last := steps[len(steps)-1]
	return last.word == "exec" || last.word == "thread" && replaced(last.block)
}

// Fork runs steps in a child and waits for it.
func Fork(steps ...Step) Step { return block("fork", steps, "fork", "wait4", "exit_group") }

// VFork runs steps in a child of vfork and waits for it.
func VFork(steps ...Step) Step { return block("vfork", steps, "vfork", "wait4", "exit_group") }

// Clone runs steps in a child that clone makes with flags (CLONE_NEWNS, ...) and waits for it.
func Clone(flags int, steps ...Step) Step {
	return block("clone:"+strconv.Itoa(flags), steps, "clone", "wait4", "exit_group")
}

// Detach runs steps in a child that nobody waits for.
func Detach(steps ...Step) Step { return block("detach", steps, "fork", "exit_group") }

// Exec makes the process, from whichever of its threads, this program anew with steps as its script. Nothing after it
// in the same block comes to run.
func Exec(steps ...Step) Step { return block("exec", steps, "execve", "exit_group") }

// Loop runs steps n times.
func Loop(n int, steps ...Step) Step { return block("loop:"+strconv.Itoa(n), steps) }

// Await waits until the file is there.
func Await(path string) Step {
	s := block("await:"+path, nil, "select", "access")
	s.block = nil
	return s
}

// Argv is the script as arguments of the program, without argv[0].
func (s Script) Argv() []string {
	var argv []string
	for _, step := range s {
		argv = append(argv, step.word)
		if step.block != nil {
			argv = append(append(append(argv, "["), step.block.Argv()...), "]")
		}
	}
	return argv
}

// Made is every call that the program makes once it runs: names in order, none twice, and no ABI without a call. The
// execve that started the program is not among them, the exit_group that ends it is.
func (s Script) Made() map[syscalls.ABI][]string {
	made := map[syscalls.ABI][]string{syscalls.X86_64: {"exit_group"}}
	s.collect(made)
	for abi, names := range made {
		slices.Sort(names)
		made[abi] = slices.Compact(names)
	}
	return made
}

func (s Script) collect(made map[syscalls.ABI][]string) {
	for _, step := range s {
		for _, c := range step.makes {
			made[c.abi] = append(made[c.abi], c.name)
		}
		step.block.collect(made)
	}
}
