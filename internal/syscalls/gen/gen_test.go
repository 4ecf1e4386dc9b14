package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// What is checked in is what the generator makes of it.
func TestCheckedIn(t *testing.T) {
	data, err := os.ReadFile("../syscalls.txt")
	if err != nil {
		t.Fatal(err)
	}
	table, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.text(), data) {
		t.Error("syscalls.txt: written back it differs: was it edited by hand?")
	}
	want, err := table.source()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("table.go differs from syscalls.txt: run go generate ./internal/syscalls")
	}
}

// headers is a tree as linux-libc-dev has it, much shortened.
func headers() fstest.MapFS {
	file := func(lines ...string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Join(lines, "\n") + "\n")}
	}
	return fstest.MapFS{
		"usr/include/x86_64-linux-gnu/asm/unistd_64.h":      file("#ifndef X", "#define __NR_read 0", "#define __NR_getpid 39 /* new */", "#endif"),
		"usr/include/x86_64-linux-gnu/asm/unistd_32.h":      file("#define __NR_read 3", "#define __NR_getpid 20", "#define __NR_waitpid 7"),
		"usr/include/x86_64-linux-gnu/asm/unistd_x32.h":     file("#define __NR_read (__X32_SYSCALL_BIT + 0)", "#define __NR_execve (__X32_SYSCALL_BIT + 520)"),
		"usr/include/aarch64-linux-gnu/asm/unistd_64.h":     file("#define __NR_getpid 172"),
		"usr/include/arm-linux-gnueabihf/asm/unistd-eabi.h": file("#define __NR_getpid (__NR_SYSCALL_BASE + 20)", "#define __NR_arm_sync_file_range (__NR_SYSCALL_BASE + 341)"),
		"usr/include/arm-linux-gnueabihf/asm/unistd.h": file("#define __NR_OABI_SYSCALL_BASE	0x900000", "#define __NR_sync_file_range2		__NR_arm_sync_file_range",
			"#define __ARM_NR_BASE			(__NR_SYSCALL_BASE+0x0f0000)", "#define __ARM_NR_cacheflush		(__ARM_NR_BASE+2)"),
		"usr/include/mips-linux-gnu/asm/unistd_o32.h": file("#define __NR_read (__NR_Linux + 3)", "#define __NR_sysmips (__NR_Linux + 149)", "#define __NR_unused18 (__NR_Linux + 18)"),
	}
}

func TestHeaders(t *testing.T) {
	table, err := fromHeaders(headers(), "9.9.9")
	if err != nil {
		t.Fatal(err)
	}
	want := preamble + `kernel 9.9.9
name x86_64 x86 x32 aarch64 arm
arm_sync_file_range - - - - 341
cacheflush - - - - 983042
execve - - 520 - -
getpid 39 20 - 172 20
read 0 3 0 - -
waitpid - 7 - - -
elsewhere
sysmips
`
	if got := string(table.text()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestBadHeaders(t *testing.T) {
	missing := headers()
	delete(missing, "usr/include/aarch64-linux-gnu/asm/unistd_64.h")
	if _, err := fromHeaders(missing, "9"); err == nil {
		t.Error("headers without aarch64 were accepted")
	}
	twice := headers()
	twice["usr/include/aarch64-linux-gnu/asm/unistd_64.h"].Data = []byte("#define __NR_a 1\n#define __NR_b 1\n")
	if _, err := fromHeaders(twice, "9"); err == nil {
		t.Error("two names for one number were accepted")
	}
}

func TestBadText(t *testing.T) {
	const row = "kernel 1\nread 0 3 0 63 3\n"
	if _, err := parse([]byte(row)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "read 0 3 0 63 3\n", row + "write 1 4 1 64\n", row + "write 1 4 1 64 x\n", row + "write 1 4 1 64 -4\n",
		row + "write 0 4 1 64 4\n", row + "write 1* 4 1 64 4\n", row + "write 1 4 1 64 4294967296\n", "kernel 1\nread 0 3 0 63 -\n",
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("accepted: %q", text)
		}
	}
}
