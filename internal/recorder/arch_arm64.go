package recorder

import (
	_ "embed"

	"strata/internal/syscalls"
)

//go:embed bpf/recorder_arm64.o
var object []byte

// abis are the tables of a recording, in the order of the BPF source.
var abis = [tables]syscalls.ABI{syscalls.AArch64, syscalls.ARM}

const (
	threadFlags        = "flags" // TIF_32BIT stands there
	systemCallRegister = "syscallno"
)

// number is the system call in a slot of an ABI's table. 32-bit ARM has a few calls of its own far above the others
// (arch/arm/include/uapi/asm/unistd.h); they stand at the table's end.
func number(abi syscalls.ABI, slot int) uint32 {
	const private, reserved = 0x0f0000, 16
	if abi == syscalls.ARM && slot >= calls-reserved {
		return private + uint32(slot-(calls-reserved))
	}
	return uint32(slot)
}
