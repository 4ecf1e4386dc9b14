package apps

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"strata/test/testbed"
)

// A run is one time that an app does its work.
type run struct {
	testbed.Podman
	flags  []string // of all its containers
	layers []string // that these run under, if that is asked for
}

// distribution has the programs of this machine's distribution: containers mount /usr read-only.
var distribution = &testbed.Image{
	Name:     "distribution",
	Programs: map[string]string{"/etc/ld.so.cache": "/etc/ld.so.cache"},
	Links:    map[string]string{"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"},
	Files: map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nserver:x:70:70:server:/data:/bin/sh\n",
		"/etc/group":  "root:x:0:\nserver:x:70:\n",
		"/etc/hosts":  "127.0.0.1 localhost\n",
	},
	Dirs: []string{"/data", "/root"},
}

var usr = []string{"--volume", "/usr:/usr:ro"}

// A container runs an app, or a part of it.
type container struct {
	run
	id string
}

// start starts a container that runs until it is told to end.
func (r run) start(t *testing.T, flags []string, image *testbed.Image, argv ...string) *container {
	t.Helper()
	c := &container{r, r.Create(t, slices.Concat(r.flags, flags), image, argv...)}
	c.again(t)
	return c
}

// again starts a container that was made, or has ended.
func (c *container) again(t *testing.T) {
	t.Helper()
	c.Do(t, "start", c.id)
	if len(c.layers) == 0 {
		return
	}
	var records []struct{ Layers []string }
	out := strata(t, "enforced", "--json", c.id)
	if err := json.Unmarshal([]byte(out), &records); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if len(records) != 1 || !slices.Equal(records[0].Layers, c.layers) {
		t.Fatalf("the container runs under %s, want %v", out, c.layers)
	}
}

// exec runs a program in the container, which has to succeed.
func (c *container) exec(t *testing.T, argv ...string) string {
	t.Helper()
	outcome := testbed.Run(t, c.Command(append([]string{"exec", c.id}, argv...)...))
	if outcome.Code != 0 {
		t.Fatalf("%v\nthe container says %s", outcome, c.log(t))
	}
	return outcome.Stdout
}

func (c *container) signal(t *testing.T, name string) {
	t.Helper()
	c.Do(t, "kill", "--signal", name, c.id)
}

// until waits until ready gives no error, as long as the container runs.
func (c *container) until(t *testing.T, what string, ready func() error) {
	t.Helper()
	testbed.Until(t, what, func() error {
		err := ready()
		if err == nil {
			return nil
		}
		if state := c.Do(t, "inspect", "--format", "{{.State.Status}}", c.id); state != "running" {
			t.Fatalf("%s: the container is %s: %s", what, state, c.log(t))
		}
		return err
	})
}

// listens waits until somebody accepts connections.
func (c *container) listens(t *testing.T, port string) {
	t.Helper()
	c.until(t, "port "+port+" is open", func() error {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

func (c *container) log(t *testing.T) string {
	t.Helper()
	outcome := testbed.Run(t, c.Command("logs", c.id))
	return outcome.Stdout + outcome.Stderr
}

// ended waits for the container's end, which has to be a good one.
func (c *container) ended(t *testing.T) {
	t.Helper()
	if status := c.Do(t, "wait", c.id); status != "0" {
		t.Fatalf("the container exits with status %s: %s", status, c.log(t))
	}
}

// gone waits for the container's end and removes it, so that its recording is written. Nothing may have been refused
// with the stack's errno as far as its log tells.
func (c *container) gone(t *testing.T) {
	t.Helper()
	c.ended(t)
	if log := c.log(t); strings.Contains(log, "Function not implemented") {
		t.Errorf("a call was refused: %s", log)
	}
	c.Do(t, "rm", c.id)
}

// ports that were given out: servers that do not listen yet, or not at the moment, keep theirs.
var ports sync.Map

// freePort is one that nobody listens on, of the test's own network, and that no one else is given. The kernel prefers
// other ports for the near ends of connections.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(listener.Addr().String())
		listener.Close()
		if err != nil {
			t.Fatal(err)
		}
		if _, given := ports.LoadOrStore(port, true); !given {
			return port
		}
	}
}

// shared is a directory of the host that everybody in the container may write to, with files in it, and the flags that
// mount it.
func shared(t *testing.T, at string, files map[string]string) (dir string, flags []string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{"--volume", dir + ":" + at}
}

// strata runs the installed command line, which has to succeed.
func strata(t *testing.T, args ...string) string {
	t.Helper()
	return testbed.Must(t, exec.Command("/usr/local/bin/strata", args...))
}
