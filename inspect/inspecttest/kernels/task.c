/*
 * task - a process with a policy of its own.
 *
 *	task POLICY PRIO NICE CPU BUSY
 *
 * POLICY is SCHED_*'s number; PRIO the real-time priority, or the period of
 * SCHED_DEADLINE in ms, a tenth of which is its runtime and a half its
 * deadline; CPU the one that it is pinned to, -1 for all (SCHED_DEADLINE wants
 * that). Says so by the file /tmp/ready.PID; then computes if BUSY is 1, else
 * sleeps. The last argument may be a cgroup.procs that it enters first.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t prio;
	uint64_t runtime, deadline, period;
};

int main(int argc, char **argv)
{
	struct attr a = { .size = sizeof a };
	char name[64];
	FILE *f;
	int cpu;

	if (argc < 6)
		return 2;
	if (argc > 6) {
		f = fopen(argv[6], "w");
		if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
			return 3;
	}
	cpu = atoi(argv[4]);
	if (cpu >= 0) {
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof set, &set))
			return 4;
	}
	a.policy = atoi(argv[1]);
	a.nice = atoi(argv[3]);
	if (a.policy == 6) {
		a.period = atoi(argv[2]) * 1000000ull;
		a.runtime = a.period / 10;
		a.deadline = a.period / 2;
	} else {
		a.prio = atoi(argv[2]);
	}
	if (syscall(SYS_sched_setattr, 0, &a, 0))
		return 5;
	snprintf(name, sizeof name, "/tmp/ready.%d", getpid());
	f = fopen(name, "w");
	if (!f || fclose(f))
		return 6;
	for (;;)
		if (atoi(argv[5]) != 1)
			pause();
}
