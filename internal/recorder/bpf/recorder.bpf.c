// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The kernel's side of the recorder: which tasks belong to a recorded container, and which system calls they make.
//
// One set of these programs serves the whole node. What it knows of a task stands in that task's own storage
// (members): the recording that it belongs to, and which calls it has already put into the recording's table. So the
// path that almost every call takes is one storage lookup and the test of one bit, whatever the number of recordings.
//
// The file needs no kernel headers. The offsets of kernel structures are 64-bit immediates that the loader replaces
// (OFFSET); they are found in the running kernel's BTF. See kerneltypes.go, which lists the same names.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define inline inline __attribute__((always_inline))
#define unlikely(x) __builtin_expect(!!(x), 0)

// Numbers of include/uapi/linux/bpf.h.
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*const bpf_task_storage_get)(void *map, void *task, void *value, u64 flags) = (void *)156;
static void *(*const bpf_get_current_task_btf)(void) = (void *)158;

#define BPF_NOEXIST 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

#define SECCOMP_MODE_FILTER 2    // include/uapi/linux/seccomp.h
#define CLONE_THREAD 0x00010000  // include/uapi/linux/sched.h

// An offset that the loader fills in: the upper half is a mark, the lower half says which.
#define OFFSET_MARK 0x5354524100000000ULL
#define OFFSET(which)                                                           \
	({                                                                      \
		u64 offset;                                                     \
		asm volatile("%0 = %1 ll" : "=r"(offset) : "i"(OFFSET_MARK | (which))); \
		offset;                                                         \
	})
enum {
	TASK_SECCOMP_MODE = 1,
	TASK_SECCOMP_FILTER_COUNT = 2,
	TASK_GROUP_LEADER = 3,
	TASK_NSPROXY = 4,
	TASK_THREAD_FLAGS = 5, // x86: thread_info.status, arm64: thread_info.flags
	NSPROXY_MNT_NS = 6,
	MNT_NS_ID = 7,
	REGS_SYSCALL = 8,
};

// The maps' shapes are in layout.go too.
#define ABIS 3
#define CALLS 576 // x32's own calls end at 547
#define WORDS (CALLS / 64)
#define PARTS 2 // calls of the runtime, calls of the container's programs

#define F_INIT (1 << 0)     // the container's init: its mount namespace is still to be written down
#define F_SHARED (1 << 1)   // its mount namespace is not its own, so nothing can be told from it
#define F_OPEN (1 << 2)     // the container has no filter: count whatever the mode is
#define F_WAITING (1 << 3)  // F_OPEN, and the runtime has not executed the container's program yet
#define F_DENIED (1 << 4)   // also note calls that the filter answered
#define F_ENTERED (1 << 5)  // has entered a call under the filter, so an exit without one tells of a denial
#define F_OUTER (1 << 6)    // stood under filters before the container's own: see struct member's outer
#define F_PROGRAM (1 << 7)  // the runtime has executed a program: what is called from now on is the container's doing

struct member {
	u64 recording;       // 0: found to belong to none, as long as proxy and epoch stay what they are
	u64 proxy;           // its struct nsproxy then: a task that enters namespaces gets another one
	u64 epoch;
	u32 flags;
	u32 outer;           // filters that were there before the container's own
	u64 in_call;         // F_DENIED: a call was entered and has not ended yet
	u64 noted[ABIS][WORDS];
};

struct table {
	u32 first[PARTS][ABIS][CALLS]; // when the first such call was made, see moment(); 0: none
	u8 denied[ABIS][CALLS]; // bytes, since two processors may write two calls at once
	u64 mount_namespace;
	u64 processes;
	u64 beyond;             // calls with numbers that no table has
	u64 failures;           // children whose storage could not be had
	u32 flags;              // of members that join by their mount namespace
	u32 outer;
	u64 skipped;            // user space's
	u64 began;              // CLOCK_BOOTTIME in ns
};

SEC(".maps") int members;    // task storage: struct member
SEC(".maps") int recordings; // u64 recording -> struct table
SEC(".maps") int namespaces; // u64 mount namespace -> u64 recording
SEC(".maps") u64 epoch;      // counts what may turn a task that belongs to no recording into one that does

static inline u64 read_u64(const void *from)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), from);
	return value;
}

static inline u32 seccomp_mode(void *task)
{
	return *(u32 *)(task + OFFSET(TASK_SECCOMP_MODE));
}

static inline u64 mount_namespace(void *task)
{
	u64 proxy = read_u64(task + OFFSET(TASK_NSPROXY)), namespace;

	if (!proxy) // the task is exiting
		return 0;
	namespace = read_u64((void *)proxy + OFFSET(NSPROXY_MNT_NS));
	return namespace ? read_u64((void *)namespace + OFFSET(MNT_NS_ID)) : 0;
}

