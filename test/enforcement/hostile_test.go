package enforcement

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/profile"
	"strata/internal/ruleset"
	"strata/internal/syscalls"
	"strata/test/installation"
	. "strata/test/programs"
	"strata/test/testbed"
)

// outside is a profile where nobody may read one from: whoever reaches it gets a container that may do everything.
const (
	outside  = "/etc/strata/outside.json"
	outsider = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["outside"], "action": "SCMP_ACT_LOG"}]}`
)

// traps are what somebody may have put where profiles are, or a mistake.
func traps(t *testing.T) {
	t.Helper()
	write(t, outside, outsider)
	in := func(name string) string { return filepath.Join(profiles, "trap", name) }
	for name, text := range map[string]string{
		"empty": "", "nothing": "{}", "null": "null", "list": "[]", "text": `"SCMP_ACT_ALLOW"`,
		"cut":         documents["base"][:50],
		"trailing":    documents["base"] + `{"defaultAction": "SCMP_ACT_ALLOW"}`,
		"twice":       `{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}`,
		"unknown-key": `{"defaultAction": "SCMP_ACT_ERRNO", "defaultAllow": true}`,
		"action":      `{"defaultAction": "SCMP_ACT_PERMIT"}`,
		"argument":    `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}`,
		"errno":       `{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 99999}`,
		"against":     `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}, {"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]}]}`,
		"deep":        strings.Repeat("[", 100000),
		"huge":        `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [` + strings.Repeat(" ", 5<<20) + `]}`,
		"cycle":       `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "trap/cycle-back"}`,
		"cycle-back":  `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "trap/cycle"}`,
		"base-path":   `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "` + outside + `"}`,
		"base-up":     `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "../outside"}`,
		"base-remote": `{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "oci://example.com/profile"}`,
		"writable":    outsider, "foreign": outsider,
	} {
		write(t, in(name+".json"), text)
	}
	for i := range 20 {
		write(t, in(fmt.Sprintf("long-%d.json", i)), fmt.Sprintf(`{"defaultAction": "SCMP_ACT_ALLOW", "baseProfileName": "trap/long-%d"}`, i+1))
	}
	for _, err := range []error{
		os.Chmod(in("writable.json"), 0o666),
		os.Chown(in("foreign.json"), 1000, 1000),
		os.Symlink(outside, in("link.json")),
		os.Symlink("../../outside.json", in("relative.json")),
		os.Symlink("/etc/strata", in("up")),
		os.Symlink("loop.json", in("loop.json")),
		os.Symlink("missing", in("dangling.json")),
		os.Mkdir(in("directory.json"), 0o755),
		unix.Mkfifo(in("fifo.json"), 0o644),
		unix.Mknod(in("device.json"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))), // /dev/zero
		unix.Mknod(in("socket.json"), unix.S_IFSOCK|0o644, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := errors.Join(os.RemoveAll(filepath.Join(profiles, "trap")), os.Remove(outside)); err != nil {
			t.Error(err)
		}
	})
}

