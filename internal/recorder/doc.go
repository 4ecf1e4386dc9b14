// Package recorder watches the system calls of containers with BPF programs that stay in the kernel, pinned, while no
// process of Strata is alive.
//
// One set of programs and maps serves the whole node: the first recording loads and pins it, the next ones use it, and
// the last one takes it away. Nothing is streamed, so nothing can be lost on the way: a recording is a table in a map,
// with the time at which each system call was first made.
//
// The package knows processes, system call numbers and the kernel. It must never know profiles, annotations, engines
// or what a recording is for.
package recorder

//go:generate clang -O2 -g0 -target bpf -mcpu=v3 -Wall -Werror -D__TARGET_ARCH_x86 -c bpf/recorder.bpf.c -o bpf/recorder_amd64.o
//go:generate clang -O2 -g0 -target bpf -mcpu=v3 -Wall -Werror -D__TARGET_ARCH_arm64 -c bpf/recorder.bpf.c -o bpf/recorder_arm64.o
