package describe

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"strata/internal/ruleset"
)

// argument is the name of an argument and of its values.
type argument struct {
	name   string
	values values
}

// argumentOf finds the argument of a call. What a socket's protocol means depends on its domain, which another condition of
// the rule may fix.
func argumentOf(call string, index uint, conditions []ruleset.Condition) argument {
	for _, a := range arguments[call] {
		if a.index != index {
			continue
		}
		if a.name == "protocol" {
			a.values = protocolOf(conditions)
		}
		return a.argument
	}
	return argument{name: "arg" + strconv.FormatUint(uint64(index), 10)}
}

func protocolOf(conditions []ruleset.Condition) values {
	i := slices.IndexFunc(conditions, func(c ruleset.Condition) bool { return c.Arg == 0 && c.Op == ruleset.EQ })
	if i < 0 {
		return values{}
	}
	return protocols[conditions[i].Value]
}

type indexed struct {
	index uint
	argument
}

func arg(index uint, name string, v values) indexed { return indexed{index, argument{name, v}} }

func one(v ...value) values { return values{one: v} }

func flags(v ...value) values { return values{flags: v} }

// field is values of which some bits hold an alternative.
func field(mask uint64, one []value, flags ...value) values {
	return values{mask: mask, one: one, flags: flags}
}

// numbered are alternatives that count from a number.
func numbered(first uint64, names ...string) values {
	var v values
	for i, name := range names {
		v.one = append(v.one, value{name, first + uint64(i)})
	}
	return v
}

