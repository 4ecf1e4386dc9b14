// tighten restricts itself with libseccomp, as sandboxed servers do: getpriority fails with EDOM afterwards, and what it
// was allowed before it still is. With an argument it says first how a denied call ends.
//
// Exit status: 0, or the number of the step that went wrong; what went wrong stands on standard error.

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int failed(int step, const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return step;
}

int main(int argc, char **argv)
{
	if (argc > 1 && (getsid(0) != -1 || errno != EOPNOTSUPP))
		return failed(1, "getsid", errno);

	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return failed(2, "seccomp_init", ENOMEM);
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EDOM), SCMP_SYS(getpriority), 0);
	if (error)
		return failed(3, "seccomp_rule_add", -error);
	if ((error = seccomp_load(filter)))
		return failed(4, "seccomp_load", -error);
	seccomp_release(filter);

	if (getpriority(PRIO_PROCESS, 0) != -1 || errno != EDOM)
		return failed(5, "getpriority", errno);
	if (argc > 1 && (getsid(0) != -1 || errno != EOPNOTSUPP))
		return failed(6, "getsid", errno);
	if (getpgrp() <= 0)
		return failed(7, "getpgrp", errno);
	puts("tight");
	return 0;
}
