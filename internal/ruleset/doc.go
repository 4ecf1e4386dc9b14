// Package ruleset is the exact algebra of seccomp rules: for every ABI, system call and six 64-bit arguments it
// knows an action, or that nothing is said there. It reads rules with the meaning that runc and crun give them,
// merges, restricts and compares whole sets for all calls and all arguments at once, and writes rules again.
//
// A set holds one reduced decision diagram per system call over the bits of its arguments (diagram.go), so two
// system calls are treated alike exactly if their diagrams are the same node, and every question is answered by
// walking diagrams, never by sampling.
//
// The package knows no files, no JSON, no libseccomp and no kernel: names and numbers come from syscalls, and
// what libseccomp does to rules is written down here as plain facts (read.go, multiplex.go).
package ruleset