struct call {
	u32 abi;
	u32 number;
};

static inline struct call call_of(void *task, u64 id)
{
	struct call call = {.abi = 0, .number = id};

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT 0x0002           // arch/x86/include/asm/thread_info.h
#define __X32_SYSCALL_BIT 0x40000000 // arch/x86/include/uapi/asm/unistd.h
	if (unlikely(*(u32 *)(task + OFFSET(TASK_THREAD_FLAGS)) & TS_COMPAT)) {
		call.abi = 1;
	} else if (unlikely(call.number & __X32_SYSCALL_BIT)) {
		call.abi = 2;
		call.number &= ~__X32_SYSCALL_BIT;
	}
#elif defined(__TARGET_ARCH_arm64)
#define _TIF_32BIT (1 << 22)      // arch/arm64/include/asm/thread_info.h
#define ARM_PRIVATE 0x0f0000      // arch/arm/include/uapi/asm/unistd.h
	if (unlikely(*(u64 *)(task + OFFSET(TASK_THREAD_FLAGS)) & _TIF_32BIT)) {
		call.abi = 1;
		if ((call.number & ~0xf) == ARM_PRIVATE) // its few calls stand at the table's end
			call.number = CALLS - 16 + (call.number & 0xf);
	}
#else
#error "which architecture?"
#endif
	return call;
}

