package kernelfilter

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"strata/internal/filter"
)

// programs are two filters that differ: each allows everything, the second by another path.
var programs = []filter.Program{
	{{Op: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}},
	{{Op: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, {Op: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 7, Jt: 0, Jf: 0}, {Op: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}},
}

// TestMain is also the entry of the process that the test looks at: it installs filters, says so and waits.
func TestMain(m *testing.M) {
	var count int
	if n, _ := fmt.Sscan(os.Getenv("KERNELFILTER_TEST_INSTALL"), &count); n == 0 {
		os.Exit(m.Run())
	}
	for _, program := range programs[:count] {
		if err := filter.Load(program, 0); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	runtime.KeepAlive(programs)
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

func TestOf(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for count := range len(programs) + 1 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("KERNELFILTER_TEST_INSTALL=%d", count))
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
		for range 2 { // it goes on as it was
			got, err := Of(cmd.Process.Pid)
			if err != nil || !slices.EqualFunc(got, programs[:count], slices.Equal) {
				t.Errorf("%v, %v; want %v", got, err, programs[:count])
			}
		}
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestOfNobody(t *testing.T) {
	if _, err := Of(1 << 30); err == nil {
		t.Error("a process that is not there has filters")
	}
}
