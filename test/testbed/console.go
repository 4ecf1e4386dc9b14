package testbed

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// consoleSocket listens where a runtime sends the other end of a terminal to (--console-socket), and keeps that end
// open until the test ends. What is written to the terminal is dropped.
func consoleSocket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c") // names of sockets are short: unix(7)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var terminals []*os.File
	go func() {
		defer close(done)
		for {
			connection, err := listener.AcceptUnix()
			if err != nil {
				return // closed at the test's end
			}
			if terminal := receive(connection); terminal != nil {
				terminals = append(terminals, terminal)
				go io.Copy(io.Discard, terminal)
			}
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
		for _, terminal := range terminals {
			terminal.Close()
		}
		os.RemoveAll(dir)
	})
	return path
}

// receive takes the file that comes with the one message on a connection; nil where none does.
func receive(connection *net.UnixConn) *os.File {
	defer connection.Close()
	name, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := connection.ReadMsgUnix(name, rights)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil
	}
	return os.NewFile(uintptr(fds[0]), "terminal")
}
