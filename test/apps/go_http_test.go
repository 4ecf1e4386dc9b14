package apps

import (
	"runtime"
	"strings"
	"testing"

	"strata/test/programs"
	"strata/test/testbed"
)

// goHTTP is a static Go program: an HTTP server that computes, sends files and asks other servers.
var goHTTP = app{name: "go-http", work: answerInGo}

var goImage = &testbed.Image{Name: "go-http", Programs: map[string]string{"/httpd": programs.HTTPD}, Files: distribution.Files}

func answerInGo(t *testing.T, r run) {
	port := freePort(t)
	c := r.start(t, nil, goImage, "/httpd", "127.0.0.1:"+port)
	c.listens(t, port)
	each(t, []request{
		{method: "GET", path: "/work", status: 200, received: -1},
		{method: "POST", path: "/post", sent: 1 << 20, status: 200, received: -1},
		{method: "GET", path: "/file/httpd", status: 200, received: -1},
		{method: "GET", path: "/file/missing", status: 404, received: -1},
		{method: "GET", path: "/fetch/http://localhost:" + port + "/fetched", status: 200, received: int64(len("GET /fetched\n"))},
		{method: "GET", path: "/fetch/http://localhost:1/", status: 502, received: -1},
		{method: "GET", path: "/work", status: 200, received: -1},
	}, "http://127.0.0.1:"+port)
	c.signal(t, "TERM")
	c.ended(t)
	if log := c.log(t); !strings.Contains(log, "httpd: done") {
		t.Errorf("it did not end by itself: %s", log)
	}
	c.gone(t)
}

// goVersion is what the server was built with.
func goVersion() string { return strings.TrimPrefix(runtime.Version(), "go") }
