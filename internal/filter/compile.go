package filter

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// ErrTooLong is in the chain of errors about programs that the kernel does not take.
var ErrTooLong = errors.New("the filter has too many instructions")

// Options say how a program is laid out and found; they make no difference to what it does.
type Options struct {
	// Linear has libseccomp compare system call numbers one by one, ordered by the effort that each needs, as it
	// does by default. Otherwise they are searched by bisection (SCMP_FLTATR_CTL_OPTIMIZE 2), as runc has it for
	// profiles of more than 32 rules.
	Linear bool
	// OneLayout has Proven leave out the other layout. That is right only for a program that is installed as it is:
	// where an engine compiles the rules again, it is the engine that chooses the layout.
	OneLayout bool
}

func (o Options) layout() string {
	if o.Linear {
		return "one by one"
	}
	return "by bisection"
}

// Compiled is a program with what libseccomp could not put into it.
type Compiled struct {
	Program Program
	// Unknown are calls that rules name and the ABI has, but the installed libseccomp does not know. The program
	// treats them like calls without a rule.
	Unknown Unknowns
}

// Unknown is a call that the installed libseccomp does not know.
type Unknown struct {
	ABI    syscalls.ABI
	Number uint32
	Name   string
}

func (u Unknown) String() string { return Unknowns{u}.String() }

// Unknowns are such calls, in the order of the rules.
type Unknowns []Unknown

// String lists them by their ABIs: mseal, statmount on x86_64, x86; map_shadow_stack on x32.
func (all Unknowns) String() string {
	var names, places []string
	on := map[string][]string{} // by name
	for _, u := range all {
		if on[u.Name] == nil {
			names = append(names, u.Name)
		}
		on[u.Name] = append(on[u.Name], u.ABI.String())
	}
	in := map[string][]string{} // by place
	for _, name := range names {
		place := strings.Join(on[name], ", ")
		if in[place] == nil {
			places = append(places, place)
		}
		in[place] = append(in[place], name)
	}
	for i, place := range places {
		places[i] = strings.Join(in[place], ", ") + " on " + place
	}
	return strings.Join(places, "; ")
}

var archs = map[syscalls.ABI]seccomp.ScmpArch{
	syscalls.X86_64:  seccomp.ArchAMD64,
	syscalls.X86:     seccomp.ArchX86,
	syscalls.X32:     seccomp.ArchX32,
	syscalls.AArch64: seccomp.ArchARM64,
	syscalls.ARM:     seccomp.ArchARM,
}

var actions = map[ruleset.Kind]seccomp.ScmpAction{
	ruleset.KillProcess: seccomp.ActKillProcess,
	ruleset.KillThread:  seccomp.ActKillThread,
	ruleset.Trap:        seccomp.ActTrap,
	ruleset.Errno:       seccomp.ActErrno,
	ruleset.Notify:      seccomp.ActNotify,
	ruleset.Trace:       seccomp.ActTrace,
	ruleset.Log:         seccomp.ActLog,
	ruleset.Allow:       seccomp.ActAllow,
}

var operators = map[ruleset.Op]seccomp.ScmpCompareOp{
	ruleset.EQ:       seccomp.CompareEqual,
	ruleset.NE:       seccomp.CompareNotEqual,
	ruleset.LT:       seccomp.CompareLess,
	ruleset.LE:       seccomp.CompareLessOrEqual,
	ruleset.GE:       seccomp.CompareGreaterEqual,
	ruleset.GT:       seccomp.CompareGreater,
	ruleset.MaskedEQ: seccomp.CompareMaskedEqual,
}

// maxErrno is the greatest errno that libseccomp takes, one less than the kernel (sys_chk_seccomp_action in system.c).
const maxErrno = 4094

func native(a ruleset.Action) (seccomp.ScmpAction, error) {
	action, ok := actions[a.Kind]
	switch {
	case !ok:
		return 0, fmt.Errorf("no action %v", a.Kind)
	case a.Kind == ruleset.Errno && a.Errno > maxErrno:
		return 0, fmt.Errorf("errno %d: libseccomp takes errnos up to %d", a.Errno, maxErrno)
	}
	return action.SetReturnCode(int16(a.Errno)), nil
}

