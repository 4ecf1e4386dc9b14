package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"strata/test/programs"
	"strata/test/testbed"
)

// A workload is a program that people run, and what it has to do each time.
type workload struct {
	name  string
	image *testbed.Image
	argv  func(port string) []string
	says  string                          // what its log has to hold
	drive func(t *testing.T, port string) // talks to it; nil for programs that end by themselves
	stop  string                          // the signal that ends it
}

var (
	libcImage = &testbed.Image{Name: "libc", Programs: map[string]string{"/bin/libc": programs.Libc}, Files: etc}
	goImage   = &testbed.Image{Name: "httpd", Programs: map[string]string{"/bin/httpd": programs.HTTPD}}
	nginx     = &testbed.Image{
		Name:     "nginx",
		Programs: map[string]string{"/bin/nginx": "/usr/sbin/nginx", "/bin/busybox": "/bin/busybox"},
		Links:    map[string]string{"/bin/sh": "busybox", "/bin/sed": "busybox"},
		Dirs:     []string{"/var/lib/nginx", "/var/log/nginx"},
		Files: map[string]string{
			"/etc/passwd": etc["/etc/passwd"], "/etc/group": etc["/etc/group"],
			"/srv/index.html": strings.Repeat("<p>served</p>\n", 1000),
			"/etc/nginx.conf": `daemon off;
pid /run/nginx.pid;
error_log stderr notice;
worker_processes 2;
user daemon daemon;
events { worker_connections 64; }
http {
	access_log /var/log/nginx/access.log;
	sendfile on;
	gzip on;
	gzip_types *;
	gzip_min_length 1;
	server { listen 127.0.0.1:PORT reuseport; root /srv; }
}
`},
	}
	redis = &testbed.Image{Name: "redis", Programs: map[string]string{"/bin/redis-server": "/usr/bin/redis-server"}, Files: etc, Dirs: []string{"/data"}}

	etc = map[string]string{
		"/etc/passwd": "root:x:0:0:root:/:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\n",
		"/etc/group":  "root:x:0:\ndaemon:x:1:\n",
	}
)

var workloads = []workload{
	{name: "libc", image: libcImage, argv: func(string) []string { return []string{"/bin/libc"} }, says: "libc: done"},
	{name: "shell", image: testbed.Shell, argv: func(string) []string {
		return []string{"/bin/sh", "-c", `
			for i in 1 2 3; do
				seq 1 2000 | sort -rn | awk '{ print $1 % 7 }' | sort | uniq -c | sed 's/ *//' | tr ' ' ':' > /tmp/out
				grep -q ':6$' /tmp/out && wc -l < /tmp/out
				(sleep 0.01; touch /tmp/a) & wait; ls /tmp | head -n 1; cat /tmp/out > /dev/null; seq 1 100000 | head -n 1
			done; id; echo pipeline: done`}
	}, says: "pipeline: done"},
	{name: "go", image: goImage, argv: func(port string) []string { return []string{"/bin/httpd", "127.0.0.1:" + port} },
		says: "httpd: done", drive: requests("/work"), stop: "TERM"},
	{name: "nginx", image: nginx, argv: func(port string) []string {
		return []string{"/bin/sh", "-c", "sed s/PORT/" + port + "/ /etc/nginx.conf > /tmp/nginx.conf && exec /bin/nginx -e stderr -c /tmp/nginx.conf"}
	}, drive: requests("/index.html"), stop: "QUIT"},
	{name: "redis", image: redis, argv: func(port string) []string {
		return []string{"/bin/redis-server", "--port", port, "--dir", "/data", "--save", "", "--appendonly", "yes"}
	}, says: "bye bye", drive: benchmark, stop: "TERM"},
}