static inline struct member *new_member(void *task)
{
	return bpf_task_storage_get(&members, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

// belongs_to_none notes that a task is none of a recorded container, so that its next calls need not ask again.
static inline void belongs_to_none(struct member *member, void *task, u64 proxy, u64 now)
{
	if (!member)
		member = new_member(task);
	if (!member)
		return;
	member->proxy = proxy;
	member->epoch = now;
}

// adopt finds out whether a task that is not known as a member belongs to a recording: as a thread that its leader
// made before the leader was tracked (the runtime's init has threads by then), or because the engine executed it into
// the container, which shows in its mount namespace. member is the task's storage if it has one.
static inline struct member *adopt(void *task, struct member *member, u32 flags_of_joiner)
{
	u64 proxy = (u64) * (void **)(task + OFFSET(TASK_NSPROXY)), now = *(volatile u64 *)&epoch, namespace, *recording;
	struct member *of_leader;
	struct table *table;
	void *leader;

	if (member && member->proxy == proxy && member->epoch == now)
		return 0;
	leader = *(void **)(task + OFFSET(TASK_GROUP_LEADER));
	of_leader = bpf_task_storage_get(&members, leader, 0, 0);
	if (of_leader && of_leader->recording) {
		member = new_member(task);
		if (member && member != of_leader) {
			*member = *of_leader;
			member->in_call = 0;
		}
		return member;
	}
	namespace = mount_namespace(task);
	recording = bpf_map_lookup_elem(&namespaces, &namespace);
	if (!recording) {
		belongs_to_none(member, task, proxy, now);
		return 0;
	}
	table = bpf_map_lookup_elem(&recordings, recording);
	if (!table)
		return 0;
	member = new_member(task);
	if (!member) {
		__sync_fetch_and_add(&table->failures, 1);
		return 0;
	}
	member->recording = *recording;
	member->flags = table->flags;
	if (member->flags & F_OPEN)
		member->flags |= flags_of_joiner;
	member->outer = table->outer;
	if (task == leader)
		__sync_fetch_and_add(&table->processes, 1);
	return member;
}

// counts says whether what the member does now is the container's doing.
static inline int counts(struct member *member, void *task)
{
	if (member->flags & F_WAITING)
		return 0;
	if (member->flags & F_OUTER && !(member->flags & F_OPEN))
		return *(u32 *)(task + OFFSET(TASK_SECCOMP_FILTER_COUNT)) > member->outer;
	return 1;
}

static inline void write_down_namespace(struct member *member, struct table *table, void *task)
{
	u64 namespace = mount_namespace(task);

	member->flags &= ~F_INIT;
	if (member->flags & F_SHARED || !namespace)
		return;
	// Of two recordings in one namespace the first one has those that join it.
	if (!bpf_map_update_elem(&namespaces, &namespace, &member->recording, BPF_NOEXIST)) {
		table->mount_namespace = namespace;
		__sync_fetch_and_add(&epoch, 1);
	}
}

// moment is the time since the recording began in units of 2^20 ns, from 1 on; after 52 days it stands still.
static inline u32 moment(struct table *table)
{
	u64 units = ((bpf_ktime_get_boot_ns() - table->began) >> 20) + 1;

	return units > 0xffffffff ? 0xffffffff : units;
}

static inline int note(void *task, u64 id, u32 flags_of_joiner)
{
	struct member *member = bpf_task_storage_get(&members, task, 0, 0);
	struct table *table;
	struct call call;
	u64 bit, *word;
	u32 *first;

	if (!member || !member->recording) {
		member = adopt(task, member, flags_of_joiner);
		if (!member)
			return 0;
	}
	if (unlikely(member->flags & (F_WAITING | F_OUTER)) && !counts(member, task))
		return 0;
	if (member->flags & F_DENIED) {
		member->flags |= F_ENTERED;
		member->in_call = 1;
	}
	call = call_of(task, id);
	if (call.number < CALLS) {
		bit = 1ULL << (call.number & 63);
		word = &member->noted[call.abi][call.number / 64];
		if (*word & bit)
			return 0;
	}
	table = bpf_map_lookup_elem(&recordings, &member->recording);
	if (!table)
		return 0;
	if (member->flags & F_INIT)
		write_down_namespace(member, table, task);
	if (call.number >= CALLS) {
		__sync_fetch_and_add(&table->beyond, 1);
		return 0;
	}
	first = &table->first[!!(member->flags & F_PROGRAM)][call.abi][call.number];
	if (!*first)
		*first = moment(table);
	*word |= bit;
	return 0;
}

// Tasks under a filter: what a profile must allow.
SEC("tp_btf/sys_enter") int enter(u64 *ctx)
{
	void *task = bpf_get_current_task_btf();

	if (seccomp_mode(task) != SECCOMP_MODE_FILTER)
		return 0;
	return note(task, ctx[1], 0);
}

// Tasks without one, attached only while a container without a filter is recorded. What the engine executes into such
// a container counts from its execve on.
SEC("tp_btf/sys_enter") int enter_open(u64 *ctx)
{
	void *task = bpf_get_current_task_btf();

	if (seccomp_mode(task) == SECCOMP_MODE_FILTER)
		return 0;
	return note(task, ctx[1], F_WAITING);
}

// The runtime has executed the container's program, or one that the engine executes into the container. Here all its
// other threads are gone, so no call that it makes beside execve is taken for the program's.
SEC("tp_btf/sched_process_exec") int executed(u64 *ctx)
{
	struct member *member = bpf_task_storage_get(&members, bpf_get_current_task_btf(), 0, 0);

	if (!member || !member->recording || member->flags & F_PROGRAM)
		return 0;
	member->flags = (member->flags & ~F_WAITING) | F_PROGRAM;
	__builtin_memset(member->noted, 0, sizeof(member->noted));
	return 0;
}

// Calls that the filter answered never reach sys_enter (kernel/entry/common.c: seccomp comes first), but end here.
SEC("tp_btf/sys_exit") int leave(u64 *ctx)
{
	void *task = bpf_get_current_task_btf();
	struct member *member;
	struct table *table;
	struct call call;

	if (seccomp_mode(task) != SECCOMP_MODE_FILTER)
		return 0;
	member = bpf_task_storage_get(&members, task, 0, 0);
	if (!member || !(member->flags & F_DENIED))
		return 0;
	if (member->in_call) {
		member->in_call = 0;
		return 0;
	}
	// The filter may have come while the task was in a call, its own or, by TSYNC, another thread's.
	if (!(member->flags & F_ENTERED) || !counts(member, task))
		return 0;
	call = call_of(task, *(u64 *)((void *)ctx[0] + OFFSET(REGS_SYSCALL)));
	table = bpf_map_lookup_elem(&recordings, &member->recording);
	if (!table || call.number >= CALLS)
		return 0;
	table->denied[call.abi][call.number] = 1;
	return 0;
}

SEC("tp_btf/task_newtask") int newtask(u64 *ctx)
{
	struct member *parent = bpf_task_storage_get(&members, bpf_get_current_task_btf(), 0, 0), *child;
	int is_thread = !!(ctx[1] & CLONE_THREAD);
	struct table *table;

	if (!parent || !parent->recording)
		return 0;
	if (parent->flags & F_WAITING && !is_thread) // the runtime's own helpers
		return 0;
	table = bpf_map_lookup_elem(&recordings, &parent->recording);
	if (!table)
		return 0;
	child = bpf_task_storage_get(&members, (void *)ctx[0], 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!child) {
		__sync_fetch_and_add(&table->failures, 1);
		return 0;
	}
	*child = *parent;
	child->flags &= ~F_INIT;
	if (!is_thread)
		__sync_fetch_and_add(&table->processes, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
