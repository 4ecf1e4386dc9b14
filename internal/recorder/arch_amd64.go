package recorder

import (
	_ "embed"

	"strata/internal/syscalls"
)

//go:embed bpf/recorder_amd64.o
var object []byte

// abis are the tables of a recording, in the order of the BPF source.
var abis = [tables]syscalls.ABI{syscalls.X86_64, syscalls.X86, syscalls.X32}

const (
	threadFlags        = "status"  // TS_COMPAT stands there
	systemCallRegister = "orig_ax" // include/asm/ptrace.h
)

// number is the system call in a slot of an ABI's table.
func number(_ syscalls.ABI, slot int) uint32 { return uint32(slot) }
