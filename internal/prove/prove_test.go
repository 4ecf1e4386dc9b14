package prove

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"strata/internal/enforce"
	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/stack"
	"strata/internal/syscalls"
)

// parse reads a profile for a plan.
func parse(t *testing.T, text string) *profile.Profile {
	t.Helper()
	p, _, err := profile.Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// plan holds everything that a plan can.
func plan(t *testing.T) stack.Plan {
	t.Helper()
	builtin, ok := profile.Builtin("runtime/default")
	if !ok {
		t.Fatal("no default profile")
	}
	return stack.Plan{
		Layers: [][]*profile.Profile{{parse(t, string(builtin))}, {parse(t, `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 0,
			"architectures": ["SCMP_ARCH_NATIVE"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [
			{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "comment": "<&>", "args": [
				{"index": 5, "value": 18446744073709551615, "valueTwo": 18446744073709551614, "op": "SCMP_CMP_MASKED_EQ"}]},
			{"names": ["getsid"], "action": "SCMP_ACT_TRACE", "errnoRet": 65535, "includes": {"minKernel": "5.11"}, "excludes": {"caps": ["CAP_KILL"]}}]}`)}},
		Ceilings:  [][]*profile.Profile{{parse(t, `{"defaultAction": "SCMP_ACT_KILL_PROCESS"}`)}},
		Machine:   profile.Machine{Native: syscalls.X86_64, Kernel: profile.Kernel{Major: 6, Minor: 1}, Capabilities: []string{"CAP_CHOWN"}},
		ChildWins: true, Log: true, Overlap: ruleset.Strictest,
	}
}

// A plan is the same in the program that makes it and in the one that carries it out.
func TestPlansSurviveTheirWay(t *testing.T) {
	before := plan(t)
	data, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after stack.Plan
	if err := json.Unmarshal(data, &after); err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("%+v became %+v, %v", before, after, err)
	}
}

func TestRun(t *testing.T) {
	data, err := json.Marshal(stack.Plan{
		Layers:  [][]*profile.Profile{{parse(t, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}`)}},
		Machine: profile.Machine{Native: syscalls.Host()},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var e enforce.Enforced
	if err := run(bytes.NewReader(data), &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Instructions == 0 || len(e.Layers) != 1 || !strings.Contains(string(e.Profile), `"getsid"`) {
		t.Errorf("%s, %v", out.Bytes(), err)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, c := range map[string]struct{ plan, says string }{
		"nothing":                  {"", "standard input"},
		"a cut plan":               {`{"Layers": [`, "standard input"},
		"another version's plan":   {`{"Layers": [[{"Default": "SCMP_ACT_ALLOW"}]], "AtMost": "x"}`, "AtMost"},
		"another version's layers": {`{"Layers": [[{"Default": "SCMP_ACT_ALLOW", "Unless": "x"}]]}`, "Unless"},
		"no layers":                {`{}`, "at least one layer"},
	} {
		var out bytes.Buffer
		if err := run(strings.NewReader(c.plan), &out); err == nil || !strings.Contains(err.Error(), c.says) || out.Len() > 0 {
			t.Errorf("%s: %q, %v; want an error with %q", name, out.String(), err, c.says)
		}
	}
}
