// capture - copy files of /proc, /sys into a tar archive, without writing to
// any of them and without changing the memory figures while it reads.
//
//   capture LIST OUT [PID...]      (current directory: /)
//
// First of all it reads proc/meminfo, proc/zoneinfo, proc/meminfo, proc/vmstat
// and proc/meminfo once more, and repeats that until the figures MemAvailable
// is made of are equal in all three reads of meminfo (at most 20 times), so
// that zoneinfo and vmstat belong to the first meminfo.  Then it reads what
// LIST names, in its order, one item a line, relative to the current directory:
//
//   a/b*         glob(3) pattern; in it "%p" stands for each PID given and for
//                capture's own
//   a/b/**       every regular file below a/b
//   a/b/** x.*   every regular file below a/b whose name matches x.*
//   !a/b         never open a/b (these must come first)
//   # ...        comment
//
// Regular files become regular files (mode 0644), symbolic links that are
// named or lie on the way become symbolic links (what lies behind a directory
// link is stored at its real place); directories are not stored.  Files without
// a read bit in their mode are not opened.  What cannot be read is not stored,
// but named with the error in the member "capture.errors"; "capture.info" tells
// about the run; "meminfo.again" is the second read of meminfo.
//
// The archive is put together in memory that is allocated, touched and locked
// beforehand, and written to OUT (a file or a block device) at the very end.
// Exit status: 0 good, 1 failed, 3 archive written but meminfo never settled.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ARENA (24UL << 20)		/* the archive */
#define ONE (1UL << 20)			/* largest single file */
#define TRIES 20
#define MAXNAMES 4096

static char *arena, *scratch;
static size_t used;
static char errors[64 << 10], info[4096];
static size_t nerrors, ninfo;
static char *skip[64], *stored[MAXNAMES];
static int nskip, nstored;
static char names[256 << 10];
static size_t nnames;

