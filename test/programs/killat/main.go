// Command killat runs a program in its own place and kills it with SIGKILL at a moment of the caller's choice:
//
//	killat WHEN REPORT PROGRAM ARGUMENT...
//
// WHEN is a duration (3ms), or a number N: just before the Nth call that changes something outside the program. It
// writes to the file REPORT how many such calls were made, and ends as the program does.
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"strata/test/trace"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: killat WHEN REPORT PROGRAM ARGUMENT...")
	}
	when, report := os.Args[1], os.Args[2]
	cmd := exec.Command(os.Args[3], os.Args[4:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	status, changes, err := run(cmd, when)
	if err != nil {
		log.Fatal("killat: ", err)
	}
	if err := os.WriteFile(report, []byte(strconv.Itoa(changes)), 0o644); err != nil {
		log.Fatal("killat: ", err)
	}
	if status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
}

func run(cmd *exec.Cmd, when string) (status syscall.WaitStatus, changes int, err error) {
	if pause, err := time.ParseDuration(when); err == nil {
		if err := cmd.Start(); err != nil {
			return 0, 0, err
		}
		time.AfterFunc(pause, func() { cmd.Process.Kill() })
		cmd.Wait() // its status says all
		return cmd.ProcessState.Sys().(syscall.WaitStatus), 0, nil
	}
	n, err := strconv.Atoi(when)
	if err != nil {
		return 0, 0, fmt.Errorf("%s is no duration and no number", when)
	}
	status, err = trace.Run(cmd, func(c trace.Call) bool {
		name, _ := c.ABI.Name(c.Number)
		change := changing[name]
		if change == nil || !change(c.Args) {
			return true
		}
		changes++
		return changes != n
	})
	return status, changes, err
}

// changing are the calls by which hooks change what others see, with what their arguments have to be for that.
var changing = map[string]func([6]uint64) bool{
	"openat":     func(args [6]uint64) bool { return args[2]&unix.O_CREAT != 0 },
	"bpf":        always,
	"flock":      always,
	"fsync":      always,
	"fdatasync":  always,
	"linkat":     always,
	"mkdirat":    always,
	"mount":      always,
	"pwrite64":   always,
	"renameat":   always,
	"renameat2":  always,
	"unlinkat":   always,
	"write":      always,
	"fallocate":  always,
	"ftruncate":  always,
	"exit_group": always,
}

func always([6]uint64) bool { return true }
