package hook

import (
	"bytes"
	"encoding/json"
	"errors"

	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"strata/internal/enforce"
	"strata/internal/prove/provetest"
	"strata/internal/recorder"
	"strata/internal/request"
	"strata/internal/syscalls"
)

// tracker is a kernel in which every container makes the same call.
type tracker struct {
	recordings map[uint64]recorder.Options
	fails      error
}

func (k *tracker) Track(_ int, o recorder.Options, save func(recorder.Handle) error) error {
	if k.fails != nil {
		return k.fails
	}
	key := uint64(len(k.recordings) + 1)
	if err := save(recorder.Handle{Set: "set", Recording: key}); err != nil {
		return err
	}
	k.recordings[key] = o
	return nil
}

func (k *tracker) Harvest(h recorder.Handle) (*recorder.Result, error) {
	if _, found := k.recordings[h.Recording]; !found {
		return nil, recorder.ErrGone
	}
	host := syscalls.Host()
	number, _ := host.Number("getpid")
	return &recorder.Result{
		Processes: 1,
		Calls:     map[syscalls.ABI][]recorder.Seen{host: {{Number: number, First: time.Now(), ByProgram: true}}},
	}, nil
}

func (k *tracker) LetGo(h recorder.Handle) error {
	delete(k.recordings, h.Recording)
	return nil
}

func (k *tracker) Sweep() error { return nil }

// node is a machine of its own to run hooks on.
type node struct {
	t       *testing.T
	dir     string
	tracker *tracker
	trust   request.Trust
	prover  enforce.Prover
	log     bytes.Buffer
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir(), tracker: &tracker{recordings: map[uint64]recorder.Options{}}, trust: request.Trusted, prover: provetest.Prover(t)}
	n.bundle(`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}}}`)
	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *node) write(name, content string) {
	n.t.Helper()
	must(n.t, os.MkdirAll(filepath.Dir(n.path(name)), 0o755))
	must(n.t, os.WriteFile(n.path(name), []byte(content), 0o644))
}

func (n *node) bundle(config string) { n.write("bundle/config.json", config) }

// run runs a stage with text on its standard input.
func (n *node) run(stage func(*Hook) error, stdin string) (stdout string, err error) {
	n.t.Helper()
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&n.log)
	in := strings.NewReader(stdin)
	h := &Hook{
		Trust: n.trust, State: n.path("state"), Recordings: n.path("recordings"), Policy: n.path("policy"), Prover: n.prover,
		Stdin: in, Stdout: &out, Log: log, tracker: n.tracker,
	}
	err = stage(h)
	if in.Len() > 0 {
		n.t.Errorf("%d bytes of standard input were not read", in.Len())
	}
	return out.String(), err
}

// state is a state as runc says it at prestart, with changes: nil removes a member.
func (n *node) state(annotations map[string]string, changes map[string]any) string {
	n.t.Helper()
	state := map[string]any{
		"ociVersion": "1.0.2-dev", "id": "c1", "status": "creating", "pid": os.Getpid(), "bundle": n.path("bundle"),
		"annotations": annotations,
	}
	for key, value := range changes {
		state[key] = value
		if value == nil {
			delete(state, key)
		}
	}
	data, err := json.Marshal(state)
	must(n.t, err)
	return string(data)
}

// stopped is the state that engines say at poststop.
func (n *node) stopped() string {
	return n.state(nil, map[string]any{"status": "stopped", "pid": nil})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exists says whether there is something at a path below the node's directory.
func (n *node) exists(name string) bool {
	n.t.Helper()
	_, err := os.Lstat(n.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.t.Fatal(err)
	}
	return err == nil
}

func record(name string, more ...string) map[string]string {
	annotations := map[string]string{"io.strata.record": name}
	for i := 0; i+1 < len(more); i += 2 {
		annotations[more[i]] = more[i+1]
	}
	return annotations
}

// fails checks that an error is one line and says what it should.
func fails(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", want)
		return
	}
	line := Explain(err)
	if !strings.Contains(line, want) {
		t.Errorf("error is %q, want one with %q", line, want)
	}
	if strings.ContainsAny(line, "\n\r\x00\x1b") {
		t.Errorf("error %q is not one line", line)
	}
}
