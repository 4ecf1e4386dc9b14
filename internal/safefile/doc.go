// Package safefile reads and replaces files below a directory that the
// administrator chose, by names that somebody else may have chosen.
//
// It is the only room that opens files by a name taken from a request: names
// never lead out of the root, links are refused (or, on request, followed as
// long as they stay inside), only regular files are opened, what is read is
// limited in size, and what is written appears whole or not at all.
//
// Every decision is taken on a descriptor and never again on a name, so
// swapping a file or a directory while Strata looks at it gains nothing. The
// kernel resolves the names (openat2(2), Linux 5.6), because os.Root can not be
// told to refuse links.
//
// It must never know what the files mean.
package safefile