// What a pod's author can ask for and must not get. Each is refused with a message; nothing is changed, and nothing
// outside of the profile directories is read, since that would be a good profile.
func TestHostilePods(t *testing.T) {
	traps(t)
	const stack, pods, apps = "io.strata.stack", "seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/server"
	huge := strings.Repeat("a", 64<<10)
	type notes map[string]string
	for name, c := range map[string]struct {
		annotations notes
		says        string
	}{
		"missing":                    {notes{stack: "missing"}, "missing"},
		"no name":                    {notes{stack: ""}, stack},
		"holes":                      {notes{stack: "base,,child"}, stack},
		"unconfined":                 {notes{stack: "unconfined"}, "policy"},
		"unconfined by Kubernetes":   {notes{pods: "unconfined"}, "policy"},
		"unconfined as a layer":      {notes{stack: "base,unconfined"}, "unconfined"},
		"a path":                     {notes{stack: outside}, "paths"},
		"a path as a layer":          {notes{stack: "base," + outside}, "paths"},
		"a path of proc":             {notes{stack: "/proc/self/root" + outside}, "paths"},
		"an escape":                  {notes{stack: "../outside"}, stack},
		"an escape below a name":     {notes{stack: "trap/../../outside"}, stack},
		"an encoded escape":          {notes{stack: "..%2foutside"}, stack},
		"an escape of localhost":     {notes{stack: "localhost/../../../.." + outside}, stack},
		"an absolute localhost":      {notes{pods: "localhost/" + outside}, pods},
		"a path for Kubernetes":      {notes{apps: outside}, apps},
		"a hidden name":              {notes{stack: ".outside"}, stack},
		"a dot":                      {notes{stack: "."}, stack},
		"two dots":                   {notes{stack: ".."}, stack},
		"a backslash":                {notes{stack: `..\outside`}, stack},
		"a newline":                  {notes{stack: "base\nchild"}, stack},
		"NUL":                        {notes{stack: "base\x00child"}, stack},
		"an escape sequence":         {notes{stack: "\x1b[2Jbase"}, stack},
		"no UTF-8":                   {notes{stack: "base\xff"}, stack},
		"another alphabet":           {notes{stack: "bаse"}, stack}, // Cyrillic
		"64 KiB":                     {notes{stack: huge}, stack},
		"64 KiB of layers":           {notes{stack: strings.Repeat("base,", 13000)}, stack},
		"many layers":                {notes{stack: "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"}, "16 layers"},
		"a layer twice":              {notes{stack: "base,child,base"}, "twice"},
		"an unknown key":             {notes{"io.strata.stak": "base"}, "io.strata.stak"},
		"a key in capitals":          {notes{"IO.Strata.Stack": "base"}, "unknown"},
		"a key with a space":         {notes{" io.strata.stack": "base"}, "unknown"},
		"two ways that disagree":     {notes{stack: "base", pods: "localhost/web"}, "disagree"},
		"two old ways that disagree": {notes{pods: "runtime/default", "security.alpha.kubernetes.io/seccomp/pod": "localhost/web"}, "disagree"},
		"a fake namespace":           {notes{stack: "base", "io.kubernetes.cri.sandbox-namespace": "kube-system"}, "forged"},
		"a fake pod":                 {notes{stack: "base", "io.kubernetes.cri.sandbox-name": "other"}, "forged"},
		"Podman's privilege":         {notes{"io.containers.trace-syscall": "of:/etc/cron.d/x", "io.container.manager": "libpod"}, "paths"},
		"a filter for crun":          {notes{stack: "base", "run.oci.seccomp_bpf_data": allowAll}, "run.oci.seccomp_bpf_data"},
		"a listener for crun":        {notes{stack: "base", "run.oci.seccomp.receiver": "/run/x"}, "run.oci.seccomp.receiver"},
		"a plugin for crun":          {notes{stack: "base", "run.oci.seccomp.plugins": "/run/x.so"}, "run.oci.seccomp.plugins"},
		"a recording unasked":        {notes{"io.strata.record": "x"}, "policy"},

		"an empty file":             {notes{stack: "trap/empty"}, "trap/empty"},
		"an empty object":           {notes{stack: "trap/nothing"}, "trap/nothing"},
		"null":                      {notes{stack: "trap/null"}, "trap/null"},
		"a list":                    {notes{stack: "trap/list"}, "trap/list"},
		"a text":                    {notes{stack: "trap/text"}, "trap/text"},
		"a cut file":                {notes{stack: "trap/cut"}, "trap/cut"},
		"two documents":             {notes{stack: "trap/trailing"}, "trap/trailing"},
		"a key twice":               {notes{stack: "trap/twice"}, "trap/twice"},
		"an unknown key in a file":  {notes{stack: "trap/unknown-key"}, "defaultAllow"},
		"an unknown action":         {notes{stack: "trap/action"}, "SCMP_ACT_PERMIT"},
		"a seventh argument":        {notes{stack: "trap/argument"}, "trap/argument"},
		"an impossible errno":       {notes{stack: "trap/errno"}, "trap/errno"},
		"rules against each other":  {notes{stack: "trap/against"}, "contradict"},
		"a deep file":               {notes{stack: "trap/deep"}, "trap/deep"},
		"a huge file":               {notes{stack: "trap/huge"}, "too large"},
		"a cycle":                   {notes{stack: "trap/cycle"}, "stands on itself"},
		"a long chain":              {notes{stack: "trap/long-0"}, "more than 15 bases"},
		"a base by path":            {notes{stack: "trap/base-path"}, "paths"},
		"a base upwards":            {notes{stack: "trap/base-up"}, "../outside"},
		"a base from afar":          {notes{stack: "trap/base-remote"}, "oci://"},
		"a link out":                {notes{stack: "trap/link"}, "link.json"},
		"a relative link out":       {notes{stack: "trap/relative"}, "relative.json"},
		"a link to a directory":     {notes{stack: "trap/up/outside"}, "outside"},
		"a link to itself":          {notes{stack: "trap/loop"}, "loop.json"},
		"a dangling link":           {notes{stack: "trap/dangling"}, "dangling"},
		"a directory":               {notes{stack: "trap/directory.json"}, "directory"},
		"a FIFO":                    {notes{stack: "trap/fifo"}, "FIFO"},
		"a device":                  {notes{stack: "trap/device"}, "device"},
		"a socket":                  {notes{stack: "trap/socket"}, "socket"},
		"a file that all may write": {notes{stack: "trap/writable"}, "writable.json"},
		"a file of a user":          {notes{stack: "trap/foreign"}, "foreign.json"},
	} {
		b := inPod(t, shim("runc"), true, c.annotations, nil)
		before, err := json.Marshal(b.Spec)
		if err != nil {
			t.Fatal(err)
		}
		outcome := b.Create(t)
		if outcome.Code != 1 || !strings.HasPrefix(outcome.Stderr, "strata-runtime: ") || !strings.Contains(outcome.Stderr, c.says) {
			t.Errorf("%s: want a refusal with %q, got %.1000v", name, c.says, outcome)
		}
		if line := strings.TrimSuffix(outcome.Stderr, "\n"); len(line) > 2000 || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			t.Errorf("%s: unfit for a terminal: %.3000q", name, line)
		}
		after, err := os.ReadFile(filepath.Join(b.Dir, "config.json"))
		if err != nil || string(after) != string(before) {
			t.Errorf("%s: config.json was changed (%v)", name, err)
		}
		forgotten(t, b.ID)
	}
}

