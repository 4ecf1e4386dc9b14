package profile

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"strata/internal/syscalls"
)

// Action is what happens to a call, named as profiles name it.
type Action string

// The actions, most restrictive first (seccomp(2), "precedence order").
const (
	KillProcess Action = "SCMP_ACT_KILL_PROCESS"
	KillThread  Action = "SCMP_ACT_KILL_THREAD"
	Trap        Action = "SCMP_ACT_TRAP"
	Fail        Action = "SCMP_ACT_ERRNO"
	Notify      Action = "SCMP_ACT_NOTIFY"
	Trace       Action = "SCMP_ACT_TRACE"
	Log         Action = "SCMP_ACT_LOG"
	Allow       Action = "SCMP_ACT_ALLOW"
)

// kill is the older name of KillThread. It is the one that is written: every reader knows it, containers/common's validator knows only it.
const kill Action = "SCMP_ACT_KILL"

// actions holds all names of actions, with the action that each means and the highest number that it may carry. An ERRNO
// above MAX_ERRNO would be cut to it by the kernel (include/linux/err.h); TRACE passes 16 bits.
var actions = map[Action]struct {
	is      Action
	numbers bool
	max     uint64
}{
	KillProcess: {is: KillProcess},
	KillThread:  {is: KillThread},
	kill:        {is: KillThread},
	Trap:        {is: Trap},
	Fail:        {is: Fail, numbers: true, max: 4095},
	Notify:      {is: Notify},
	Trace:       {is: Trace, numbers: true, max: 65535},
	Log:         {is: Log},
	Allow:       {is: Allow},
}

// written is the name under which an action is written.
func (a Action) written() string {
	if a == KillThread {
		return string(kill)
	}
	return string(a)
}

// Op compares an argument.
type Op string

// The operators.
const (
	NotEqual       Op = "SCMP_CMP_NE"
	LessThan       Op = "SCMP_CMP_LT"
	LessOrEqual    Op = "SCMP_CMP_LE"
	Equal          Op = "SCMP_CMP_EQ"
	GreaterOrEqual Op = "SCMP_CMP_GE"
	GreaterThan    Op = "SCMP_CMP_GT"
	MaskedEqual    Op = "SCMP_CMP_MASKED_EQ"
)

var ops = []Op{NotEqual, LessThan, LessOrEqual, Equal, GreaterOrEqual, GreaterThan, MaskedEqual}

// Flag is a flag of seccomp(2) that a profile may ask for.
type Flag string

// The flags.
const (
	FlagTSync        Flag = "SECCOMP_FILTER_FLAG_TSYNC"
	FlagLog          Flag = "SECCOMP_FILTER_FLAG_LOG"
	FlagSpecAllow    Flag = "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
	FlagWaitKillable Flag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
)

var flags = []Flag{FlagTSync, FlagLog, FlagSpecAllow, FlagWaitKillable}

// Arch is an architecture, named as profiles name it.
type Arch string

// ArchNative means the architecture of the machine. libseccomp, containers/common and the operator know it; the OCI
// specification does not.
const ArchNative Arch = "SCMP_ARCH_NATIVE"

// arches lists the architectures that profiles may name, in the order in which they are written: first those that are
// evaluated. native is libseccomp's name, used in includes and excludes; spo says whether the operator's API accepts it.
var arches = []struct {
	arch   Arch
	native string
	spo    bool
}{
	{ArchNative, "", true},
	{"SCMP_ARCH_X86_64", "amd64", true},
	{"SCMP_ARCH_X86", "x86", true},
	{"SCMP_ARCH_X32", "x32", true},
	{"SCMP_ARCH_AARCH64", "arm64", true},
	{"SCMP_ARCH_ARM", "arm", true},
	{"SCMP_ARCH_LOONGARCH64", "loongarch64", false},
	{"SCMP_ARCH_M68K", "m68k", false},
	{"SCMP_ARCH_MIPS", "mips", true},
	{"SCMP_ARCH_MIPS64", "mips64", true},
	{"SCMP_ARCH_MIPS64N32", "mips64n32", true},
	{"SCMP_ARCH_MIPSEL", "mipsel", true},
	{"SCMP_ARCH_MIPSEL64", "mipsel64", true},
	{"SCMP_ARCH_MIPSEL64N32", "mipsel64n32", true},
	{"SCMP_ARCH_PARISC", "parisc", true},
	{"SCMP_ARCH_PARISC64", "parisc64", true},
	{"SCMP_ARCH_PPC", "ppc", true},
	{"SCMP_ARCH_PPC64", "ppc64", true},
	{"SCMP_ARCH_PPC64LE", "ppc64le", true},
	{"SCMP_ARCH_RISCV64", "riscv64", true},
	{"SCMP_ARCH_S390", "s390", true},
	{"SCMP_ARCH_S390X", "s390x", true},
	{"SCMP_ARCH_SH", "sh", false},
	{"SCMP_ARCH_SHEB", "sheb", false},
}

