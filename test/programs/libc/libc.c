// libc is an ordinary program: what a service written in C does through glibc, each thing once.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(what)                                                                \
	do {                                                                      \
		if (!(what)) {                                                    \
			fprintf(stderr, "libc: %s: %s\n", #what, strerror(errno)); \
			exit(1);                                                  \
		}                                                                 \
	} while (0)

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	alarms += signal == SIGALRM;
}

static void *work(void *mutex)
{
	char *memory = malloc(1 << 20);

	MUST(memory);
	memset(memory, 1, 1 << 20);
	pthread_mutex_lock(mutex);
	usleep(1000);
	pthread_mutex_unlock(mutex);
	free(memory);
	return NULL;
}

static void locale_and_time(void)
{
	char text[64];
	time_t now = time(NULL);

	setlocale(LC_ALL, "");
	MUST(strftime(text, sizeof text, "%c", localtime(&now)) > 0);
	getpwuid(getuid());
}

static void files(void)
{
	char name[] = "/tmp/libc.XXXXXX", line[16];
	struct stat st;
	DIR *dir;
	FILE *f;
	int fd;

	MUST((fd = mkstemp(name)) >= 0);
	MUST((f = fdopen(fd, "w+")) != NULL);
	MUST(fputs("one line\n", f) >= 0 && fflush(f) == 0 && fsync(fd) == 0);
	rewind(f);
	MUST(fgets(line, sizeof line, f) != NULL);
	MUST(stat(name, &st) == 0 && st.st_size == 9);
	MUST(ftruncate(fd, 0) == 0 && chmod(name, 0600) == 0);
	MUST(fclose(f) == 0 && unlink(name) == 0);
	MUST((dir = opendir("/")) != NULL);
	while (readdir(dir))
		;
	closedir(dir);
}

static void threads(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread[4];
	int i;

	for (i = 0; i < 4; i++)
		MUST(pthread_create(&thread[i], NULL, work, &mutex) == 0);
	for (i = 0; i < 4; i++)
		MUST(pthread_join(thread[i], NULL) == 0);
}

static void processes(char *self)
{
	int status, ends[2];
	pid_t child;
	char c;

	MUST(pipe(ends) == 0);
	MUST((child = fork()) >= 0);
	if (child == 0) {
		dup2(ends[1], 1);
		execl(self, self, "child", (char *)NULL);
		_exit(1);
	}
	close(ends[1]);
	MUST(read(ends[0], &c, 1) == 1 && c == 'c');
	MUST(waitpid(child, &status, 0) == child && status == 0);
	close(ends[0]);
}

static void sockets(void)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM }, *address;
	struct sockaddr_storage bound;
	socklen_t length = sizeof bound;
	struct epoll_event event = { .events = EPOLLIN };
	int listener, client, server, queue, one = 1, pair[2];
	char c;

	MUST(getaddrinfo("127.0.0.1", "0", &hints, &address) == 0);
	MUST((listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	MUST(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
	MUST(bind(listener, address->ai_addr, address->ai_addrlen) == 0 && listen(listener, 1) == 0);
	freeaddrinfo(address);
	MUST(getsockname(listener, (struct sockaddr *)&bound, &length) == 0);
	MUST((client = socket(bound.ss_family, SOCK_STREAM, 0)) >= 0);
	MUST(connect(client, (struct sockaddr *)&bound, length) == 0);
	MUST((queue = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	MUST(epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event) == 0);
	MUST(epoll_wait(queue, &event, 1, -1) == 1);
	MUST((server = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	MUST(send(client, "x", 1, MSG_NOSIGNAL) == 1 && recv(server, &c, 1, 0) == 1);
	MUST(shutdown(client, SHUT_RDWR) == 0);
	close(server), close(client), close(queue), close(listener);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	close(pair[0]), close(pair[1]);
}

static void timers(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct timespec moment = { 0, 1000 };
	struct pollfd none;
	timer_t timer;

	MUST(sigaction(SIGALRM, &action, NULL) == 0);
	MUST(raise(SIGALRM) == 0 && alarms == 1);
	MUST(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0 && timer_delete(timer) == 0);
	MUST(poll(&none, 0, 1) == 0);
	nanosleep(&moment, NULL);
}

int main(int argc, char **argv)
{
	void *pages;

	if (argc > 1 && strcmp(argv[1], "child") == 0) {
		puts("child");
		return 0;
	}
	MUST((pages = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
	MUST(mprotect(pages, 1 << 16, PROT_READ) == 0 && munmap(pages, 1 << 16) == 0);
	locale_and_time();
	files();
	threads();
	processes(argv[0]);
	sockets();
	timers();
	puts("libc: done");
	return 0;
}
