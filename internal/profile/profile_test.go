package profile

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is written reads back as what it was, and the same document has the same bytes.
func TestRoundTrip(t *testing.T) {
	for _, f := range []Format{OCI, Docker, SPO} {
		t.Run(f.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := documents(f).Draw(t, "profile")
				data, _, err := p.Write(f)
				if err != nil {
					t.Fatal(err)
				}
				back, _, err := Parse(p.Name, data)
				if err != nil {
					t.Fatalf("%v\n%s", err, data)
				}
				if !reflect.DeepEqual(back, p) {
					t.Fatalf("got  %+v\nwant %+v\n%s", back, p, data)
				}
				again, _, err := back.Write(f)
				if err != nil || !bytes.Equal(again, data) {
					t.Fatalf("written again: %v\n%s\nbefore:\n%s", err, again, data)
				}
			})
		})
	}
}

// mustParse reads a document that is right.
func mustParse(t *testing.T, data string) (*Profile, Warnings) {
	t.Helper()
	p, ws, err := Parse("web", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return p, ws
}

func TestRefused(t *testing.T) {
	rule := func(s string) string {
		return `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"},` + "\n" + s + `]}`
	}
	arg := func(s string) string {
		return rule(`{"names": ["clone", "fork"], "action": "SCMP_ACT_ALLOW", "args": [` + s + `]}`)
	}
	spo := func(s string) string {
		return "apiVersion: security-profiles-operator.x-k8s.io/v1\nkind: SeccompProfile\nmetadata: {name: web}\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n" + s
	}
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "is empty"},
		{"blank", " \n\t", "is empty"},
		{"empty object", "{}", "silently"},
		{"null", "null", "the profile is null, not an object"},
		{"list", "[]", "the profile is a list, not an object"},
		{"not UTF-8", "{\"default\xff\": 1}", "is not UTF-8"},
		{"no default", `{"syscalls": []}`, "the profile has no defaultAction"},
		{"null default", `{"defaultAction": null, "syscalls": []}`, "the profile has no defaultAction"},
		{"unknown key", `{"defaultAction": "SCMP_ACT_ALLOW", "default": 1}`, `line 1, column 37: the profile has an unknown key "default"`},
		{"key in other case", `{"DefaultAction": "SCMP_ACT_ALLOW"}`, `unknown key "DefaultAction" (write defaultAction)`},
		{"duplicate key", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}`, `column 37: key "defaultAction" is there twice`},
		{"duplicate key, escaped", `{"defaultAction": "SCMP_ACT_ERRNO", "d\u0065faultAction": "SCMP_ACT_ALLOW"}`, `key "defaultAction" is there twice`},
		{"trailing data", `{"defaultAction": "SCMP_ACT_ALLOW"} {}`, "line 1, column 37: '{' follows the profile"},
		{"truncated", "{\"defaultAction\":\n \"SCMP_ACT", "line 2, column 11: the file ends where the end of a string is expected"},
		{"comma", `{"defaultAction": "SCMP_ACT_ALLOW",}`, "column 36: another item is expected, not '}'"},
		{"comment", "{\n// all\n}", "line 2, column 1: a key in quotation marks is expected, not '/'"},
		{"bad escape", `{"default\xAction": 1}`, "is none of JSON's"},
		{"line break in a string", "{\"default\nAction\": 1}", "line 1, column 10: a control character"},
		{"no colon", `{"defaultAction" "SCMP_ACT_ALLOW"}`, "a colon is expected, not '\"'"},
		{"no comma", `{"defaultAction": "SCMP_ACT_ALLOW" "flags": []}`, "a comma or '}' is expected"},
		{"no value", `{"defaultAction":`, "the file ends where a value is expected"},
		{"leading zero", `{"defaultAction": 01}`, "a number is expected, not '0'"},
		{"word", `{"defaultAction": nulll}`, "a value is expected, not 'n'"},
		{"byte order mark", "\ufeff{}", "line 1"},
		{"not a number", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": NaN}`, "column 56: a value is expected, not 'N'"},
		{"unknown action", `{"defaultAction": "SCMP_ACT_DENY"}`, `defaultAction "SCMP_ACT_DENY" is unknown`},
		{"action in lower case", `{"defaultAction": "scmp_act_allow"}`, "is unknown"},
		{"action of wrong type", `{"defaultAction": ["SCMP_ACT_ALLOW"]}`, "defaultAction is a list, not a string"},
		{"default notify", `{"defaultAction": "SCMP_ACT_NOTIFY"}`, "the default action cannot be SCMP_ACT_NOTIFY"},
		{"default errno of allow", `{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}`, "SCMP_ACT_ALLOW returns none"},
		{"default errno unknown", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOTHING"}`, `defaultErrno "ENOTHING" is unknown`},
		{"default errnos disagree", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EPERM", "defaultErrnoRet": 38}`, "disagree"},
		{"errno too high", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}`, "above 4095"},
		{"errno not whole", `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1.5}`, "1.5 is not a whole number"},
		{"unknown architecture", `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]}`, `architecture "SCMP_ARCH_Z80" is unknown`},
		{"architectures not a list", `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": "SCMP_ARCH_X86"}`, "architecture list is a string"},
		{"architectures twice", `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_ARM"}]}`, "architectures and archMap"},
		{"archMap twice", `{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_ARM"}, {"architecture": "SCMP_ARCH_ARM"}]}`, "two entries for SCMP_ARCH_ARM"},
		{"archMap of native", `{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_NATIVE"}]}`, `"SCMP_ARCH_NATIVE" is unknown`},
		{"unknown flag", `{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`, `flag "SECCOMP_FILTER_FLAG_NEW_LISTENER" is unknown`},
		{"metadata alone", `{"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}`, "without a listenerPath"},
		{"control characters", `{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "a\nb"}`, `listenerPath "a\nb" has control characters`},
		{"long text", `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "` + strings.Repeat("a", 5000) + `"}`, "has 5000 bytes"},

		{"rule without names", rule(`{"action": "SCMP_ACT_ALLOW"}`), "rule 2: the rule names no system call"},
		{"rule with empty names", rule(`{"names": [], "action": "SCMP_ACT_ALLOW"}`), "rule 2: the rule names no system call"},
		{"rule without action", rule(`{"names": ["clone"]}`), `profile "web": line 2, column 1: rule 2 (clone): the rule has no action`},
		{"rule is null", rule(`null`), "rule 2: the rule is null"},
		{"unknown key in rule", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "arg": []}`), `rule 2 (clone): the rule has an unknown key "arg"`},
		{"name and names", rule(`{"name": "fork", "names": ["clone"], "action": "SCMP_ACT_ALLOW"}`), "name and names"},
		{"name of wrong type", rule(`{"names": [57], "action": "SCMP_ACT_ALLOW"}`), "a name is a number"},
		{"name that is none", rule(`{"names": ["clone "], "action": "SCMP_ACT_ALLOW"}`), `"clone " cannot be the name`},
		{"empty name", rule(`{"names": [""], "action": "SCMP_ACT_ALLOW"}`), `"" cannot be the name`},
		{"long name", rule(`{"names": ["` + strings.Repeat("x", 70000) + `"], "action": "SCMP_ACT_ALLOW"}`), `x…" cannot be the name`},
		{"errno of allow", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}`), "rule 2 (clone): errnoRet is there, but action SCMP_ACT_ALLOW returns none"},
		{"errno of kill", rule(`{"names": ["clone"], "action": "SCMP_ACT_KILL", "errnoRet": 0}`), "returns none"},
		{"errno above uint64", rule(`{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18446744073709551617}`), "is not a whole number from 0 to 65535"},
		{"errnos disagree", rule(`{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "ENOSYS"}`), "disagree"},
		{"notify write", rule(`{"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"}`), "write cannot have action SCMP_ACT_NOTIFY"},
		{"unknown capability", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["SYS_ADMIN"]}}`), `capability "SYS_ADMIN" is unknown`},
		{"unknown native", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["x86_64"]}}`), `architecture "x86_64" is unknown`},
		{"bad kernel", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8.1"}}`), `minKernel "4.8.1" is not`},
		{"zero kernel", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "0.0"}}`), `minKernel "0.0" is not`},
		{"unknown key in filter", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "includes": {"kernel": "4.8"}}`), `includes has an unknown key "kernel"`},

		{"index above 5", arg(`{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}`), "rule 2 (clone…): argument index 6 is not a whole number from 0 to 5"},
		{"negative index", arg(`{"index": -1, "value": 0, "op": "SCMP_CMP_EQ"}`), "argument index -1"},
		{"no index", arg(`{"value": 0, "op": "SCMP_CMP_EQ"}`), "the condition has no index"},
		{"no value", arg(`{"index": 0, "op": "SCMP_CMP_EQ"}`), "the condition has no value"},
		{"no operator", arg(`{"index": 0, "value": 0}`), "the condition has no op"},
		{"unknown operator", arg(`{"index": 0, "value": 0, "op": "EQ"}`), `operator "EQ" is unknown`},
		{"value above uint64", arg(`{"index": 0, "value": 18446744073709551616, "op": "SCMP_CMP_EQ"}`), "value 18446744073709551616 is not a whole number from 0 to 18446744073709551615"},
		{"value with exponent", arg(`{"index": 0, "value": 1e3, "op": "SCMP_CMP_EQ"}`), "value 1e3 is not"},
		{"value as text", arg(`{"index": 0, "value": "1", "op": "SCMP_CMP_EQ"}`), "value is a string, not a number"},
		{"value is negative zero", arg(`{"index": 0, "value": -0, "op": "SCMP_CMP_EQ"}`), "value -0 is not"},
		{"too many conditions", arg(strings.Repeat(`{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"},`, MaxArgs) + `{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}`), "args has 65 entries"},
		{"too deep", strings.Repeat("[", 100) + strings.Repeat("]", 100), "more than 32 deep"},
		{"very deep", strings.Repeat("[", 100000), "more than 32 deep"},

		{"no kind", "apiVersion: security-profiles-operator.x-k8s.io/v1\nmetadata: {name: web}\nspec: {defaultAction: SCMP_ACT_LOG}", "the object has no kind"},
		{"other kind", strings.Replace(spo(""), "kind: SeccompProfile", "kind: Pod", 1), `line 2, column 7: kind "Pod" is unknown`},
		{"other version", strings.Replace(spo(""), "/v1", "/v1alpha1", 1), "apiVersion"},
		{"no metadata", strings.Replace(spo(""), "metadata: {name: web}\n", "", 1), "the object has no metadata"},
		{"no name", strings.Replace(spo(""), "{name: web}", "{}", 1), "metadata has no name"},
		{"no spec", "apiVersion: security-profiles-operator.x-k8s.io/v1\nkind: SeccompProfile\nmetadata: {name: web}", "the object has no spec"},
		{"unknown key in spec", spo("  defaultErrnoRet: 38\n"), `spec has an unknown key "defaultErrnoRet"`},
		{"unknown key in metadata", strings.Replace(spo(""), "{name: web}", "{name: web, names: x}", 1), `metadata has an unknown key "names"`},
		{"label is no text", strings.Replace(spo(""), "{name: web}", "{name: web, labels: {a: 1}}", 1), "labels: a is a number"},
		{"old key in v1", spo("  disabled: true\n"), `unknown key "disabled"`},
		{"unknown state", spo("  state: Off\n"), `state "Off" is unknown`},
		{"includes in spec", spo("  syscalls:\n  - names: [clone]\n    action: SCMP_ACT_ALLOW\n    includes: {caps: [CAP_SYS_ADMIN]}\n"), `line 9, column 5: rule 1 (clone): the rule has an unknown key "includes"`},
		{"two documents", spo("---\n") + spo(""), "a second document"},
		{"anchor", spo("  syscalls: &a []\n"), "anchors and aliases are not read"},
		{"alias", spo("  syscalls: []\n  flags: *a\n"), "unknown anchor"},
		{"long alias", spo("  flags: *" + strings.Repeat("a", 100000) + "\n"), "unknown anchor 'aaa"},
		{"merge", spo("  <<: {flags: []}\n"), `type "!!merge" is not read`},
		{"tag", spo("  flags: !!set {}\n"), "tag"},
		{"duplicate key in YAML", spo("  defaultAction: SCMP_ACT_ALLOW\n"), `line 6, column 3: key "defaultAction" is there twice`},
		{"key that is no text", spo("  1: 2\n"), "a key is a number"},
		{"octal", spo("  syscalls:\n  - {names: [clone], action: SCMP_ACT_ALLOW, args: [{index: 0, value: 010, op: SCMP_CMP_EQ}]}\n"), "value 010 is not"},
		{"infinity", spo("  syscalls:\n  - {names: [clone], action: SCMP_ACT_ALLOW, args: [{index: 0, value: .inf, op: SCMP_CMP_EQ}]}\n"), "value .inf is not"},
		{"bare text", "runtime/default", "the profile is a string"},
		{"bad YAML", "a: [", "line 1"},
		{"deep YAML", strings.Repeat("- ", 100) + "a", "more than 32 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, err := Parse("web", []byte(c.data))
			if err == nil {
				t.Fatalf("accepted as %+v", p)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant: %s", err, c.want)
			}
			if !strings.HasPrefix(err.Error(), `profile "web": `) {
				t.Errorf("%v\ndoes not name the profile", err)
			}
			if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q\nis not a line to read", err)
			}
		})
	}
}

