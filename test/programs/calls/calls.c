// calls makes exactly the system calls that its arguments spell, and no other ones: it has no libc, so nothing is
// called on the side. Every word that is more than one call says below what it makes itself.
//
//   64:NR[,ARG...][=RESULT]   a native x86-64 call
//   32:NR[,ARG...][=RESULT]   the same through int 0x80, numbered by the 32-bit table (at most five arguments)
//   x32:NR[,ARG...][=RESULT]  a native call with the x32 bit in its number
//   thread [ ... ]            in a new thread, waited for: clone, futex; the thread ends with exit
//   together:N [ ... ]        in N threads at once: the same calls as thread
//   fork[=STATUS] [ ... ]     in a child, waited for: fork, wait4; the child ends with exit_group
//   vfork[=STATUS] [ ... ]    the same with vfork
//   clone:FLAGS[=STATUS] [ ... ]  the same with clone and these flags beside SIGCHLD
//   detach [ ... ]            in a child that nobody waits for: fork; the child ends with exit_group
//   exec [ ... ]              execve of this program itself with the words as its arguments
//   loop:N [ ... ]            N times
//   await:PATH                until the file is there: select, access
//
// The last word is followed by exit_group. ARG is a number (decimal, negative, 0x...), $ (the last result in this
// thread), * (the address of scratch memory) or 'TEXT (the address of the text). A call whose result is not RESULT,
// and a child that ends otherwise than with STATUS (0 unless said), end the process with status 100; a script that
// makes no sense ends it with 101. Both say which word it was, with one more call of write.

typedef unsigned long word;

enum { // x86-64 numbers of the calls that words make by themselves
	SYS_write = 1, SYS_access = 21, SYS_select = 23, SYS_clone = 56, SYS_fork = 57, SYS_vfork = 58,
	SYS_execve = 59, SYS_exit = 60, SYS_wait4 = 61, SYS_futex = 202, SYS_exit_group = 231,
};

enum {
	THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000, // CLONE_VM FS FILES SIGHAND THREAD SYSVSEM
	CHILD_CLEARTID = 0x200000,
	WALL = 0x40000000, // wait4: children of every kind
	SIGCHLD = 17,
	X32 = 0x40000000, // __X32_SYSCALL_BIT
};

enum { UNEXPECTED = 100, NONSENSE = 101 };

enum { STACKS = 256, STACK = 32 << 10, WORDS = 1024, TEXT = 256, TOGETHER = 32 };

// Every stack is here, the first thread's too: 32-bit calls take addresses on them.
static char stacks[STACKS][STACK] __attribute__((aligned(16)));
static int stacks_used = 1;
static char scratch[64 << 10] __attribute__((aligned(16)));
static char **environment;
static char *self;

