/*
 * hog - hold memory of known shape, then sleep for ever.
 *
 *   hog MAP TOUCH RELEASE SHARED
 *
 * All in MiB.  Maps MAP anonymous private memory and touches the first TOUCH
 * of it, then gives the last RELEASE of those back (MADV_DONTNEED); maps and
 * touches SHARED of shared anonymous memory; maps its own binary read-only and
 * reads every page of it.  Pages are a quarter noise, so that a compressed
 * swap device has something to do but is not filled.
 * Creates /tmp/ready.PID when done.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024UL * 1024)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void touch(unsigned long *p, size_t bytes)
{
	static unsigned long x = 88172645463325252UL;

	for (size_t page = 0; page < bytes; page += 4096) {
		unsigned long *w = p + page / sizeof(*w);
		for (int i = 0; i < 128; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			w[i] = x;
		}
	}
}

static unsigned long *map(size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: hog MAP TOUCH RELEASE SHARED (MiB)\n");
		return 2;
	}
	size_t size = atol(argv[1]) * MIB, used = atol(argv[2]) * MIB;
	size_t back = atol(argv[3]) * MIB, shared = atol(argv[4]) * MIB;

	char *p = (char *)map(size, MAP_PRIVATE);
	touch((unsigned long *)p, used);
	if (back && madvise(p + used - back, back, MADV_DONTNEED))
		die("madvise");
	if (shared)
		touch(map(shared, MAP_SHARED), shared);

	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		die("/proc/self/exe");
	volatile char *f = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (f == MAP_FAILED)
		die("mmap of the binary");
	for (off_t i = 0; i < st.st_size; i += 4096)
		(void)f[i];
	close(fd);

	char name[64];
	snprintf(name, sizeof(name), "/tmp/ready.%d", getpid());
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		die(name);
	close(fd);
	for (;;)
		pause();
}
