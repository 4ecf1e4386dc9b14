package profile

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"strata/internal/syscalls"
)

// Objects keep all that is theirs on the way through each format that can say it.
func TestObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/spo/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, ws, err := Parse("web", data)
			if err != nil || len(ws) > 0 {
				t.Fatal(ws, err)
			}
			written, ws, err := p.Write(SPO)
			if err != nil || len(ws) > 0 {
				t.Fatal(ws, err)
			}
			back, _, err := Parse("web", written)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, p) {
				t.Errorf("got  %+v\nwant %+v\n%s", back, p, written)
			}
			docker, _, err := p.Write(Docker)
			if err != nil {
				t.Fatal(err)
			}
			back, _, err = Parse("web", docker)
			if err != nil {
				t.Fatal(err)
			}
			back.Object = p.Object
			if !reflect.DeepEqual(back, p) {
				t.Errorf("as docker: got  %+v\nwant %+v\n%s", back, p, docker)
			}
		})
	}
}

// What a recording is as an object, to the byte.
func TestWrittenObject(t *testing.T) {
	p := allowing("/var/lib/strata/recordings/Shop Front.json", map[syscalls.ABI][]string{syscalls.X86_64: {"write", "read"}})
	data, ws, err := p.Write(SPO)
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: security-profiles-operator.x-k8s.io/v1
kind: SeccompProfile
metadata:
  name: shop-front
spec:
  defaultAction: SCMP_ACT_ERRNO
  architectures:
    - SCMP_ARCH_X86_64
  syscalls:
    - names:
        - read
        - write
      action: SCMP_ACT_ALLOW
`
	if string(data) != want {
		t.Errorf("got:\n%s\nwant:\n%s", data, want)
	}
	if len(ws) != 1 || ws[0].Reason != Lost || !strings.Contains(ws[0].String(), "EPERM, not ENOSYS") {
		t.Errorf("warnings: %v", ws)
	}
}

// What a recording is as JSON, to the byte.
func TestWrittenJSON(t *testing.T) {
	p := allowing("shop", map[syscalls.ABI][]string{syscalls.X86_64: {"write", "read"}})
	p.Rules = append(p.Rules, Rule{Names: []string{"clone"}, Action: KillThread, Args: []Arg{{Index: 0, Op: MaskedEqual, Value: 1<<64 - 1, Two: 7}}})
	for f, want := range map[Format]string{
		OCI: `{
	"defaultAction": "SCMP_ACT_ERRNO",
	"defaultErrnoRet": 38,
	"architectures": [
		"SCMP_ARCH_X86_64"
	],
	"syscalls": [
		{
			"names": [
				"read",
				"write"
			],
			"action": "SCMP_ACT_ALLOW"
		},
		{
			"names": [
				"clone"
			],
			"action": "SCMP_ACT_KILL",
			"args": [
				{
					"index": 0,
					"value": 18446744073709551615,
					"valueTwo": 7,
					"op": "SCMP_CMP_MASKED_EQ"
				}
			]
		}
	]
}
`,
		Docker: `	"defaultErrnoRet": 38,
	"defaultErrno": "ENOSYS",
`,
	} {
		data, ws, err := p.Write(f)
		if err != nil || len(ws) > 0 {
			t.Fatal(ws, err)
		}
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%s: got:\n%s\nwant:\n%s", f, data, want)
		}
	}
}

// A rule with more alternatives than the operator's API takes is written as several.
func TestManyAlternatives(t *testing.T) {
	rule := Rule{Names: []string{"clone"}, Action: Fail}
	for bit := range 7 {
		rule.Args = append(rule.Args, Arg{Op: MaskedEqual, Value: 1 << bit, Two: 1 << bit})
	}
	p := &Profile{Name: "web", Default: Allow, Rules: []Rule{rule}}
	data, _, err := p.Write(SPO)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := Parse("web", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Rules) != 7 {
		t.Fatalf("%d rules:\n%s", len(back.Rules), data)
	}
	for i, r := range back.Rules {
		if !reflect.DeepEqual(r.Args, rule.Args[i:i+1]) || r.Action != Fail {
			t.Errorf("rule %d is %+v", i+1, r)
		}
	}
}