// allowAll is a filter that allows every call, as crun takes it: one instruction that returns SECCOMP_RET_ALLOW.
const allowAll = "BgAAAAAA/38="

// By an annotation crun takes another filter than that of its configuration. A container that the node's policy has a
// profile for does not start with it, through the shim or past it.
func TestFilterByAnnotation(t *testing.T) {
	free := inPod(t, "crun", true, map[string]string{"run.oci.seccomp_bpf_data": allowAll}, Script{Native("add_key", 0, 0, 0, 0, 0).Gives(-14)})
	if outcome := free.Create(t); outcome.Code != 0 {
		t.Fatal(outcome)
	}
	free.Start(t)
	free.Wait(t)
	if said := free.Output(t); said != "" {
		t.Fatalf("crun does not take the annotation: this test means nothing: %s", said)
	}
	withPolicy(t, "[[bind]]\nnamespace = \"shop\"\nstack = [\"base\"]\n")
	for _, runtime := range []string{shim("crun"), "crun"} {
		annotations := map[string]string{"run.oci.seccomp_bpf_data": allowAll, "io.strata.stack": "base"}
		b := inPod(t, runtime, true, annotations, nil)
		if outcome := b.Create(t); outcome.Code == 0 {
			t.Errorf("%s: created", runtime)
		}
	}
}

// What stands where the shim expects a configuration.
func TestHostileBundles(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		says string
	}{
		"no file":        {func(string) error { return nil }, "no such file"},
		"a FIFO":         {func(path string) error { return unix.Mkfifo(path, 0o644) }, "FIFO"},
		"a link":         {func(path string) error { return os.Symlink("/etc/passwd", path) }, "link"},
		"a directory":    {func(path string) error { return os.Mkdir(path, 0o755) }, "directory"},
		"no JSON":        {contains("hello"), "config.json"},
		"two documents":  {contains("{}{}"), "config.json"},
		"a huge file":    {contains(`{"a": "` + strings.Repeat("a", 17<<20) + `"}`), "too large"},
		"a deep file":    {contains(`{"a": ` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), "inside each other"},
		"two profiles":   {contains(`{"linux": {"seccomp": {}}, "linux": {"seccomp": null}}`), "twice"},
		"another case":   {contains(`{"linux": {"seccomp": null, "Seccomp": {}}}`), "Seccomp"},
		"no annotations": {contains(`{"annotations": ["io.strata.stack"]}`), "annotations"},
		"odd profile":    {contains(`{"annotations": {"io.strata.stack": "base"}, "linux": []}`), "linux"},
	} {
		dir := t.TempDir()
		if err := c.make(filepath.Join(dir, "config.json")); err != nil {
			t.Fatal(err)
		}
		outcome := testbed.Run(t, exec.Command(shim("runc"), "create", "--bundle", dir, "hostile"))
		if outcome.Code != 1 || !strings.HasPrefix(outcome.Stderr, "strata-runtime: ") || !strings.Contains(outcome.Stderr, c.says) {
			t.Errorf("%s: want a refusal with %q, got %.1000v", name, c.says, outcome)
		}
	}
}

