package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"strata/test/installation"
	"strata/test/programs"
	"strata/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m, installation.Install, programs.Build, nodePolicy) }

// full says whether the long repetitions are wanted.
func full() bool { return os.Getenv("STRATA_FULL") != "" }

// times is how often something is repeated: ordinarily, and in the full suite.
func times(ordinarily, fully int) int {
	if full() {
		return fully
	}
	return ordinarily
}

// A way is one of the ways that containers are started.
type way = testbed.Way

// eachWay runs a test once for each runtime, with and without no_new_privs.
func eachWay(t *testing.T, test func(*testing.T, way)) {
	for _, w := range testbed.Ways() {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// nameOf is a name for a test's recording that no other one has.
func nameOf(t *testing.T, more ...string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name())
	return strings.Join(append([]string{name}, more...), "-")
}

func number(i int) string { return strconv.Itoa(i) }
