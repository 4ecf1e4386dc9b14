package shim

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
)

// report writes an error where the engine looks for the runtime's: containerd shows its users the last line of the
// runtime's log and nothing of standard error. It returns the error.
func (c Call) report(err error) error {
	if !filepath.IsAbs(c.Log) { // none, or one of crun's journald: and syslog:
		return err
	}
	file, failed := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if failed != nil {
		return errors.Join(err, failed)
	}
	defer file.Close()
	log := logrus.New()
	log.SetOutput(file)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true})
	if c.LogFormat == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	log.Error(message(err))
	return err
}

// message names the program: the engine's user sees the runtime's name otherwise.
func message(err error) string { return Name + ": " + err.Error() }
