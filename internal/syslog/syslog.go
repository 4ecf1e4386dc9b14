// Package syslog writes log messages to the node's syslog or journal, for programs that engines run: what they say on
// standard error is often lost.
package syslog

import (
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// syslogPath is where the node takes log messages: syslog's socket, which journald has too.
const syslogPath = "/dev/log"

// New makes a log that goes to syslog or the journal under a program's name. A node without either, or with one that
// does not read, costs a container's start nothing: what can not be sent at once is dropped.
func New(program string) *logrus.Logger { return at(syslogPath, program) }

func at(path, program string) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, DisableTimestamp: true})
	log.AddHook(&syslog{path: path, program: program, socket: -1})
	return log
}

// syslog is a logrus hook for the local syslog, which is opened by the first message.
type syslog struct {
	path, program string
	socket        int
	absent        bool
}

// priorities are severities of RFC 5424, table 2.
var priorities = map[logrus.Level]int{
	logrus.PanicLevel: 0, logrus.FatalLevel: 2, logrus.ErrorLevel: 3, logrus.WarnLevel: 4,
	logrus.InfoLevel: 6, logrus.DebugLevel: 7, logrus.TraceLevel: 7,
}

// facility daemon (RFC 5424, table 1).
const facility = 3 << 3

func (s *syslog) Levels() []logrus.Level { return logrus.AllLevels }

// Fire has no error: there is nobody left to tell.
func (s *syslog) Fire(entry *logrus.Entry) error {
	if s.socket < 0 && !s.absent {
		s.open()
	}
	if s.absent {
		return nil
	}
	line, err := entry.String()
	if err != nil {
		return err
	}
	message := fmt.Sprintf("<%d>%s[%d]: %s", facility|priorities[entry.Level], s.program, unix.Getpid(), line)
	if err := unix.Sendto(s.socket, []byte(message), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil); err != nil {
		s.absent = true
	}
	return nil
}

func (s *syslog) open() {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		if err = unix.Connect(socket, &unix.SockaddrUnix{Name: s.path}); err != nil {
			unix.Close(socket)
		}
	}
	if err != nil {
		s.absent = true
		return
	}
	s.socket = socket
}
