package recorder

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Explain says in one line what a person can do about an error of this package. It is empty where the error says enough.
func Explain(err error) string {
	switch {
	case errors.Is(err, ErrNoBTF):
		return "this kernel does not describe its types at " + kernelBTF +
			"; recording needs one that is built with CONFIG_DEBUG_INFO_BTF"
	case errors.Is(err, ErrNoBPFFS):
		return "mount a BPF file system: mount -t bpf bpf " + usualBPFFS
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if locked := lockdown(); locked == "confidentiality" {
			return "the kernel is locked down (lockdown=confidentiality), which forbids BPF to read the kernel; use lockdown=integrity"
		}
		return "recording needs CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE, or CAP_SYS_ADMIN, in the initial user namespace; " +
			"rootless engines cannot record"
	case errors.Is(err, unix.ENOSYS):
		return "this kernel is built without BPF (CONFIG_BPF_SYSCALL)"
	case errors.Is(err, unix.E2BIG):
		return fmt.Sprintf("there are %d recordings already; end some, or run strata-hook gc", mostRecordings)
	case errors.Is(err, unix.ESRCH):
		return "the container's init has ended already"
	}
	return ""
}

// lockdown reads the kernel's mode: none, integrity or confidentiality, or nothing where there is no such thing.
func lockdown() string {
	text, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}
