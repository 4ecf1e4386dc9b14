package enforcement

import (
	"strings"
	"testing"

	"strata/test/programs"
	"strata/test/testbed"
)

// tightening runs a program that restricts itself with libseccomp.
var tightening = &testbed.Image{Name: "tighten", Programs: map[string]string{"/tighten": programs.Tighten}}

// An application that restricts itself does so under a stack as well: both filters hold. Where the stack denies what it
// needs for that, it gets the stack's errno.
func TestAppsThatRestrictThemselves(t *testing.T) {
	for name, text := range map[string]string{
		"quiet":      `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}`,
		"no-seccomp": `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["seccomp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}`,
		"neither":    `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["seccomp", "prctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]}`,
	} {
		write(t, profiles+"/"+name+".json", text)
	}
	eachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		for _, c := range []struct {
			stack, argument string
			code            int
			says            string
		}{
			{"child", "denied", 0, "tight"},
			{"runtime/default:quiet", "denied", 0, "tight"},
			{"no-seccomp", "", 0, "tight"}, // libseccomp uses prctl then
			{"neither:child", "denied", 4, "seccomp_load"},
		} {
			argv := strings.Fields("/tighten " + c.argument)
			outcome := w.Run(t, w.Flags("--rm", "--annotation", "io.strata.stack="+c.stack), tightening, argv...)
			// Without no_new_privs runc itself needs prctl under the filter, and so the container does not start.
			unstartable := c.stack == "neither:child" && !w.NoNewPrivileges
			if unstartable && outcome.Code == 0 || !unstartable && (outcome.Code != c.code || !strings.Contains(outcome.Stdout+outcome.Stderr, c.says)) {
				t.Errorf("%s: %v", c.stack, outcome)
			}
		}
	})
}
