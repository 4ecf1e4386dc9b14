// Package syscalls knows the names and numbers of Linux system calls for each ABI that Strata records and filters.
//
// The tables are data: syscalls.txt is read from the kernel's own headers and table.go is generated from it, so that
// names newer than the installed libseccomp are known too. Tables are laid out by the compiler and searched by bisection;
// importing the package costs a hook nothing at start.
//
// The package must never know about profiles, filters or the running kernel.
package syscalls

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
)

//go:generate go run ./gen

// X32Bit is set in the numbers of x32 calls as the kernel sees them (__X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h).
// Numbers in this package are without it.
const X32Bit uint32 = 0x40000000

// ABI is one way of calling the kernel: an instruction set and the table of calls that belongs to it.
type ABI uint8

// The ABIs with a table. The zero ABI is none of them.
const (
	X86_64 ABI = iota + 1
	X86
	X32
	AArch64
	ARM

	last = ARM
)

// armPrivate is the first of arm's private calls (__ARM_NR_BASE: cacheflush, set_tls…), which lie far above the table proper.
const armPrivate = 0x0f0000

// abis is indexed by ABI - 1. Audit values are AUDIT_ARCH_* of include/uapi/linux/audit.h; x32 shares that of x86-64.
var abis = [last]struct {
	name, arch string
	audit      uint32
	beside     []ABI
}{
	{"x86_64", "SCMP_ARCH_X86_64", 0xc000003e, []ABI{X86, X32}},
	{"x86", "SCMP_ARCH_X86", 0x40000003, nil},
	{"x32", "SCMP_ARCH_X32", 0xc000003e, nil},
	{"aarch64", "SCMP_ARCH_AARCH64", 0xc00000b7, []ABI{ARM}},
	{"arm", "SCMP_ARCH_ARM", 0x40000028, nil},
}

// hosts maps what Go calls an architecture to the ABI that its programs use.
var hosts = map[string]ABI{"amd64": X86_64, "386": X86, "arm64": AArch64, "arm": ARM}

// ABIs lists all ABIs in their order.
func ABIs() []ABI { return []ABI{X86_64, X86, X32, AArch64, ARM} }

// Host is the ABI of this program, or 0 on an architecture without a table.
func Host() ABI { return hosts[runtime.GOARCH] }

// Parse finds an ABI by its short name, as String gives it.
func Parse(name string) (ABI, bool) {
	return find(func(a ABI) bool { return a.String() == name })
}

// ParseArch finds an ABI by libseccomp's name as profiles use it, such as SCMP_ARCH_X86_64.
func ParseArch(arch string) (ABI, bool) {
	return find(func(a ABI) bool { return a.Arch() == arch })
}

func find(is func(ABI) bool) (ABI, bool) {
	for a := ABI(1); a <= last; a++ {
		if is(a) {
			return a, true
		}
	}
	return 0, false
}

// Valid says whether a is one of the ABIs with a table.
func (a ABI) Valid() bool { return a >= 1 && a <= last }

// String is the ABI's short name: x86_64, x86, x32, aarch64 or arm.
func (a ABI) String() string {
	if !a.Valid() {
		return "unknown ABI"
	}
	return abis[a-1].name
}

// Arch is the ABI's name in profiles: SCMP_ARCH_X86_64 and so on.
func (a ABI) Arch() string {
	if !a.Valid() {
		return ""
	}
	return abis[a-1].arch
}

// Audit is the AUDIT_ARCH value that a seccomp filter sees for this ABI. X32 has that of X86_64: X32Bit tells them apart.
func (a ABI) Audit() uint32 {
	if !a.Valid() {
		return 0
	}
	return abis[a-1].audit
}

// Beside lists the other ABIs that a kernel whose native ABI is a can run.
func (a ABI) Beside() []ABI {
	if !a.Valid() {
		return nil
	}
	return slices.Clone(abis[a-1].beside)
}

// MarshalText makes ABIs usable as keys and values in JSON.
func (a ABI) MarshalText() ([]byte, error) {
	if !a.Valid() {
		return nil, Unknown(a.String())
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (a *ABI) UnmarshalText(text []byte) error {
	abi, ok := Parse(string(text))
	if !ok {
		return Unknown(text)
	}
	*a = abi
	return nil
}

// Unknown is the error for a text that names no ABI.
type Unknown string

func (u Unknown) Error() string {
	return "ABI \"" + string(u) + "\" is unknown (known: x86_64, x86, x32, aarch64, arm)"
}

// Number is the number of the call of that name.
func (a ABI) Number(name string) (uint32, bool) {
	if !a.Valid() {
		return 0, false
	}
	i, ok := search(name)
	if !ok || table[i].nr[a-1] == none {
		return 0, false
	}
	return table[i].nr[a-1], true
}

// Name is the name of the call with that number.
func (a ABI) Name(nr uint32) (string, bool) {
	if !a.Valid() {
		return "", false
	}
	order := byNumber[a-1]
	i, ok := slices.BinarySearchFunc(order, nr, func(row uint16, nr uint32) int {
		return cmp.Compare(table[row].nr[a-1], nr)
	})
	if !ok {
		return "", false
	}
	return table[order[i]].name, true
}

// Names lists the names of all calls of the ABI, sorted.
func (a ABI) Names() []string {
	if !a.Valid() {
		return nil
	}
	names := make([]string, 0, len(table))
	for i := range table {
		if table[i].nr[a-1] != none {
			names = append(names, table[i].name)
		}
	}
	return names
}

// Max is the highest number in the ABI's table. Arm's private calls (0x0f0000 and above) do not count.
func (a ABI) Max() uint32 {
	if !a.Valid() {
		return 0
	}
	order := byNumber[a-1]
	for i := len(order) - 1; i >= 0; i-- {
		if nr := table[order[i]].nr[a-1]; nr < armPrivate {
			return nr
		}
	}
	return 0
}

// Known says whether any Linux architecture has, or had in the headers read, a call of that name, architectures without a
// table here included. A name that is not known is most likely misspelt.
func Known(name string) bool {
	if _, ok := search(name); ok {
		return true
	}
	_, ok := slices.BinarySearch(elsewhere[:], name)
	return ok
}

func search(name string) (int, bool) {
	return slices.BinarySearchFunc(table[:], name, func(r row, name string) int { return strings.Compare(r.name, name) })
}

// row is one name with its number in each ABI, indexed by ABI - 1.
type row struct {
	name string
	nr   [last]uint32
}

// none marks a call that an ABI does not have.
const none = ^uint32(0)