func contains(text string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o644) }
}

// precreate runs Podman's stage on a configuration with annotations and gives back the profile in it.
func precreate(t *testing.T, trust string, annotations map[string]string) (json.RawMessage, testbed.Outcome) {
	t.Helper()
	config, err := json.Marshal(map[string]any{
		"annotations": annotations,
		"linux":       map[string]any{"seccomp": map[string]any{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(installation.Hook, "--trust="+trust, "precreate")
	cmd.Stdin = strings.NewReader(string(config))
	outcome := testbed.Run(t, cmd)
	var edited struct {
		Linux struct{ Seccomp json.RawMessage }
	}
	if outcome.Code == 0 {
		if err := json.Unmarshal([]byte(outcome.Stdout), &edited); err != nil {
			t.Fatalf("%v: %v", err, outcome)
		}
	}
	return edited.Linux.Seccomp, outcome
}

// Somebody swaps a profile for a link out of its directory, over and over: what is read is the profile, or nothing.
func TestHostileRace(t *testing.T) {
	write(t, outside, outsider)
	path, aside := filepath.Join(profiles, "race.json"), filepath.Join(profiles, "race.aside")
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- errors.Join(os.Remove(path), os.Remove(outside))
				return
			default:
			}
			for _, place := range []func() error{
				func() error { return os.Symlink(outside, aside) },
				func() error { return os.Rename(aside, path) },
				func() error { return os.WriteFile(aside, []byte(documents["base"]), 0o644) },
				func() error { return os.Rename(aside, path) },
			} {
				if err := place(); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	for range 100 {
		got, outcome := precreate(t, "names", map[string]string{"io.strata.stack": "race"})
		if outcome.Code == 0 && !strings.Contains(string(got), "getpriority") {
			t.Errorf("profile %s", got)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Nothing that anybody may ask for is more permissive than the node's ceiling.
func TestCeilingHolds(t *testing.T) {
	withPolicy(t, "[profiles]\nceiling = \"base\"\n[[allow]]\nnamespace = \"*\"\nprofiles = [\"*\", \"localhost/*\", \"runtime/default\", \"unconfined\"]\n[record]\nothers = true\nunconfined = true\n")
	file := filepath.Join(t.TempDir(), "file.json")
	write(t, file, outsider)
	write(t, "/var/lib/kubelet/seccomp/open.json", documents["open"])
	limit := wanted(t, "base")
	for _, c := range []struct {
		trust       string
		annotations map[string]string
	}{
		{"names", map[string]string{"io.strata.stack": "open"}},
		{"names", map[string]string{"io.strata.stack": "child"}},
		{"names", map[string]string{"io.strata.stack": "base,child"}},
		{"names", map[string]string{"io.strata.stack": "child,base,open"}},
		{"names", map[string]string{"io.strata.stack": "unconfined"}},
		{"names", map[string]string{"io.strata.stack": "runtime/default"}},
		{"names", map[string]string{"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}},
		{"names", map[string]string{"seccomp.security.alpha.kubernetes.io/pod": "localhost/open.json"}},
		{"names", map[string]string{"io.strata.record": "x", "io.strata.record.seccomp": "unconfined"}},
		{"paths", map[string]string{"io.strata.stack": "unconfined"}},
		{"paths", map[string]string{"io.strata.stack": file}},
		{"paths", map[string]string{"io.strata.record": "x", "io.strata.record.seccomp": "unconfined"}},
	} {
		got, outcome := precreate(t, c.trust, c.annotations)
		if outcome.Code != 0 {
			t.Errorf("%v: %v", c.annotations, outcome)
			continue
		}
		if within, witness := isWithin(t, got, limit); !within {
			t.Errorf("%v: %v", c.annotations, witness)
		}
	}
	if within, _ := isWithin(t, json.RawMessage(documents["open"]), limit); within {
		t.Error("the ceiling restricts nothing: this test means nothing")
	}
}

func isWithin(t *testing.T, document json.RawMessage, limit *ruleset.Set) (bool, ruleset.Witness) {
	t.Helper()
	p, _, err := profile.Parse("result", document)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	resolved, _, err := p.Resolve(profile.Machine{Native: syscalls.Host()})
	if err != nil {
		t.Fatal(err)
	}
	set, err := ruleset.Read(resolved.Source(), ruleset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	within, witness, err := ruleset.Within(set, limit)
	if err != nil {
		t.Fatal(err)
	}
	return within, witness
}
