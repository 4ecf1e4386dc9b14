package syslog

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLog(t *testing.T) {
	path := filepath.Join(shortDir(t), "log")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	defer socket.Close()
	at(path, "strata-hook").WithField("container", "c1").Error("it did\nnot work")
	buffer := make([]byte, 1024)
	n, err := socket.Read(buffer)
	must(t, err)
	line := strings.TrimSpace(string(buffer[:n]))
	if !strings.HasPrefix(line, "<27>strata-hook[") || !strings.Contains(line, "container=c1") || strings.Contains(line, "\n") {
		t.Errorf("logged %q", line)
	}
}

// shortDir is a directory whose path fits into a socket's address, whatever TMPDIR is.
func shortDir(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	return "."
}

// A node without a log, and one whose log nobody reads, lose messages and not time.
func TestLogNobodyReads(t *testing.T) {
	dir := shortDir(t)
	at(filepath.Join(dir, "absent"), "strata-hook").Error("lost")

	path := filepath.Join(dir, "log")
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(socket)
	must(t, unix.Bind(socket, &unix.SockaddrUnix{Name: path}))
	log := at(path, "strata-hook")
	for range 10000 { // far more than the socket holds: it would wait for ever
		log.Error(strings.Repeat("x", 1000))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