static void die(const char *what)
{
	fprintf(stderr, "capture: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void note(char *buf, size_t *n, size_t max, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int k = vsnprintf(buf + *n, max - *n, fmt, ap);
	va_end(ap);
	if (k > 0)
		*n = *n + k < max ? *n + k : max - 1;
}

/* Read a whole file into buf; -1 with errno set when it cannot be read. */
static ssize_t slurp(const char *path, char *buf, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0;
	ssize_t k;

	if (fd < 0)
		return -1;
	while (n < max && (k = read(fd, buf + n, max - n)) != 0) {
		if (k < 0) {
			int e = errno;
			close(fd);
			errno = e;
			return -1;
		}
		n += k;
	}
	close(fd);
	if (n == max) {
		errno = EFBIG;
		return -1;
	}
	return n;
}

/* Append one member: type '0' with n bytes of data, or '2' with a link text. */
static void member(const char *name, char type, const char *data, size_t n)
{
	size_t body = type == '0' ? (n + 511) / 512 * 512 : 0, len = strlen(name), cut = 0;

	if (used + 512 + body + 1024 > ARENA) {
		errno = ENOSPC;
		die(name);
	}
	char *h = arena + used;
	memset(h, 0, 512 + body);
	if (len > 100)
		for (cut = len - 101; cut < len && name[cut] != '/'; cut++)
			;
	if (len > 100 && (cut >= len || cut > 155)) {
		errno = ENAMETOOLONG;
		die(name);
	}
	if (cut) {
		memcpy(h + 345, name, cut);
		name += cut + 1;
	}
	memcpy(h, name, strlen(name));
	sprintf(h + 100, "%07o", type == '0' ? 0644 : 0777);
	sprintf(h + 108, "%07o", 0);
	sprintf(h + 116, "%07o", 0);
	sprintf(h + 124, "%011lo", type == '0' ? (unsigned long)n : 0UL);
	sprintf(h + 136, "%011lo", (unsigned long)time(NULL));
	h[156] = type;
	if (type == '2')
		memcpy(h + 157, data, n < 100 ? n : 100);
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	unsigned sum = 0;
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	sprintf(h + 148, "%06o", sum);
	if (type == '0')
		memcpy(h + 512, data, n);
	used += 512 + body;
}

/* Whether name is stored (or given up) already; remembers it when not. */
static int seen(const char *name)
{
	size_t len = strlen(name) + 1;

	for (int i = 0; i < nstored; i++)
		if (!strcmp(stored[i], name))
			return 1;
	if (nstored == MAXNAMES || nnames + len > sizeof(names)) {
		errno = ENOSPC;
		die("too many names");
	}
	stored[nstored++] = memcpy(names + nnames, name, len);
	nnames += len;
	return 0;
}

static void failed(const char *name, int err)
{
	note(errors, &nerrors, sizeof(errors), "%s: %s\n", name, strerror(err));
}

static void link_member(const char *name)
{
	char text[PATH_MAX];
	ssize_t n = readlink(name, text, sizeof(text));

	if (n < 0)
		failed(name, errno);
	else
		member(name, '2', text, n);
}

/* Store a file or link; directories on the way may be symbolic links. */
static void store(const char *given)
{
	char path[PATH_MAX], real[PATH_MAX], rest[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s", given);
	for (char *s = path; (s = strchr(s + 1, '/'));) {
		*s = 0;
		if (lstat(path, &st)) {
			failed(path, errno);
			return;
		}
		if (!S_ISLNK(st.st_mode)) {
			*s = '/';
			continue;
		}
		if (!seen(path))
			link_member(path);
		snprintf(rest, sizeof(rest), "%s", s + 1);
		if (!realpath(path, real)) {
			failed(path, errno);
			return;
		}
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", real + 1, rest) >= sizeof(path))
			return;
		s = path;
	}
	if (seen(path))
		return;
	for (int i = 0; i < nskip; i++)
		if (!fnmatch(skip[i], path, FNM_PATHNAME))
			return;
	if (lstat(path, &st)) {
		failed(path, errno);
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		link_member(path);
		return;
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0444))
		return;
	ssize_t n = slurp(path, scratch, ONE);
	if (n < 0)
		failed(path, errno);
	else
		member(path, '0', scratch, n);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct dirent *const *)a)->d_name, (*(struct dirent *const *)b)->d_name);
}

static void below(const char *dir, const char *pattern)
{
	struct dirent **e;
	int n = scandir(dir, &e, NULL, NULL);

	if (n < 0) {
		failed(dir, errno);
		return;
	}
	qsort(e, n, sizeof(*e), by_name);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct stat st;
		const char *name = e[i]->d_name;

		if (strcmp(name, ".") && strcmp(name, "..") &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path) &&
		    !lstat(path, &st)) {
			if (S_ISDIR(st.st_mode))
				below(path, pattern);
			else if (!pattern || !fnmatch(pattern, name, 0))
				store(path);
		}
		free(e[i]);
	}
	free(e);
}

static void globbed(const char *pattern)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			store(g.gl_pathv[i]);
		globfree(&g);
	}
}

static void line(char *l, char **pids, int npids)
{
	char *p = strstr(l, "%p"), *w = strstr(l, "/**");

	if (*l == '!') {
		if (nskip < (int)(sizeof(skip) / sizeof(*skip)))
			skip[nskip++] = strdup(l + 1);
	} else if (p) {
		for (int i = 0; i < npids; i++) {
			char path[PATH_MAX];
			snprintf(path, sizeof(path), "%.*s%s%s", (int)(p - l), l, pids[i], p + 2);
			globbed(path);
		}
	} else if (w) {
		*w = 0;
		below(l, w[3] == ' ' ? w + 4 : NULL);
	} else if (*l) {
		globbed(l);
	}
}