// Values of arguments, by the names of the kernel's headers without their prefix. Only what is the same for all ABIs is named:
// flags of open differ between x86 and arm.
var (
	cloneFlags = field(0xff, []value{{"SIGCHLD", uint64(unix.SIGCHLD)}},
		value{"VM", unix.CLONE_VM}, value{"FS", unix.CLONE_FS}, value{"FILES", unix.CLONE_FILES}, value{"SIGHAND", unix.CLONE_SIGHAND},
		value{"PIDFD", unix.CLONE_PIDFD}, value{"PTRACE", unix.CLONE_PTRACE}, value{"VFORK", unix.CLONE_VFORK}, value{"PARENT", unix.CLONE_PARENT},
		value{"THREAD", unix.CLONE_THREAD}, value{"NEWNS", unix.CLONE_NEWNS}, value{"SYSVSEM", unix.CLONE_SYSVSEM}, value{"SETTLS", unix.CLONE_SETTLS},
		value{"PARENT_SETTID", unix.CLONE_PARENT_SETTID}, value{"CHILD_CLEARTID", unix.CLONE_CHILD_CLEARTID}, value{"DETACHED", unix.CLONE_DETACHED},
		value{"UNTRACED", unix.CLONE_UNTRACED}, value{"CHILD_SETTID", unix.CLONE_CHILD_SETTID}, value{"NEWCGROUP", unix.CLONE_NEWCGROUP},
		value{"NEWUTS", unix.CLONE_NEWUTS}, value{"NEWIPC", unix.CLONE_NEWIPC}, value{"NEWUSER", unix.CLONE_NEWUSER},
		value{"NEWPID", unix.CLONE_NEWPID}, value{"NEWNET", unix.CLONE_NEWNET}, value{"IO", unix.CLONE_IO})

	// unshare has no signal in its low bits: there stands NEWTIME.
	unshareFlags = values{flags: append([]value{{"NEWTIME", unix.CLONE_NEWTIME}}, cloneFlags.flags...)}

	domains = one(
		value{"UNSPEC", unix.AF_UNSPEC}, value{"UNIX", unix.AF_UNIX}, value{"INET", unix.AF_INET}, value{"AX25", unix.AF_AX25}, value{"IPX", unix.AF_IPX},
		value{"APPLETALK", unix.AF_APPLETALK}, value{"NETROM", unix.AF_NETROM}, value{"BRIDGE", unix.AF_BRIDGE}, value{"ATMPVC", unix.AF_ATMPVC},
		value{"X25", unix.AF_X25}, value{"INET6", unix.AF_INET6}, value{"ROSE", unix.AF_ROSE}, value{"DECNET", unix.AF_DECnet},
		value{"NETBEUI", unix.AF_NETBEUI}, value{"SECURITY", unix.AF_SECURITY}, value{"KEY", unix.AF_KEY}, value{"NETLINK", unix.AF_NETLINK},
		value{"PACKET", unix.AF_PACKET}, value{"ASH", unix.AF_ASH}, value{"ECONET", unix.AF_ECONET}, value{"ATMSVC", unix.AF_ATMSVC},
		value{"RDS", unix.AF_RDS}, value{"SNA", unix.AF_SNA}, value{"IRDA", unix.AF_IRDA}, value{"PPPOX", unix.AF_PPPOX}, value{"WANPIPE", unix.AF_WANPIPE},
		value{"LLC", unix.AF_LLC}, value{"IB", unix.AF_IB}, value{"MPLS", unix.AF_MPLS}, value{"CAN", unix.AF_CAN}, value{"TIPC", unix.AF_TIPC},
		value{"BLUETOOTH", unix.AF_BLUETOOTH}, value{"IUCV", unix.AF_IUCV}, value{"RXRPC", unix.AF_RXRPC}, value{"ISDN", unix.AF_ISDN},
		value{"PHONET", unix.AF_PHONET}, value{"IEEE802154", unix.AF_IEEE802154}, value{"CAIF", unix.AF_CAIF}, value{"ALG", unix.AF_ALG},
		value{"NFC", unix.AF_NFC}, value{"VSOCK", unix.AF_VSOCK}, value{"KCM", unix.AF_KCM}, value{"QIPCRTR", unix.AF_QIPCRTR},
		value{"SMC", unix.AF_SMC}, value{"XDP", unix.AF_XDP}, value{"MCTP", unix.AF_MCTP})

	socketTypes = field(0xf, []value{
		{"STREAM", unix.SOCK_STREAM}, {"DGRAM", unix.SOCK_DGRAM}, {"RAW", unix.SOCK_RAW}, {"RDM", unix.SOCK_RDM},
		{"SEQPACKET", unix.SOCK_SEQPACKET}, {"DCCP", unix.SOCK_DCCP}, {"PACKET", unix.SOCK_PACKET},
	}, value{"NONBLOCK", unix.SOCK_NONBLOCK}, value{"CLOEXEC", unix.SOCK_CLOEXEC})

	internetProtocols = one(value{"ICMP", unix.IPPROTO_ICMP}, value{"TCP", unix.IPPROTO_TCP}, value{"UDP", unix.IPPROTO_UDP},
		value{"DCCP", unix.IPPROTO_DCCP}, value{"ICMPV6", unix.IPPROTO_ICMPV6}, value{"SCTP", unix.IPPROTO_SCTP},
		value{"UDPLITE", unix.IPPROTO_UDPLITE}, value{"RAW", unix.IPPROTO_RAW}, value{"MPTCP", unix.IPPROTO_MPTCP})

	protocols = map[uint64]values{
		unix.AF_INET:  internetProtocols,
		unix.AF_INET6: internetProtocols,
		unix.AF_NETLINK: one(value{"ROUTE", unix.NETLINK_ROUTE}, value{"USERSOCK", unix.NETLINK_USERSOCK}, value{"SOCK_DIAG", unix.NETLINK_SOCK_DIAG},
			value{"NFLOG", unix.NETLINK_NFLOG}, value{"XFRM", unix.NETLINK_XFRM}, value{"SELINUX", unix.NETLINK_SELINUX}, value{"AUDIT", unix.NETLINK_AUDIT},
			value{"CONNECTOR", unix.NETLINK_CONNECTOR}, value{"NETFILTER", unix.NETLINK_NETFILTER}, value{"KOBJECT_UEVENT", unix.NETLINK_KOBJECT_UEVENT},
			value{"GENERIC", unix.NETLINK_GENERIC}, value{"CRYPTO", unix.NETLINK_CRYPTO}),
	}

	// include/uapi/linux/personality.h; 0xffffffff asks for the present one (personality(2)).
	personas = values{
		one: []value{{"LINUX", 0}, {"QUERY", 0xffffffff}},
		flags: []value{
			{"UNAME26", 0x20000}, {"ADDR_NO_RANDOMIZE", 0x40000}, {"FDPIC_FUNCPTRS", 0x80000}, {"MMAP_PAGE_ZERO", 0x100000},
			{"ADDR_COMPAT_LAYOUT", 0x200000}, {"READ_IMPLIES_EXEC", 0x400000}, {"ADDR_LIMIT_32BIT", 0x800000}, {"SHORT_INODE", 0x1000000},
			{"WHOLE_SECONDS", 0x2000000}, {"STICKY_TIMEOUTS", 0x4000000}, {"ADDR_LIMIT_3GB", 0x8000000}, {"LINUX32", 0x8},
		},
	}

	protections = flags(value{"READ", unix.PROT_READ}, value{"WRITE", unix.PROT_WRITE}, value{"EXEC", unix.PROT_EXEC})

	mapFlags = field(0xf, []value{{"SHARED", unix.MAP_SHARED}, {"PRIVATE", unix.MAP_PRIVATE}, {"SHARED_VALIDATE", unix.MAP_SHARED_VALIDATE}},
		value{"FIXED", unix.MAP_FIXED}, value{"ANONYMOUS", unix.MAP_ANONYMOUS}, value{"LOCKED", unix.MAP_LOCKED},
		value{"NORESERVE", unix.MAP_NORESERVE}, value{"POPULATE", unix.MAP_POPULATE}, value{"STACK", unix.MAP_STACK}, value{"HUGETLB", unix.MAP_HUGETLB})

	mountFlags = flags(value{"RDONLY", unix.MS_RDONLY}, value{"NOSUID", unix.MS_NOSUID}, value{"NODEV", unix.MS_NODEV}, value{"NOEXEC", unix.MS_NOEXEC},
		value{"REMOUNT", unix.MS_REMOUNT}, value{"BIND", unix.MS_BIND}, value{"MOVE", unix.MS_MOVE}, value{"REC", unix.MS_REC},
		value{"UNBINDABLE", unix.MS_UNBINDABLE}, value{"PRIVATE", unix.MS_PRIVATE}, value{"SLAVE", unix.MS_SLAVE}, value{"SHARED", unix.MS_SHARED})

	fileModes = field(unix.S_IFMT, []value{{"a socket", unix.S_IFSOCK}, {"a link", unix.S_IFLNK}, {"a file", unix.S_IFREG},
		{"a block device", unix.S_IFBLK}, {"a directory", unix.S_IFDIR}, {"a character device", unix.S_IFCHR}, {"a FIFO", unix.S_IFIFO}},
		value{"SETUID", unix.S_ISUID}, value{"SETGID", unix.S_ISGID}, value{"STICKY", unix.S_ISVTX})

	modeBits = flags(value{"SETUID", unix.S_ISUID}, value{"SETGID", unix.S_ISGID}, value{"STICKY", unix.S_ISVTX})

	requests = one(value{"TCGETS", unix.TCGETS}, value{"TCSETS", unix.TCSETS}, value{"TCSETSW", unix.TCSETSW}, value{"TCSETSF", unix.TCSETSF},
		value{"TIOCSCTTY", unix.TIOCSCTTY}, value{"TIOCGPGRP", unix.TIOCGPGRP}, value{"TIOCSPGRP", unix.TIOCSPGRP}, value{"TIOCSTI", unix.TIOCSTI},
		value{"TIOCGWINSZ", unix.TIOCGWINSZ}, value{"TIOCSWINSZ", unix.TIOCSWINSZ}, value{"TIOCLINUX", 0x541c}, value{"TIOCNOTTY", unix.TIOCNOTTY},
		value{"FIONREAD", 0x541b}, value{"FIONBIO", 0x5421}, value{"FIOCLEX", 0x5451}, value{"FIONCLEX", 0x5450})

	// include/uapi/asm-generic/fcntl.h and include/uapi/linux/fcntl.h.
	fcntlCommands = one(value{"DUPFD", 0}, value{"GETFD", 1}, value{"SETFD", 2}, value{"GETFL", 3}, value{"SETFL", 4}, value{"GETLK", 5}, value{"SETLK", 6},
		value{"SETLKW", 7}, value{"SETOWN", 8}, value{"GETOWN", 9}, value{"SETSIG", 10}, value{"GETSIG", 11}, value{"DUPFD_CLOEXEC", 1030},
		value{"SETPIPE_SZ", 1031}, value{"GETPIPE_SZ", 1032}, value{"ADD_SEALS", 1033}, value{"GET_SEALS", 1034})

	prctlOptions = one(value{"SET_PDEATHSIG", unix.PR_SET_PDEATHSIG}, value{"GET_DUMPABLE", unix.PR_GET_DUMPABLE}, value{"SET_DUMPABLE", unix.PR_SET_DUMPABLE},
		value{"GET_KEEPCAPS", unix.PR_GET_KEEPCAPS}, value{"SET_KEEPCAPS", unix.PR_SET_KEEPCAPS}, value{"SET_NAME", unix.PR_SET_NAME}, value{"GET_NAME", unix.PR_GET_NAME},
		value{"GET_SECCOMP", unix.PR_GET_SECCOMP}, value{"SET_SECCOMP", unix.PR_SET_SECCOMP}, value{"CAPBSET_READ", unix.PR_CAPBSET_READ},
		value{"CAPBSET_DROP", unix.PR_CAPBSET_DROP}, value{"GET_SECUREBITS", unix.PR_GET_SECUREBITS}, value{"SET_SECUREBITS", unix.PR_SET_SECUREBITS},
		value{"SET_MM", unix.PR_SET_MM}, value{"SET_CHILD_SUBREAPER", unix.PR_SET_CHILD_SUBREAPER}, value{"SET_NO_NEW_PRIVS", unix.PR_SET_NO_NEW_PRIVS},
		value{"GET_NO_NEW_PRIVS", unix.PR_GET_NO_NEW_PRIVS}, value{"CAP_AMBIENT", unix.PR_CAP_AMBIENT}, value{"SET_SPECULATION_CTRL", unix.PR_SET_SPECULATION_CTRL},
		value{"SET_PTRACER", unix.PR_SET_PTRACER}, value{"SET_VMA", unix.PR_SET_VMA})

	bpfCommands = numbered(0, "MAP_CREATE", "MAP_LOOKUP_ELEM", "MAP_UPDATE_ELEM", "MAP_DELETE_ELEM", "MAP_GET_NEXT_KEY", "PROG_LOAD", "OBJ_PIN", "OBJ_GET",
		"PROG_ATTACH", "PROG_DETACH", "PROG_TEST_RUN")

	// include/uapi/linux/keyctl.h
	keyOperations = numbered(0, "GET_KEYRING_ID", "JOIN_SESSION_KEYRING", "UPDATE", "REVOKE", "CHOWN", "SETPERM", "DESCRIBE", "CLEAR", "LINK", "UNLINK", "SEARCH",
		"READ", "INSTANTIATE", "NEGATE", "SET_REQKEY_KEYRING", "SET_TIMEOUT", "ASSUME_AUTHORITY", "GET_SECURITY", "SESSION_TO_PARENT")

	// include/uapi/linux/net.h and include/uapi/linux/ipc.h: what the multiplexers of 32-bit x86 stand for.
	socketCalls = numbered(1, "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv", "sendto", "recvfrom",
		"shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg")
	ipcCalls = field(0xffff, []value{{"semop", 1}, {"semget", 2}, {"semctl", 3}, {"semtimedop", 4}, {"msgsnd", 11}, {"msgrcv", 12}, {"msgget", 13},
		{"msgctl", 14}, {"shmat", 21}, {"shmdt", 22}, {"shmget", 23}, {"shmctl", 24}})

	traceRequests = one(value{"TRACEME", unix.PTRACE_TRACEME}, value{"PEEKTEXT", unix.PTRACE_PEEKTEXT}, value{"PEEKDATA", unix.PTRACE_PEEKDATA},
		value{"POKETEXT", unix.PTRACE_POKETEXT}, value{"POKEDATA", unix.PTRACE_POKEDATA}, value{"CONT", unix.PTRACE_CONT}, value{"KILL", unix.PTRACE_KILL},
		value{"ATTACH", unix.PTRACE_ATTACH}, value{"DETACH", unix.PTRACE_DETACH}, value{"SYSCALL", unix.PTRACE_SYSCALL}, value{"SEIZE", unix.PTRACE_SEIZE})

	seccompOperations = numbered(0, "SET_MODE_STRICT", "SET_MODE_FILTER", "GET_ACTION_AVAIL", "GET_NOTIF_SIZES")

	resources = one(value{"CPU", unix.RLIMIT_CPU}, value{"FSIZE", unix.RLIMIT_FSIZE}, value{"DATA", unix.RLIMIT_DATA}, value{"STACK", unix.RLIMIT_STACK},
		value{"CORE", unix.RLIMIT_CORE}, value{"RSS", unix.RLIMIT_RSS}, value{"NPROC", unix.RLIMIT_NPROC}, value{"NOFILE", unix.RLIMIT_NOFILE},
		value{"MEMLOCK", unix.RLIMIT_MEMLOCK}, value{"AS", unix.RLIMIT_AS})

	memfdFlags = flags(value{"CLOEXEC", unix.MFD_CLOEXEC}, value{"ALLOW_SEALING", unix.MFD_ALLOW_SEALING}, value{"HUGETLB", unix.MFD_HUGETLB},
		value{"NOEXEC_SEAL", unix.MFD_NOEXEC_SEAL}, value{"EXEC", unix.MFD_EXEC})

	codes = one(value{"SET_GS", 0x1001}, value{"SET_FS", 0x1002}, value{"GET_FS", 0x1003}, value{"GET_GS", 0x1004})

	clocks = numbered(0, "REALTIME", "MONOTONIC", "PROCESS_CPUTIME_ID", "THREAD_CPUTIME_ID", "MONOTONIC_RAW", "REALTIME_COARSE", "MONOTONIC_COARSE", "BOOTTIME")
)

