// Package filter turns rules into the program that the kernel runs, with libseccomp as runc and crun use it, and
// proves that the program does what the rules say: the program is read back as a set for all calls and all
// arguments (lift.go) and compared with the set that was meant (prove.go). It exports, simulates and installs
// programs.
//
// The package knows no files, no profile formats and no containers; what rules mean is ruleset's.
package filter
