package main

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"

	"strata/internal/syscalls"
)

// sources says which headers hold which ABI, relative to usr/include of an unpacked linux-libc-dev.
var sources = map[syscalls.ABI][]string{
	syscalls.X86_64:  {"x86_64-linux-gnu/asm/unistd_64.h"},
	syscalls.X86:     {"x86_64-linux-gnu/asm/unistd_32.h"},
	syscalls.X32:     {"x86_64-linux-gnu/asm/unistd_x32.h"},
	syscalls.AArch64: {"aarch64-linux-gnu/asm/unistd_64.h"},
	syscalls.ARM:     {"arm-linux-gnueabihf/asm/unistd-eabi.h", "arm-linux-gnueabihf/asm/unistd.h"},
}

// bases are the offsets that headers add to numbers. The x32 bit is left out of the tables; arm's EABI starts at 0 and its
// private calls at 0x0f0000 (arch/arm/include/uapi/asm/unistd.h).
var bases = map[string]uint32{
	"__X32_SYSCALL_BIT": 0,
	"__NR_SYSCALL_BASE": 0,
	"__ARM_NR_BASE":     0x0f0000,
}

var (
	define = regexp.MustCompile(`^#\s*define\s+__(?:ARM_)?NR_([a-z_][a-z0-9_]*)\s+(\S.*?)\s*(?:/\*.*)?$`)
	sum    = regexp.MustCompile(`^\(?\s*(?:(__\w+)\s*\+)?\s*(\d+)\s*\)?$`)
	vacant = regexp.MustCompile(`^(?:unused|reserved)\d+$`) // holes in other architectures' tables
)

// fromHeaders reads the calls of all ABIs, and the names that only other architectures have.
func fromHeaders(root fs.FS, kernel string) (*table, error) {
	t := newTable(kernel)
	for _, abi := range syscalls.ABIs() {
		for _, file := range sources[abi] {
			if err := readHeader(root, path.Join("usr/include", file), func(name string, nr uint32) { t.add(name, abi, nr) }); err != nil {
				return nil, err
			}
		}
	}
	others, err := fs.Glob(root, "usr/include/*/asm/unistd*.h")
	if err != nil {
		return nil, err
	}
	for _, file := range others {
		if err := readHeader(root, file, func(name string, _ uint32) { t.elsewhere[name] = !vacant.MatchString(name) }); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(t.elsewhere, func(name string, called bool) bool { return !called || t.rows[name] != nil })
	return t, t.check()
}

// readHeader calls found for each call that a header defines. A name that is defined as another name (arm's sync_file_range2)
// is left out: the kernel's table and libseccomp do not know it there, so a rule for it says nothing.
func readHeader(root fs.FS, file string, found func(name string, nr uint32)) error {
	data, err := fs.ReadFile(root, file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		m := define.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		s := sum.FindStringSubmatch(m[2])
		if s == nil {
			continue // a mask or another name
		}
		nr, err := strconv.ParseUint(s[2], 10, 32)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", file, m[1], err)
		}
		// The base is 0 for other architectures' ones: of those only names are wanted.
		found(m[1], bases[s[1]]+uint32(nr))
	}
	return nil
}