/* Equal in what MemAvailable is made of? */
static int same(const char *a, const char *b)
{
	static const char *const key[] = {
		"MemFree:", "MemAvailable:", "Active(file):", "Inactive(file):",
		"SReclaimable:", "KReclaimable:",
	};

	for (size_t i = 0; i < sizeof(key) / sizeof(*key); i++) {
		const char *x = strstr(a, key[i]), *y = strstr(b, key[i]);

		if (!x && !y)
			continue;	/* KReclaimable: since 4.20 */
		if (!x || !y)
			return 0;
		size_t n = strcspn(x, "\n");
		if (n != strcspn(y, "\n") || memcmp(x, y, n))
			return 0;
	}
	return 1;
}

static int memory(void)
{
	static char mem[3][16 << 10], zone[128 << 10], vm[64 << 10];
	ssize_t m[3], z, v;
	int try = 0, good = 0;

	memset(mem, 1, sizeof(mem));	/* have the pages before the first read */
	memset(zone, 1, sizeof(zone));
	memset(vm, 1, sizeof(vm));
	while (!good && try++ < TRIES) {
		if (try > 1)
			nanosleep(&(struct timespec){ .tv_nsec = 700000000 }, NULL);
		m[0] = slurp("proc/meminfo", mem[0], sizeof(mem[0]) - 1);
		z = slurp("proc/zoneinfo", zone, sizeof(zone) - 1);
		m[1] = slurp("proc/meminfo", mem[1], sizeof(mem[1]) - 1);
		v = slurp("proc/vmstat", vm, sizeof(vm) - 1);
		m[2] = slurp("proc/meminfo", mem[2], sizeof(mem[2]) - 1);
		if (m[0] < 0 || m[1] < 0 || m[2] < 0 || z < 0 || v < 0)
			die("proc/meminfo, zoneinfo, vmstat");
		for (int i = 0; i < 3; i++)
			mem[i][m[i]] = 0;
		good = same(mem[0], mem[1]) && same(mem[0], mem[2]);
	}
	note(info, &ninfo, sizeof(info), "meminfo_tries %d\nmeminfo_settled %s\n",
	     good ? try : TRIES, good ? "yes" : "no");
	seen("proc/meminfo");
	seen("proc/zoneinfo");
	seen("proc/vmstat");
	member("proc/meminfo", '0', mem[0], m[0]);
	member("proc/zoneinfo", '0', zone, z);
	member("meminfo.again", '0', mem[1], m[1]);
	member("proc/vmstat", '0', vm, v);
	return good;
}

int main(int argc, char **argv)
{
	static char list[64 << 10], self[32];
	char *pids[256];
	int npids = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: capture LIST OUT [PID...]\n");
		return 2;
	}
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	scratch = mmap(NULL, ONE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || scratch == MAP_FAILED)
		die("mmap");
	memset(arena, 0, ARENA);
	memset(scratch, 0, ONE);
	if (mlockall(MCL_CURRENT))
		die("mlockall");

	ssize_t n = slurp(argv[1], list, sizeof(list) - 1);
	if (n < 0)
		die(argv[1]);
	list[n] = 0;
	for (int i = 3; i < argc && npids < 255; i++)
		pids[npids++] = argv[i];
	snprintf(self, sizeof(self), "%d", getpid());
	pids[npids++] = self;

	sleep(5);	/* the allocations above are to settle */
	int good = memory();
	for (char *l = strtok(list, "\n"); l; l = strtok(NULL, "\n"))
		if (*l != '#')
			line(l, pids, npids);

	note(info, &ninfo, sizeof(info), "capture_pid %s\npids", self);
	for (int i = 0; i < npids; i++)
		note(info, &ninfo, sizeof(info), " %s", pids[i]);
	note(info, &ninfo, sizeof(info), "\n");
	member("capture.info", '0', info, ninfo);
	member("capture.errors", '0', errors, nerrors);
	memset(arena + used, 0, 1024);
	used += 1024;

	int fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die(argv[2]);
	for (size_t done = 0; done < used;) {
		ssize_t k = write(fd, arena + done, used - done);
		if (k <= 0)
			die(argv[2]);
		done += k;
	}
	if (fsync(fd) || close(fd))
		die(argv[2]);
	return good ? 0 : 3;
}