// otherNatives are further spellings of native architectures that moby's own tables use.
var otherNatives = []string{"loong64", "mips3l64n32", "mipsle"}

func archIndex(a Arch) int {
	for i := range arches {
		if arches[i].arch == a {
			return i
		}
	}
	return -1
}

func compareArch(a, b Arch) int { return cmp.Compare(archIndex(a), archIndex(b)) }

// ABI is the architecture's ABI, if it is one of those that are evaluated.
func (a Arch) ABI() (syscalls.ABI, bool) { return syscalls.ParseArch(string(a)) }

// native is what includes and excludes call the machine's architecture.
func native(abi syscalls.ABI) string {
	if i := archIndex(Arch(abi.Arch())); i >= 0 {
		return arches[i].native
	}
	return ""
}

func knownNative(name string) bool {
	for i := range arches {
		if name != "" && arches[i].native == name {
			return true
		}
	}
	return slices.Contains(otherNatives, name)
}

// capabilities in the order of their numbers (include/uapi/linux/capability.h, Linux 7.2).
var capabilities = strings.Fields(`
	CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP
	CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER
	CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE
	CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP
	CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF
	CAP_CHECKPOINT_RESTORE`)

// Capabilities lists the names of all capabilities.
func Capabilities() []string { return slices.Clone(capabilities) }

// ParseCapability finds a capability by its name, with or without CAP_ and in capitals or not.
func ParseCapability(text string) (string, bool) {
	name := "CAP_" + strings.TrimPrefix(strings.ToUpper(text), "CAP_")
	return name, slices.Contains(capabilities, name)
}

// secondErrnos are names that share their number with another (errno(3)); package unix names only one of each pair.
var secondErrnos = map[string]Errno{"EWOULDBLOCK": 11, "EDEADLOCK": 35, "ENOTSUP": 95, "EAGAIN": 11, "EDEADLK": 35, "EOPNOTSUPP": 95}

// highestErrno is EHWPOISON, the last of the numbers that have names.
const highestErrno = 133

// ParseErrno finds an error number by its name, such as EPERM, or by its decimal digits. The numbers are those of all ABIs that
// are evaluated; some other architectures have different ones.
func ParseErrno(text string) (Errno, bool) {
	if e, ok := secondErrnos[text]; ok {
		return e, true
	}
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && strconv.FormatUint(n, 10) == text {
		return Errno(n), true
	}
	for e := Errno(1); e <= highestErrno; e++ {
		if e.Name() == text && text != "" {
			return e, true
		}
	}
	return 0, false
}

// Name is the number's name, such as EPERM, or "" where it has none.
func (e Errno) Name() string {
	for _, name := range [...]string{"EAGAIN", "EDEADLK", "EOPNOTSUPP"} {
		if secondErrnos[name] == e {
			return name
		}
	}
	return unix.ErrnoName(unix.Errno(e))
}

// String is the number's name, or its digits where it has none.
func (e Errno) String() string {
	if name := e.Name(); name != "" {
		return name
	}
	return strconv.FormatUint(uint64(e), 10)
}

// Kernel is a version of the kernel, as far as minKernel looks at it. The zero Kernel states nothing.
type Kernel struct{ Major, Minor uint }

// String is the version as minKernel has it, or "" for none.
func (k Kernel) String() string {
	if k == (Kernel{}) {
		return ""
	}
	return strconv.FormatUint(uint64(k.Major), 10) + "." + strconv.FormatUint(uint64(k.Minor), 10)
}

// AtLeast says whether k is m or later.
func (k Kernel) AtLeast(m Kernel) bool {
	return k.Major > m.Major || k.Major == m.Major && k.Minor >= m.Minor
}

// parseKernel reads minKernel: two numbers of at most 255, as moby reads it.
func parseKernel(text string) (Kernel, bool) {
	major, minor, ok := strings.Cut(text, ".")
	a, errA := strconv.ParseUint(major, 10, 8)
	b, errB := strconv.ParseUint(minor, 10, 8)
	k := Kernel{Major: uint(a), Minor: uint(b)}
	return k, ok && errA == nil && errB == nil && k != Kernel{}
}

// ParseRelease reads the version from what uname(2) calls the release, such as 6.1.0-18-amd64.
func ParseRelease(release string) (Kernel, bool) {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	a, errA := strconv.ParseUint(major, 10, 32)
	b, errB := strconv.ParseUint(rest[:end], 10, 32)
	return Kernel{Major: uint(a), Minor: uint(b)}, errA == nil && errB == nil
}