// Compile makes a program of rules as runc and crun do: rules are added in their order and may be adjusted by
// libseccomp, those whose action is the fallback are left out, those that name an argument twice are split, and
// names that libseccomp does not know are skipped; these are reported. Calls of ABIs that are not listed kill
// the thread.
func Compile(fallback ruleset.Action, rules []ruleset.Rule, abis []syscalls.ABI, o Options) (*Compiled, error) {
	f, unknown, err := build(fallback, rules, abis, o)
	if err != nil {
		return nil, err
	}
	defer f.Release()
	raw, err := through(f.ExportBPF)
	if err != nil {
		return nil, err
	}
	program, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if n := len(program); n > Limit {
		return nil, fmt.Errorf("%d instructions, the kernel takes %d: %w", n, Limit, ErrTooLong)
	}
	return &Compiled{program, unknown}, nil
}

// PFC is libseccomp's text form of the filter that Compile makes, for people.
func PFC(fallback ruleset.Action, rules []ruleset.Rule, abis []syscalls.ABI, o Options) (string, error) {
	f, _, err := build(fallback, rules, abis, o)
	if err != nil {
		return "", err
	}
	defer f.Release()
	text, err := through(f.ExportPFC)
	return string(text), err
}

// build makes libseccomp's filter of rules. It has to be released.
func build(fallback ruleset.Action, rules []ruleset.Rule, abis []syscalls.ABI, o Options) (*seccomp.ScmpFilter, Unknowns, error) {
	if len(abis) == 0 {
		return nil, nil, ruleset.ErrNoABI
	}
	action, err := native(fallback)
	if err != nil {
		return nil, nil, fmt.Errorf("default action: %w", err)
	}
	f, err := seccomp.NewFilter(action)
	if err != nil {
		return nil, nil, fmt.Errorf("default action %v: %w", fallback, explain(err, fallback))
	}
	names := &names{abis: abis, numbers: map[string]seccomp.ScmpSyscall{}}
	err = cmp.Or(digestible(rules), prepare(f, abis, o))
	for i := 0; i < len(rules) && err == nil; i++ {
		if rules[i].Action != fallback {
			err = add(f, names, rules[i])
		}
	}
	if err != nil {
		f.Release()
		return nil, nil, err
	}
	return f, names.unknown, nil
}

// maxConditional bounds the rules with conditions, each name and alternative counted. The engines' default profiles
// have about twenty. libseccomp's time grows with their square: at this bound it takes a tenth of a second or two.
const maxConditional = 256

// ErrIndigestible is in the chain of errors about rules on which libseccomp would not end.
var ErrIndigestible = errors.New("libseccomp does not end on such rules")

// digestible tests that libseccomp will come back from adding the rules: that they are not too many, and that none
// shares nodes with others (see ruleset.Style), which made libseccomp 2.5.4 loop for ever.
func digestible(rules []ruleset.Rule) error {
	total := 0
	perName := map[string]int{}
	shares := map[string]ruleset.Rule{}
	for _, rule := range rules {
		if len(rule.Conditions) == 0 {
			continue
		}
		alternatives := rule.Alternatives()
		total += len(rule.Names) * len(alternatives)
		for _, name := range rule.Names {
			perName[name] += len(alternatives)
			if len(alternatives) == 1 && sharing(alternatives[0]) {
				shares[name] = rule
			}
		}
	}
	if total > maxConditional {
		return fmt.Errorf("%d rules with conditions, at most %d are compiled: %w", total, maxConditional, ErrTooLong)
	}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		if perName[name] > 1 {
			return fmt.Errorf("%v for %s, beside other conditional rules: "+
				"only the last argument may be compared for order or inequality: %w", shares[name], name, ErrIndigestible)
		}
	}
	return nil
}

// sharing reports whether another condition follows one for which libseccomp has two nodes that lead to it.
func sharing(conditions []ruleset.Condition) bool {
	for _, c := range conditions[:len(conditions)-1] {
		if c.Op != ruleset.EQ && c.Op != ruleset.MaskedEQ {
			return true
		}
	}
	return false
}

