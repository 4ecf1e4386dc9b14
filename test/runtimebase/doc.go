// Package runtimebase measures which calls runc and crun make under a container's filter before the container's own
// program runs, with Strata's own recorder, and checks that the bases in profiles/base hold them.
//
// STRATA_MEASURE=N go test ./test/runtimebase starts each container N times under all conditions, with the runtimes of
// this distribution and of the next one, and writes profiles/base anew:
//
//	RUNTIME.json           the base: what was seen and what is possible
//	RUNTIME.measured.json  versions, numbers of starts, and for each call in how many it was seen and in which alone
//	RUNTIME.possible.json  calls that were not seen but can come, each with its reason
package runtimebase