func TestAllErrorsAreTold(t *testing.T) {
	_, _, err := Parse("web", []byte(`{"defaultAction": "ALLOW", "flags": [1], "syscalls": [{"names": ["read"]}]}`))
	var es Errors
	if !errors.As(err, &es) || len(es) != 3 {
		t.Fatalf("%v: want three errors", err)
	}
	var first *Error
	if !errors.As(err, &first) || first != es[0] {
		t.Errorf("%v: the first is not found", err)
	}
	if es[2].Rule != 1 || es[2].Call != "read" {
		t.Errorf("third: %+v", es[2])
	}
	if !strings.HasSuffix(err.Error(), "(and 2 more)") {
		t.Errorf("%v: does not say how many there are", err)
	}
	_, _, err = Parse("web", []byte(`{"defaultAction": "ALLOW", "flags": [`+strings.Repeat("1,", 1000)+`1]}`))
	if !errors.As(err, &es) || len(es) > maxErrors {
		t.Errorf("%d errors, want at most %d", len(es), maxErrors)
	}
}

func TestTooMuch(t *testing.T) {
	for name, data := range map[string]string{
		"size":           `{"defaultAction": "SCMP_ACT_ALLOW"}` + strings.Repeat(" ", MaxSize),
		"YAML":           "a: " + strings.Repeat(" ", MaxYAML) + "b",
		"values":         `{"defaultAction": [` + strings.Repeat("0,", MaxValues) + `0]}`,
		"values in YAML": "a: [" + strings.Repeat("0,", MaxValues) + "0]",
		"rules":          `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [` + strings.Repeat("0,", MaxRules) + `0]}`,
		"names in all":   `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [` + strings.Repeat(`{"action": "SCMP_ACT_LOG", "names": [`+strings.Repeat(`"read",`, MaxNames/2)+`"read"]},`, 2) + `{"action": "SCMP_ACT_LOG", "names": ["read"]}]}`,
		"names":          `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG", "names": [` + strings.Repeat(`"read",`, MaxNames) + `"read"]}]}`,
	} {
		if _, _, err := Parse("web", []byte(data)); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	rule := func(s string) string { return `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [` + s + `]}` }
	for _, c := range []struct {
		name, data, want string
		reason           Reason
	}{
		{"unknown call", rule(`{"names": ["raed"], "action": "SCMP_ACT_ALLOW"}`), `rule 1 (raed): system call "raed" is unknown`, UnknownCall},
		{"name twice", rule(`{"names": ["read", "read"], "action": "SCMP_ACT_ALLOW"}`), "name read is there twice", Repeated},
		{"architecture twice", `{"defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86"]}`, "is there twice", Repeated},
		{"alternatives", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
			{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}`),
			"rule 1 (clone): two conditions on argument 0", RepeatedIndex},
		{"never", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}`), "never holds", NoEffect},
		{"never, in part", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 3, "valueTwo": 6, "op": "SCMP_CMP_MASKED_EQ"}]}`), "never holds", NoEffect},
		{"second value", rule(`{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}`), "no meaning", NoEffect},
		{"nobody listens", rule(`{"names": ["clone"], "action": "SCMP_ACT_NOTIFY"}`), "no listenerPath", NoEffect},
		{"nothing to hear", `{"defaultAction": "SCMP_ACT_LOG", "listenerPath": "/run/x"}`, "no rule notifies", NoEffect},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ws := mustParse(t, c.data)
			if len(ws) != 1 || ws[0].Reason != c.reason || !strings.Contains(ws[0].String(), c.want) {
				t.Fatalf("%v\nwant one: %s", ws, c.want)
			}
			if strict := ws.Strict(); (strict != nil) != (c.reason == UnknownCall) {
				t.Errorf("strict: %v", strict)
			}
		})
	}
}

func TestReadings(t *testing.T) {
	p, ws := mustParse(t, `{
		"baseProfileName": "runtime/default",
		"defaultAction": "SCMP_ACT_KILL", "defaultErrno": "",
		"syscalls": [
			{"name": "read", "action": "SCMP_ACT_KILL_THREAD", "args": null, "includes": {}, "comment": "two\nlines"},
			{"names": ["write", "_sysctl", "clone"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS", "errnoRet": 38,
			 "args": [{"index": 5, "value": 18446744073709551615, "op": "SCMP_CMP_MASKED_EQ"}],
			 "includes": {"minKernel": "4.8", "caps": ["CAP_SYS_ADMIN"]}, "excludes": {"arches": ["s390x", "amd64"], "minKernel": ""}}
		]}`)
	e := Errno(38)
	want := &Profile{
		Name: "web", Base: "runtime/default", Default: KillThread,
		Rules: []Rule{
			{Names: []string{"read"}, Action: KillThread, Comment: "two\nlines"},
			{
				Names: []string{"_sysctl", "clone", "write"}, Action: Fail, Errno: &e,
				Args:     []Arg{{Index: 5, Op: MaskedEqual, Value: 1<<64 - 1}},
				Includes: Filter{Caps: []string{"CAP_SYS_ADMIN"}, Kernel: Kernel{4, 8}}, Excludes: Filter{Arches: []string{"amd64", "s390x"}},
			},
		},
	}
	if !reflect.DeepEqual(p, want) || len(ws) != 0 {
		t.Errorf("got  %+v (%v)\nwant %+v", p, ws, want)
	}
	if p.Format() != Docker || !p.Conditional() {
		t.Errorf("format is %s, conditional %v", p.Format(), p.Conditional())
	}
	for _, p := range []*Profile{
		{Arches: []Arch{ArchNative}}, {ArchMap: []ArchMap{{Arch: "SCMP_ARCH_X86"}}},
		{Rules: []Rule{{Excludes: Filter{Kernel: Kernel{5, 8}}}}}, {Rules: []Rule{{Includes: Filter{Arches: []string{"arm64"}}}}},
	} {
		if !p.Conditional() {
			t.Errorf("%+v says the same on every machine", p)
		}
	}
}

// An object as kubectl shows it: JSON, and with what a cluster adds.
func TestObjectFromCluster(t *testing.T) {
	p, _ := mustParse(t, `{"apiVersion": "security-profiles-operator.x-k8s.io/v1beta1", "kind": "SeccompProfile",
		"metadata": {"name": "nginx", "namespace": "web", "uid": "x", "creationTimestamp": "2024-05-01T10:00:00Z", "finalizers": ["a"], "generation": 3},
		"spec": {"defaultAction": "SCMP_ACT_ERRNO", "disabled": true, "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0, "args": [{"index": 0, "op": "SCMP_CMP_EQ"}]}]},
		"status": {"path": "/x"}}`)
	want := &Profile{
		Name: "web", Default: Fail, Object: &Object{Version: "v1beta1", Name: "nginx", Namespace: "web", Disabled: true},
		Rules: []Rule{{Names: []string{"read"}, Action: Fail, Args: []Arg{{Op: Equal}}}},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if p.Format() != SPO {
		t.Errorf("format is %s", p.Format())
	}
}

func TestYAMLBooleans(t *testing.T) {
	for text, want := range map[string]bool{"true": true, "True": true, "TRUE": true, "false": false, "False": false} {
		p, _ := mustParse(t, "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nmetadata: {name: web}\n"+
			"spec: {defaultAction: SCMP_ACT_LOG, disabled: "+text+"}\n")
		if p.Object.Disabled != want {
			t.Errorf("%s reads as %v", text, p.Object.Disabled)
		}
	}
}

func TestYAMLNumbers(t *testing.T) {
	p, _ := mustParse(t, `---
apiVersion: security-profiles-operator.x-k8s.io/v1
kind: SeccompProfile
metadata:
  name: numbers
  creationTimestamp: 2024-05-01T10:00:00Z
spec:
  defaultAction: "SCMP_ACT_ERRNO"
  syscalls:
  - action: SCMP_ACT_ALLOW
    names: [clone]
    args:
    - {index: 0, value: 0x7e020000, op: SCMP_CMP_EQ}
    - {index: 1, value: 18446744073709551615, op: SCMP_CMP_EQ}
    - {index: 2, value: 0o17, op: SCMP_CMP_EQ}
`)
	for i, want := range []uint64{0x7e020000, 1<<64 - 1, 15} {
		if got := p.Rules[0].Args[i].Value; got != want {
			t.Errorf("value %d is %d, want %d", i, got, want)
		}
	}
}

func TestUnwritable(t *testing.T) {
	zero, high := Errno(0), uint64(1)<<63
	one := func(r Rule) *Profile { return &Profile{Name: "web", Default: Fail, Rules: []Rule{r}} }
	for _, c := range []struct {
		name    string
		profile *Profile
		format  Format
		want    string
	}{
		{"archMap", &Profile{Name: "web", Default: Fail, ArchMap: []ArchMap{{Arch: "SCMP_ARCH_X86"}}}, OCI, "resolve"},
		{"native", &Profile{Name: "web", Default: Fail, Arches: []Arch{ArchNative}}, OCI, "resolve"},
		{"includes", one(Rule{Names: []string{"bpf"}, Action: Allow, Includes: Filter{Caps: []string{"CAP_BPF"}}}), OCI, "rule 1 (bpf)"},
		{"includes in an object", one(Rule{Names: []string{"bpf"}, Action: Allow, Excludes: Filter{Kernel: Kernel{5, 8}}}), SPO, "rule 1 (bpf)"},
		{"architecture", &Profile{Name: "web", Default: Fail, Arches: []Arch{"SCMP_ARCH_M68K"}}, SPO, "SCMP_ARCH_M68K"},
		{"errno 0", one(Rule{Names: []string{"bpf"}, Action: Fail, Errno: &zero}), SPO, "errnoRet 0"},
		{"value", one(Rule{Names: []string{"bpf"}, Action: Allow, Args: []Arg{{Op: Equal, Value: high}}}), SPO, "values above"},
		{"second value", one(Rule{Names: []string{"bpf"}, Action: Allow, Args: []Arg{{Op: MaskedEqual, Two: high}}}), SPO, "values above"},
		{"name", &Profile{Name: "../..json", Default: Fail}, SPO, "needs a name"},
		{"format", &Profile{Name: "web", Default: Fail}, 9, "format is unknown"},
	} {
		if data, _, err := c.profile.Write(c.format); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s\n%s", c.name, err, c.want, data)
		}
	}
}

func TestLost(t *testing.T) {
	enosys := Errno(38)
	p := &Profile{Name: "/x/My App.json", Default: Fail, Errno: &enosys, ListenerPath: "/run/x", Rules: []Rule{{Names: []string{"read"}, Action: Allow, Comment: "why"}}}
	data, ws, err := p.Write(SPO)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, w := range ws {
		all.WriteString(w.String() + "\n")
	}
	for _, want := range []string{"ENOSYS", "comment", "listenerPath"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no warning of %s: %s", want, all.String())
		}
	}
	if !strings.Contains(string(data), "name: my-app\n") {
		t.Errorf("no name made of the file's:\n%s", data)
	}
}

func TestErrnoNames(t *testing.T) {
	for text, want := range map[string]Errno{
		"EPERM": 1, "ENOSYS": 38, "EAGAIN": 11, "EWOULDBLOCK": 11, "ENOTSUP": 95, "EOPNOTSUPP": 95, "EDEADLK": 35, "EDEADLOCK": 35,
		"EHWPOISON": 133, "0": 0, "38": 38, "4095": 4095,
	} {
		if e, ok := ParseErrno(text); !ok || e != want {
			t.Errorf("%s: %d, %v", text, e, ok)
		}
	}
	for _, text := range []string{"", "eperm", "EPERM ", "E", "-1", "+1", "01", "0x1", "65536", "ENOTHING"} {
		if e, ok := ParseErrno(text); ok {
			t.Errorf("%q reads as %d", text, e)
		}
	}
	for e := Errno(0); e < 200; e++ {
		if back, ok := ParseErrno(e.String()); !ok || back != e {
			t.Errorf("%d is %s is %d", e, e, back)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, name := range Formats() {
		if f, ok := ParseFormat(name); !ok || f.String() != name {
			t.Errorf("%s reads as %s, %v", name, f, ok)
		}
	}
	for _, name := range []string{"", "OCI", "yaml"} {
		if f, ok := ParseFormat(name); ok {
			t.Errorf("%q reads as %s", name, f)
		}
	}
}