func prepare(f *seccomp.ScmpFilter, abis []syscalls.ABI, o Options) error {
	for _, abi := range abis {
		if err := f.AddArch(archs[abi]); err != nil {
			return fmt.Errorf("architecture %v: %w", abi, err)
		}
	}
	if host := syscalls.Host(); !slices.Contains(abis, host) {
		if err := f.RemoveArch(seccomp.ArchNative); err != nil {
			return fmt.Errorf("architecture %v: %w", host, err)
		}
	}
	if o.Linear {
		return nil
	}
	if err := f.SetOptimize(2); err != nil {
		return fmt.Errorf("bisection of system call numbers: %w", err)
	}
	return nil
}

func add(f *seccomp.ScmpFilter, names *names, rule ruleset.Rule) error {
	action, err := native(rule.Action)
	if err != nil {
		return fmt.Errorf("%v: %w", rule.Origin, err)
	}
	alternatives := rule.Alternatives()
	for _, name := range rule.Names {
		number := names.number(name)
		if number == unresolved {
			continue
		}
		for _, all := range alternatives {
			if err := addOne(f, number, action, all); err != nil {
				return fmt.Errorf("%v for %s: %w", rule, name, explain(err, rule.Action))
			}
		}
	}
	return nil
}

func addOne(f *seccomp.ScmpFilter, number seccomp.ScmpSyscall, action seccomp.ScmpAction, all []ruleset.Condition) error {
	if len(all) == 0 {
		return f.AddRule(number, action)
	}
	conditions := make([]seccomp.ScmpCondition, len(all))
	for i, c := range all {
		conditions[i] = seccomp.ScmpCondition{Argument: c.Arg, Op: operators[c.Op], Operand1: c.Value, Operand2: c.ValueTwo}
	}
	return f.AddRuleConditional(number, action, conditions)
}

// names finds libseccomp's numbers for names and notes the calls that it does not know.
type names struct {
	abis    []syscalls.ABI
	numbers map[string]seccomp.ScmpSyscall
	unknown Unknowns
}

// unresolved marks names that libseccomp does not know at all (__NR_SCMP_ERROR).
const unresolved seccomp.ScmpSyscall = -1

func (n *names) number(name string) seccomp.ScmpSyscall {
	number, ok := n.numbers[name]
	if ok {
		return number
	}
	number, err := seccomp.GetSyscallFromName(name)
	if err != nil {
		number = unresolved
	}
	for _, abi := range n.abis {
		nr, exists := abi.Number(name)
		if exists && (number == unresolved || !knows(abi, name)) {
			n.unknown = append(n.unknown, Unknown{abi, nr, name})
		}
	}
	n.numbers[name] = number
	return number
}

// knows reports whether libseccomp has a number for a call of the ABI. To the calls that are multiplexed on x86 it
// gives numbers of its own, below 0, as to those that it does not know; but these it does.
func knows(abi syscalls.ABI, name string) bool {
	number, err := seccomp.GetSyscallFromNameByArch(name, archs[abi])
	return err == nil && (number >= 0 || abi == syscalls.X86 && ruleset.Multiplexed(name))
}

// through has libseccomp export to a file in memory: a pipe would be full at 64 KiB, and libseccomp 2.5 has no
// export to memory.
func through(export func(*os.File) error) ([]byte, error) {
	fd, err := unix.MemfdCreate("filter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("filter: file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "filter")
	defer file.Close()
	if err := export(file); err != nil {
		return nil, fmt.Errorf("filter: export: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("filter: export: %w", err)
	}
	raw := make([]byte, size)
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("filter: export: %w", err)
	}
	return raw, nil
}

// explain says what a person can do about an error of libseccomp's for an action.
func explain(err error, action ruleset.Action) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("libseccomp says that it contradicts an earlier rule (%w); "+
			"let their conditions exclude each other, or put unconditional rules first", err)
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("this kernel's seccomp has no %v, or forbids it here (%w); see /proc/sys/kernel/seccomp/actions_avail",
			action.Kind, err)
	}
	return err
}