// requests are answered by an HTTP server: some at once, some with another connection each.
func requests(path string) func(*testing.T, string) {
	return func(t *testing.T, port string) {
		client := &http.Client{Timeout: testbed.Limit, Transport: &http.Transport{MaxConnsPerHost: 8}}
		defer client.CloseIdleConnections()
		failed := make(chan error)
		const at, each = 4, 10
		for range at {
			go func() {
				for range each {
					failed <- request(client, "http://127.0.0.1:"+port+path)
				}
			}()
		}
		for range at * each {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	}
}

func request(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

func benchmark(t *testing.T, port string) {
	out := testbed.Must(t, exec.Command("redis-benchmark", "-p", port, "-n", "500", "-c", "10", "-q", "-t", "ping,set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100,mset"))
	if !strings.Contains(out, "requests per second") || strings.Contains(out, "ERR") {
		t.Errorf("redis-benchmark says %s", out)
	}
	// A save at a moment of our choice: one that is under way at the end would be killed, or not.
	cli := func(command ...string) string {
		return testbed.Must(t, exec.Command("redis-cli", append([]string{"-p", port}, command...)...))
	}
	cli("bgsave")
	testbed.Until(t, "redis has saved", func() error {
		if info := cli("info", "persistence"); !strings.Contains(info, "rdb_bgsave_in_progress:0") || !strings.Contains(info, "rdb_last_bgsave_status:ok") {
			return errors.New(info)
		}
		return nil
	})
}

// ports counts those of the test's own network that servers got, below the ones that connections are given.
var ports atomic.Int64

func nextPort() string { return strconv.Itoa(20_000 + int(ports.Add(1))) }

// once runs a workload in one container from its start to its end, and fails the test where anything of it goes wrong.
func (l workload) once(t *testing.T, w way, flags []string) {
	t.Helper()
	port := nextPort()
	id := w.Create(t, flags, l.image, l.argv(port)...)
	w.Do(t, "start", id)
	if l.drive != nil {
		testbed.Until(t, l.name+" listens", func() error {
			connection, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				return connection.Close()
			}
			if state := w.Do(t, "inspect", "--format", "{{.State.Status}}", id); state != "running" {
				t.Fatalf("%s is %s: %s", l.name, state, logs(t, w, id))
			}
			return err
		})
		l.drive(t, port)
		if outcome := testbed.Run(t, w.Command("kill", "--signal", l.stop, id)); outcome.Code != 0 {
			t.Fatalf("%s: %v; it says: %s", l.name, outcome, logs(t, w, id))
		}
	}
	if status := w.Do(t, "wait", id); status != "0" {
		t.Fatalf("%s exits with %s: %s", l.name, status, logs(t, w, id))
	}
	if said := logs(t, w, id); !strings.Contains(said, l.says) {
		t.Errorf("%s says %s", l.name, said)
	}
	w.Do(t, "rm", id)
}

func logs(t *testing.T, w way, id string) string {
	t.Helper()
	outcome := testbed.Run(t, w.Command("logs", id))
	return outcome.Stdout + outcome.Stderr
}

// A recorded profile starts its container again, and the program does all its work under it.
func TestWorkloadsRunUnderTheirRecording(t *testing.T) {
	for _, l := range workloads {
		t.Run(l.name, func(t *testing.T) {
			for _, runtime := range testbed.Runtimes {
				t.Run(runtime, func(t *testing.T) {
					t.Parallel()
					w := way{Podman: testbed.Podman{Runtime: runtime}}
					name := nameOf(t)
					for i := range 4 { // what a program calls can depend on the moment: several runs, joined
						w.NoNewPrivileges = i%2 == 1
						l.once(t, w, w.Flags(record(name, "record.merge=true")...))
					}
					profile := finished(t, name).Profile
					for _, action := range []specs.LinuxSeccompAction{specs.ActErrno, specs.ActKillProcess} {
						file := enforcing(t, profile, action)
						for i := range times(3, 50) {
							w.NoNewPrivileges = i%2 == 1
							l.once(t, w, w.Flags("--security-opt", "seccomp="+file))
						}
					}
				})
			}
		})
	}
	nothingLeft(t)
}

// enforcing writes a profile with another default action.
func enforcing(t *testing.T, profile specs.LinuxSeccomp, action specs.LinuxSeccompAction) string {
	t.Helper()
	profile.DefaultAction = action
	if action != specs.ActErrno {
		profile.DefaultErrnoRet = nil
	}
	profile.Syscalls = slices.Clone(profile.Syscalls)
	file := filepath.Join(t.TempDir(), "profile.json")
	writeJSON(t, file, profile)
	return file
}

// An enforced profile refuses what was not recorded.
func TestRecordedProfileRefusesTheRest(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		name := nameOf(t)
		ran(t, w.Run(t, slices.Concat([]string{"--rm"}, w.Flags(), record(name)), testbed.Calls, calls(programs.Script{programs.Native("getpgrp")})...))
		file := enforcing(t, finished(t, name).Profile, specs.ActErrno)
		script := programs.Script{programs.Native("getpgrp"), programs.Native("getsid", 0).Gives(-38), programs.Native("alarm", 0).Gives(-38)}
		ran(t, w.Run(t, append([]string{"--rm"}, w.Flags("--security-opt", "seccomp="+file)...), testbed.Calls, calls(script)...))
		file = enforcing(t, finished(t, name).Profile, specs.ActKillProcess)
		outcome := w.Run(t, append([]string{"--rm"}, w.Flags("--security-opt", "seccomp="+file)...), testbed.Calls, calls(script)...)
		if outcome.Code != 128+31 { // SIGSYS
			t.Errorf("%v, want status 159", outcome)
		}
	})
}
