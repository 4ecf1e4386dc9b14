// Command strata-prove makes a stack for strata-hook and strata-runtime and proves what libseccomp compiles of it: a plan
// on standard input, the proven profile on standard output. It is no command for people: strata-stack(1) is.
package main

import (
	"os"

	"strata/internal/prove"
)

func main() { os.Exit(prove.Main()) }
