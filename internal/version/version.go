// Package version says which Strata this is. The Makefile stamps it.
package version

var (
	// Version is the release, as in semver.org.
	Version = "0.0.0"
	// Commit is the commit that the program was built from, with -dirty after it if the tree had changes.
	Commit = "unknown"
)

// String is what --version prints after the program's name.
func String() string { return Version + " (" + Commit + ")" }
