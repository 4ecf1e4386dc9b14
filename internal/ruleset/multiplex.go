package ruleset

import "strata/internal/syscalls"

// On x86 the socket and System V IPC calls exist twice: as calls of their own and, older, behind socketcall(2)
// and ipc(2), whose first argument says which is meant and whose others are pointers to what the filter cannot
// see. Whoever gives libseccomp (2.4 and later) a rule for one of these names gets two (abi_rule_add in
// syscalls.c): the direct one as it was written, and one for the multiplexer, where argument 0 is compared with
// the call's code *in place of* what the rule said of argument 0, and the conditions on arguments 1 to 5 are
// kept, though they compare other things there. So a profile that allows socket(2) for some families only
// allows all families behind socketcall, unless an unconditional rule for socketcall swallows these companions.
// That is what the kernel gets, so that is how a profile is read here.

type multiplexed struct {
	through string // the multiplexer's name
	code    uint64 // its first argument (include/uapi/linux/net.h, ipc.h)
}

// multiplexers are the calls that have companions.
var multiplexers = []string{"socketcall", "ipc"}

var companions = map[string]multiplexed{
	"socket":      {"socketcall", 1},
	"bind":        {"socketcall", 2},
	"connect":     {"socketcall", 3},
	"listen":      {"socketcall", 4},
	"accept":      {"socketcall", 5},
	"getsockname": {"socketcall", 6},
	"getpeername": {"socketcall", 7},
	"socketpair":  {"socketcall", 8},
	"send":        {"socketcall", 9},
	"recv":        {"socketcall", 10},
	"sendto":      {"socketcall", 11},
	"recvfrom":    {"socketcall", 12},
	"shutdown":    {"socketcall", 13},
	"setsockopt":  {"socketcall", 14},
	"getsockopt":  {"socketcall", 15},
	"sendmsg":     {"socketcall", 16},
	"recvmsg":     {"socketcall", 17},
	"accept4":     {"socketcall", 18},
	"recvmmsg":    {"socketcall", 19},
	"sendmmsg":    {"socketcall", 20},
	"semop":       {"ipc", 1},
	"semget":      {"ipc", 2},
	"semctl":      {"ipc", 3},
	"semtimedop":  {"ipc", 4},
	"msgsnd":      {"ipc", 11},
	"msgrcv":      {"ipc", 12},
	"msgget":      {"ipc", 13},
	"msgctl":      {"ipc", 14},
	"shmat":       {"ipc", 21},
	"shmdt":       {"ipc", 22},
	"shmget":      {"ipc", 23},
	"shmctl":      {"ipc", 24},
}

// A clause is one rule for one system call number, with at most one condition per argument, in their order.
type clause struct {
	number     uint32
	conditions []Condition
	implied    bool // a companion, not what was written
}

// clauses are what libseccomp makes of a rule for one name on one ABI: none where the ABI lacks the call.
func clauses(abi syscalls.ABI, name string, conditions []Condition) []clause {
	var out []clause
	conditions = effective(abi, conditions)
	if nr, ok := abi.Number(name); ok {
		out = append(out, clause{number: nr, conditions: conditions})
	}
	if abi != syscalls.X86 {
		return out
	}
	if m, ok := companions[name]; ok {
		nr, _ := abi.Number(m.through)
		code := []Condition{{Arg: 0, Op: EQ, Value: m.code}}
		if len(conditions) > 0 && conditions[0].Arg == 0 {
			conditions = conditions[1:]
		}
		out = append(out, clause{number: nr, conditions: append(code, conditions...), implied: true})
	}
	return out
}

// effective are the conditions as the ABI compares them: on a 32-bit one cut to the low halves, and without those
// that compare no bit. libseccomp makes no code for the latter, so a rule that has only such ones is unconditional
// (_db_rule_gen_64 and _db_rule_gen_32 in db.c).
func effective(abi syscalls.ABI, conditions []Condition) []Condition {
	all := ^uint64(0) >> (wordBits - width(abi))
	var out []Condition
	for _, c := range conditions {
		c.Value &= all
		c.ValueTwo &= all
		if c.Op != MaskedEQ || c.Value != 0 {
			out = append(out, c)
		}
	}
	return out
}

// Multiplexed reports whether a name is a socket or IPC call that x86 also has behind socketcall or ipc.
func Multiplexed(name string) bool {
	_, ok := companions[name]
	return ok
}