// arguments are those that rules look at, by call.
var arguments = map[string][]indexed{
	"arch_prctl":      {arg(0, "code", codes)},
	"bpf":             {arg(0, "command", bpfCommands)},
	"chmod":           {arg(1, "mode", modeBits)},
	"clock_gettime":   {arg(0, "clock", clocks)},
	"clock_nanosleep": {arg(0, "clock", clocks)},
	"clock_settime":   {arg(0, "clock", clocks)},
	"clone":           {arg(0, "flags", cloneFlags)},
	"fchmod":          {arg(1, "mode", modeBits)},
	"fchmodat":        {arg(2, "mode", modeBits)},
	"fchmodat2":       {arg(2, "mode", modeBits)},
	"fcntl":           {arg(0, "fd", values{}), arg(1, "command", fcntlCommands)},
	"fcntl64":         {arg(0, "fd", values{}), arg(1, "command", fcntlCommands)},
	"getrlimit":       {arg(0, "resource", resources)},
	"ioctl":           {arg(0, "fd", values{}), arg(1, "request", requests)},
	"ipc":             {arg(0, "call", ipcCalls)},
	"keyctl":          {arg(0, "operation", keyOperations)},
	"kill":            {arg(0, "pid", values{}), arg(1, "signal", values{})},
	"memfd_create":    {arg(1, "flags", memfdFlags)},
	"mknod":           {arg(1, "mode", fileModes)},
	"mknodat":         {arg(2, "mode", fileModes)},
	"mmap":            {arg(1, "length", values{}), arg(2, "protection", protections), arg(3, "flags", mapFlags)},
	"mmap2":           {arg(1, "length", values{}), arg(2, "protection", protections), arg(3, "flags", mapFlags)},
	"mount":           {arg(3, "flags", mountFlags)},
	"mprotect":        {arg(1, "length", values{}), arg(2, "protection", protections)},
	"personality":     {arg(0, "persona", personas)},
	"pkey_mprotect":   {arg(1, "length", values{}), arg(2, "protection", protections)},
	"prctl":           {arg(0, "option", prctlOptions)},
	"prlimit64":       {arg(0, "pid", values{}), arg(1, "resource", resources)},
	"ptrace":          {arg(0, "request", traceRequests), arg(1, "pid", values{})},
	"read":            {arg(0, "fd", values{}), arg(2, "count", values{})},
	"seccomp":         {arg(0, "operation", seccompOperations), arg(1, "flags", values{})},
	"setns":           {arg(0, "fd", values{}), arg(1, "type", values{flags: unshareFlags.flags})},
	"setrlimit":       {arg(0, "resource", resources)},
	"socket":          {arg(0, "domain", domains), arg(1, "type", socketTypes), arg(2, "protocol", values{})},
	"socketcall":      {arg(0, "call", socketCalls)},
	"socketpair":      {arg(0, "domain", domains), arg(1, "type", socketTypes), arg(2, "protocol", values{})},
	"tgkill":          {arg(0, "tgid", values{}), arg(1, "tid", values{}), arg(2, "signal", values{})},
	"umount2":         {arg(1, "flags", values{})},
	"unshare":         {arg(0, "flags", unshareFlags)},
	"write":           {arg(0, "fd", values{}), arg(2, "count", values{})},
}