static long native(word nr, word a, word b, word c, word d, word e, word f)
{
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	register word r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static long compat(word nr, word a, word b, word c, word d, word e)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

static word length(const char *s)
{
	word n = 0;

	while (s[n])
		n++;
	return n;
}

static void fail(int status, const char *text)
{
	native(SYS_write, 2, (word)"calls: ", 7, 0, 0, 0);
	native(SYS_write, 2, (word)text, length(text), 0, 0, 0);
	native(SYS_write, 2, (word)"\n", 1, 0, 0, 0);
	for (;;)
		native(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

// after returns what follows a prefix, or null.
static const char *after(const char *s, const char *prefix)
{
	for (; *prefix; s++, prefix++)
		if (*s != *prefix)
			return 0;
	return s;
}

static int is(const char *s, const char *whole)
{
	s = after(s, whole);
	return s && !*s;
}

static const char *number(const char *s, word *value)
{
	int negative = *s == '-', base = 10;
	const char *digits;
	word v = 0;

	s += negative;
	if (after(s, "0x"))
		s += 2, base = 16;
	for (digits = s;; s++) {
		int d = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : base;
		if (d >= base)
			break;
		v = v * base + d;
	}
	*value = negative ? -v : v;
	return s == digits ? 0 : s;
}

// call makes the one call that a word spells.
static long call(const char *text, const char *s, int compatible, word bit, long last)
{
	char texts[6][TEXT];
	word nr, args[6] = { 0 }, want;
	long result;
	int n;

	s = number(s, &nr);
	for (n = 0; s && *s == ','; n++) {
		if (n == 6)
			fail(NONSENSE, text);
		s++;
		if (*s == '$') {
			args[n] = last;
			s++;
		} else if (*s == '*') {
			args[n] = (word)scratch;
			s++;
		} else if (*s == '\'') {
			int i = 0;
			for (s++; *s && *s != ',' && *s != '=' && i < TEXT - 1; s++)
				texts[n][i++] = *s;
			texts[n][i] = 0;
			args[n] = (word)texts[n];
		} else {
			s = number(s, &args[n]);
		}
	}
	if (!s || (*s && *s != '='))
		fail(NONSENSE, text);
	if (compatible)
		result = compat(nr, args[0], args[1], args[2], args[3], args[4]);
	else
		result = native(nr | bit, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (*s == '=') {
		s = number(s + 1, &want);
		if (!s || *s)
			fail(NONSENSE, text);
		if (result != (long)want)
			fail(UNEXPECTED, text);
	}
	return result;
}

struct script {
	char **at, **end; // from at up to, not including, end
};

static void run(struct script s);

static void as_process(struct script *s)
{
	run(*s);
	for (;;)
		native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

static void as_thread(struct script *s)
{
	run(*s);
	for (;;)
		native(SYS_exit, 0, 0, 0, 0, 0, 0);
}

// on_stack of its own starts body(s) in the child that the call makes, and returns the call's result in the parent.
// A child of vfork thus never touches its parent's frames.
static long on_stack(word nr, word flags, int *clear, void (*body)(struct script *), struct script *s)
{
	int i = __atomic_fetch_add(&stacks_used, 1, __ATOMIC_SEQ_CST);
	register word *stack __asm__("r12");
	register int *r10 __asm__("r10") = clear;
	register word r8 __asm__("r8") = 0;
	long result;

	if (i >= STACKS)
		fail(NONSENSE, "too many threads and children");
	stack = (word *)(stacks[i] + STACK) - 2;
	stack[0] = (word)body;
	stack[1] = (word)s;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%r12, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "a"(nr), "D"(flags), "S"(nr == SYS_clone && (flags & 0x100) ? stack : 0), "d"(0), "r"(r10),
			   "r"(r8), "r"(stack)
			 : "rcx", "r11", "memory");
	return result;
}

static void threads(const char *text, word count, struct script s)
{
	static const int running = 1;
	int alive[TOGETHER];
	word i;

	if (count > TOGETHER)
		fail(NONSENSE, text);
	for (i = 0; i < count; i++) {
		alive[i] = running;
		// One futex call that certainly comes to be: a thread that calls execve may end this one before it waits.
		native(SYS_futex, (word)&alive[i], 1 /* FUTEX_WAKE */, 0, 0, 0, 0);
		if (on_stack(SYS_clone, THREAD | CHILD_CLEARTID, &alive[i], as_thread, &s) < 0)
			fail(UNEXPECTED, text);
	}
	for (i = 0; i < count; i++)
		while (__atomic_load_n(&alive[i], __ATOMIC_SEQ_CST))
			native(SYS_futex, (word)&alive[i], 0 /* FUTEX_WAIT */, running, 0, 0, 0);
}

static void child(const char *text, word nr, word flags, word status, struct script s)
{
	int got = 0;
	long pid = on_stack(nr, flags | SIGCHLD, 0, as_process, &s);

	if (pid < 0 || native(SYS_wait4, pid, (word)&got, WALL, 0, 0, 0) != pid || (word)got != status)
		fail(UNEXPECTED, text);
}

static void replace(const char *text, struct script s)
{
	char *words[WORDS];
	int n = 0;

	words[n++] = self;
	for (; s.at < s.end && n < WORDS - 1; s.at++)
		words[n++] = *s.at;
	words[n] = 0;
	native(SYS_execve, (word)self, (word)words, (word)environment, 0, 0, 0);
	fail(UNEXPECTED, text);
}

static void await(const char *path)
{
	do { // select, as nanosleep goes on with restart_syscall after an interruption, such as the cgroup's freezer
		long pause[2] = { 0, 10 * 1000 };
		native(SYS_select, 0, 0, 0, 0, (word)pause, 0);
	} while (native(SYS_access, (word)path, 0, 0, 0, 0, 0) != 0);
}

// block takes the words between the brackets that follow a word and moves s behind them.
static struct script block(const char *text, struct script *s)
{
	struct script inner = { s->at + 1, 0 };
	int depth = 0;

	for (; s->at < s->end; s->at++) {
		depth += is(*s->at, "[");
		depth -= is(*s->at, "]");
		if (depth == 0)
			break;
	}
	if (s->at == s->end || inner.at > s->at)
		fail(NONSENSE, text);
	inner.end = s->at++;
	return inner;
}

// valued takes the number behind a word's name, and is false where there is something else.
static int valued(const char *s, word *value)
{
	s = number(s, value);
	return s && !*s;
}

static void run(struct script s)
{
	long last = 0;

	while (s.at < s.end) {
		const char *text = *s.at++, *rest;
		word n = 0, status = 0;

		if ((rest = after(text, "64:"))) {
			last = call(text, rest, 0, 0, last);
		} else if ((rest = after(text, "32:"))) {
			last = call(text, rest, 1, 0, last);
		} else if ((rest = after(text, "x32:"))) {
			last = call(text, rest, 0, X32, last);
		} else if ((rest = after(text, "await:"))) {
			await(rest);
		} else if (is(text, "thread")) {
			threads(text, 1, block(text, &s));
		} else if ((rest = after(text, "together:")) && valued(rest, &n)) {
			threads(text, n, block(text, &s));
		} else if (is(text, "fork") || ((rest = after(text, "fork=")) && valued(rest, &status))) {
			child(text, SYS_fork, 0, status, block(text, &s));
		} else if (is(text, "vfork") || ((rest = after(text, "vfork=")) && valued(rest, &status))) {
			child(text, SYS_vfork, 0, status, block(text, &s));
		} else if ((rest = after(text, "clone:")) && (rest = number(rest, &n)) &&
			   (!*rest || (*rest == '=' && valued(rest + 1, &status)))) {
			child(text, SYS_clone, n, status, block(text, &s));
		} else if (is(text, "detach")) {
			struct script inner = block(text, &s);
			if (on_stack(SYS_fork, 0, 0, as_process, &inner) < 0)
				fail(UNEXPECTED, text);
		} else if (is(text, "exec")) {
			replace(text, block(text, &s));
		} else if ((rest = after(text, "loop:")) && valued(rest, &n)) {
			struct script inner = block(text, &s);
			while (n--)
				run(inner);
		} else {
			fail(NONSENSE, text);
		}
	}
}

// begin runs on the first of the stacks; initial is what the kernel left on its own.
__attribute__((noreturn, used)) static void begin(word *initial)
{
	word argc = initial[0];
	char **argv = (char **)(initial + 1);
	struct script all = { argv + 1, argv + argc };
	word *aux;

	environment = argv + argc + 1;
	for (aux = (word *)environment; *aux; aux++)
		;
	for (aux++; *aux; aux += 2)
		if (*aux == 31) // AT_EXECFN
			self = (char *)aux[1];
	as_process(&all);
	__builtin_unreachable();
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"mov %rsp, %rdi\n\t"
	"lea stacks+32768(%rip), %rsp\n\t"
	"xor %ebp, %ebp\n\t"
	"call begin\n\t"
	"hlt\n");
