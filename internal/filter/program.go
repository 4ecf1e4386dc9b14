package filter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"strata/internal/ruleset"
	"strata/internal/syscalls"
)

// Limit is how many instructions the kernel takes in one filter (BPF_MAXINSNS, include/uapi/linux/bpf_common.h).
const Limit = 4096

// Instruction is one struct sock_filter (include/uapi/linux/filter.h).
type Instruction = bpf.RawInstruction

// Program is a seccomp filter as the kernel takes it.
type Program []Instruction

// instructionSize is the size of struct sock_filter in bytes.
const instructionSize = 8

// Parse reads a program in the form of the kernel's struct sock_filter array, in this machine's byte order, which
// is what libseccomp exports and PTRACE_SECCOMP_GET_FILTER gives.
func Parse(raw []byte) (Program, error) {
	if len(raw)%instructionSize != 0 || len(raw) == 0 {
		return nil, fmt.Errorf("program of %d bytes: not whole instructions of %d bytes", len(raw), instructionSize)
	}
	p := make(Program, 0, len(raw)/instructionSize)
	for ; len(raw) > 0; raw = raw[instructionSize:] {
		p = append(p, Instruction{
			Op: binary.NativeEndian.Uint16(raw),
			Jt: raw[2],
			Jf: raw[3],
			K:  binary.NativeEndian.Uint32(raw[4:]),
		})
	}
	return p, nil
}

// Bytes is the program as a struct sock_filter array in this machine's byte order.
func (p Program) Bytes() []byte {
	raw := make([]byte, 0, len(p)*instructionSize)
	for _, i := range p {
		raw = binary.NativeEndian.AppendUint16(raw, i.Op)
		raw = append(raw, i.Jt, i.Jf)
		raw = binary.NativeEndian.AppendUint32(raw, i.K)
	}
	return raw
}

// Offsets in struct seccomp_data (include/uapi/linux/seccomp.h) and its size.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
	dataSize     = 64
)

// Simulate runs the program for one call and gives its action. The arguments' high halves are 0 on x86 and ARM, as
// the kernel sets them.
func (p Program) Simulate(call ruleset.Call) (ruleset.Action, error) {
	decoded, all := bpf.Disassemble(p)
	if !all {
		return ruleset.Action{}, errors.New("program: holds what is no instruction")
	}
	vm, err := bpf.NewVM(decoded)
	if err != nil {
		return ruleset.Action{}, fmt.Errorf("program: %w", err)
	}
	// The machine of x/net loads words of a packet, which are big-endian, where the kernel's loads are native: words
	// written big-endian come out as the kernel would load them.
	packet := make([]byte, dataSize)
	binary.BigEndian.PutUint32(packet[offsetNumber:], seen(call.ABI, call.Number))
	binary.BigEndian.PutUint32(packet[offsetArch:], call.ABI.Audit())
	for i, arg := range call.Args {
		if halves(call.ABI) {
			arg = uint64(uint32(arg))
		}
		low, high := offsetsOf(i)
		binary.BigEndian.PutUint32(packet[low:], uint32(arg))
		binary.BigEndian.PutUint32(packet[high:], uint32(arg>>32))
	}
	result, err := vm.Run(packet)
	if err != nil {
		return ruleset.Action{}, fmt.Errorf("program: %w", err)
	}
	return actionOf(uint32(result))
}

// seen is the number that a filter sees for a call.
func seen(abi syscalls.ABI, nr uint32) uint32 {
	if abi == syscalls.X32 {
		return nr | syscalls.X32Bit
	}
	return nr
}

// halves reports whether arguments of the ABI have 32 bits in the kernel's registers.
func halves(abi syscalls.ABI) bool { return abi == syscalls.X86 || abi == syscalls.ARM }

// bigEndian is how this machine stores words.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// offsetsOf are the places of the low and high half of an argument in struct seccomp_data.
func offsetsOf(arg int) (low, high int) {
	low, high = offsetArgs+8*arg, offsetArgs+8*arg+4
	if bigEndian {
		low, high = high, low
	}
	return low, high
}

// The kernel's return values (include/uapi/linux/seccomp.h, SECCOMP_RET_*).
const (
	retAction = 0xffff0000
	retData   = 0x0000ffff
)

var returns = map[ruleset.Kind]uint32{
	ruleset.KillProcess: 0x80000000,
	ruleset.KillThread:  0x00000000,
	ruleset.Trap:        0x00030000,
	ruleset.Errno:       0x00050000,
	ruleset.Notify:      0x7fc00000,
	ruleset.Trace:       0x7ff00000,
	ruleset.Log:         0x7ffc0000,
	ruleset.Allow:       0x7fff0000,
}

var errNoAction = errors.New("no action of the kernel's")

// actionOf reads a filter's return value. The number that an action carries for nothing is dropped.
func actionOf(ret uint32) (ruleset.Action, error) {
	for kind, value := range returns {
		if ret&retAction != value {
			continue
		}
		a := ruleset.Action{Kind: kind}
		if kind.HasData() {
			a.Errno = uint16(ret & retData)
		}
		return a, nil
	}
	return ruleset.Action{}, fmt.Errorf("return value %#x: %w", ret, errNoAction)
}
