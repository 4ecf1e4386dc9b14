// Package programs holds the programs that the tests run in containers, builds them, and spells scripts for the one
// that makes exactly the system calls it is told to (calls/calls.c).
//
// It must never know about containers, engines or Strata: what a program was asked to do is all there is to know here.
package programs

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

//go:embed calls/calls.c libc/libc.c tighten/tighten.c
var sources embed.FS

// Names of what Build leaves in its directory.
const (
	Calls = "calls" // freestanding and static: the calls of its script, no other ones
	Libc  = "libc"  // an ordinary dynamic program: locale, files, threads, processes, sockets, timers
	HTTPD = "httpd" // a static Go program: an HTTP server on the address in its first argument

	Tighten = "tighten" // a dynamic program that restricts itself with libseccomp

	KillAt = "killat" // runs another program and kills it at a chosen moment
)

// Build compiles all programs into dir with gcc and the go command. The working directory must be in this module.
func Build(dir string) error {
	freestanding := []string{"-O1", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-nostdlib", "-static"}
	for _, c := range []struct {
		name      string
		flags     []string
		libraries []string
	}{
		{Calls, freestanding, nil},
		{Libc, []string{"-O1", "-pthread"}, nil},
		{Tighten, []string{"-O1"}, []string{"-lseccomp"}},
	} {
		source, err := sources.ReadFile(c.name + "/" + c.name + ".c")
		if err != nil {
			return err
		}
		file := filepath.Join(dir, c.name+".c")
		if err := os.WriteFile(file, source, 0o644); err != nil {
			return err
		}
		if err := run("gcc", slices.Concat(c.flags, []string{"-Wall", "-o", filepath.Join(dir, c.name), file}, c.libraries)...); err != nil {
			return err
		}
	}
	return run("go", "build", "-o", dir+"/", "strata/test/programs/httpd", "strata/test/programs/killat")
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}
