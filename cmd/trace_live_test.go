package cmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// harmless are the system calls that kwhy and Go's runtime may make: they read, or
// change nothing but kwhy's own process. What is not among them fails the test, and so
// does one of them with an argument that refuse knows.
func harmless() []string {
	return strings.Fields(`
		read pread64 readv readlink readlinkat open openat openat2 close close_range lseek getdents64
		stat fstat lstat newfstatat fstatat64 statx statfs fstatfs access faccessat faccessat2 getxattr lgetxattr getcwd
		write writev dup dup3 fcntl ioctl pipe2 eventfd2 epoll_create1 epoll_ctl epoll_wait epoll_pwait poll ppoll pselect6
		socket bind setsockopt getsockopt getsockname sendto sendmsg recvfrom recvmsg setns
		mmap munmap mprotect madvise brk mincore futex nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday
		rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack tgkill timer_create timer_settime timer_delete setitimer restart_syscall
		clone clone3 execve exit exit_group set_tid_address set_robust_list rseq arch_prctl prctl
		getpid getppid gettid getuid geteuid getgid getegid getpgid getsid uname sysinfo getrandom sched_yield prlimit64 getrlimit getrusage
		sched_getaffinity sched_getattr sched_getscheduler sched_getparam capget kcmp`)
}

// refuse says what is wrong with a call that may be made otherwise; "" where nothing is.
func refuse(name, args string, sockets *bool) string {
	has := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(args) }
	switch name {
	case "open", "openat", "openat2":
		if has(`O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE`) {
			return "it opens for writing"
		}
	case "socket":
		*sockets = true
		// The other one is what ethtool's ioctl takes; nothing goes out by it, for none is
		// connected or sent to.
		if !has(`^AF_NETLINK, |^AF_INET, SOCK_DGRAM\|SOCK_CLOEXEC, IPPROTO_IP$`) {
			return "a socket that is no netlink"
		}
	case "sendto", "sendmsg":
		// The kernel is port 0 of netlink. Requests get; none makes, sets or removes.
		if has(`nl_pid=[1-9]`) || !has(`AF_NETLINK`) {
			return "it sends to somebody"
		}
		if has(`nlmsg_type=[^,]*_(NEW|DEL|SET|ADD)|nlmsg_type=[^,]*DESTROY|NLM_F_(CREATE|REPLACE|EXCL|APPEND)`) {
			return "it asks the kernel to change something"
		}
	case "bind":
		if !has(`AF_NETLINK`) {
			return "an address that is no netlink's"
		}
	case "write", "writev", "pwrite64":
		if has(`^\d+</(proc|sys|dev/kmsg)`) {
			return "it writes to the kernel"
		}
	case "tgkill": // the runtime preempts its own threads
		if !has(`, SIG(URG|PIPE|PROF|RT_\d+|RTMIN)$|, SIGRT`) {
			return "a signal"
		}
	case "prlimit64":
		if !has(`^0, `) && !has(`, NULL, `) {
			return "it sets another's limit"
		}
	case "ioctl":
		if !has(`TCGETS|TIOCGWINSZ|FIONREAD|SIOCETHTOOL|NS_GET_(PARENT|OWNER_UID)`) {
			return "an ioctl that is not known to read"
		}
	}
	return ""
}

// kwhyCommand is the test itself, which is kwhy by that name.
func kwhyCommand(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "kwhy")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// No subcommand writes anywhere, sends anything to anybody but the kernel, or does
// anything to another process. strace sees every system call of every thread.
func TestLiveNothingIsChanged(t *testing.T) {
	long(t, "it runs forty commands, one system call at a time")
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not here")
	}
	kwhy := kwhyCommand(t)
	if out, err := exec.Command(strace, "-f", "-o", os.DevNull, "/bin/true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
	self := strconv.Itoa(os.Getpid())
	log := filepath.Join(t.TempDir(), "kern.log")
	if err := os.WriteFile(log, []byte("Linux\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	traced := map[string]bool{}
	var sockets bool
	for _, args := range [][]string{
		{"mem"}, {"mem", "--pss", "--interval", "20ms"}, {"mem", self}, {"oom"}, {"oom", self, "--adj", "-500"}, {"oom", "log"},
		{"oom", "log", log},
		{"proc", "--limit", "0", "--columns", "pid,user,command,wchan,syscall,why"}, {"proc", "--threads"}, {"proc", self},
		{"proc", self, "--sample", "50ms"}, {"proc", "--thread", self}, {"proc", "--tree"},
		{"sched"}, {"sched", "--interval", "20ms"}, {"sched", self, "--threads"},
		{"fd"}, {"fd", self}, {"fd", "--deleted"}, {"fd", "--path", "/"}, {"fd", "--socket", ":1"},
		{"net"}, {"net", self}, {"net", "--netns", self}, {"net", "--all-netns"}, {"net", "sockets"},
		{"net", "sockets", self, "--interval", "20ms"},
		{"check", "--interval", "20ms"}, {"check", "--list"}, {"doctor"}, {"explain"}, {"explain", "MemAvailable"},
		{"explain", "--all", "-o", "json"},
		{"schema"}, {"version"}, {"version", "-o", "json"}, {"completion", "bash"}, {"__complete", "fd", ""},
		{"__complete", "proc", "--user", ""}, {"__complete", "oom", "--cgroup", ""},
	} {
		traced[args[0]] = true
		if len(args) > 1 {
			traced[args[0]+" "+args[1]] = true
		}
		for _, wrong := range changes(t, strace, kwhy, args, &sockets) {
			t.Errorf("kwhy %s: %s", strings.Join(args, " "), wrong)
		}
	}
	if !sockets {
		t.Error("no socket was seen: is the trace whole?")
	}
	for _, c := range (&App{Getenv: os.LookupEnv}).Manual().Commands[1:] {
		if !traced[pathOf(c)] {
			t.Errorf("kwhy %s was not traced", pathOf(c))
		}
	}
}

// changes runs kwhy and returns the calls that it should not make.
func changes(t *testing.T, strace, kwhy string, args []string, sockets *bool) (wrong []string) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	c := exec.Command(strace, append([]string{"-f", "-qq", "-y", "-s", "256", "-o", trace, kwhy}, args...)...)
	var errs bytes.Buffer
	c.Stderr = &errs
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "KWHY_") }), "KWHY_TIMEOUT=20s")
	start := time.Now()
	if err := c.Run(); err != nil && !strings.Contains(errs.String(), "permi") { // a plain user may not read the kernel log
		t.Errorf("kwhy %v: %v %s", args, err, errs.String())
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		m := regexp.MustCompile(`^\d+ +(\w+)\((.*)`).FindStringSubmatch(line)
		if m == nil {
			continue // the second half of a call, a signal, an exit
		}
		calls++
		name, rest := m[1], m[2]
		if i := strings.LastIndex(rest, ") "); i >= 0 {
			rest = rest[:i]
		}
		why := "it is not known to change nothing"
		if slices.Contains(harmless(), name) {
			why = refuse(name, strings.TrimSuffix(rest, " <unfinished ...>"), sockets)
		}
		if why != "" && !seen[name+why] {
			seen[name+why] = true
			wrong = append(wrong, fmt.Sprintf("%s: %.200s", why, strings.TrimSpace(line)))
		}
	}
	if calls < 50 {
		t.Errorf("kwhy %v: %d calls were traced", args, calls)
	}
	t.Logf("kwhy %v: %d calls in %v", args, calls, time.Since(start).Round(time.Millisecond))
	return wrong
}

// What the trace is there to find, it finds.
func TestCallsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, args string
		good       bool
	}{
		{"openat", `AT_FDCWD</>, "/proc/1/oom_score_adj", O_WRONLY|O_CLOEXEC`, false},
		{"openat", `AT_FDCWD</>, "/tmp/x", O_RDONLY|O_CREAT, 0644`, false},
		{"openat", `AT_FDCWD</>, "/proc/1/oom_score_adj", O_RDONLY|O_CLOEXEC`, true},
		{"socket", `AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP`, false},
		{"socket", `AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0`, false},
		{"socket", `AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_SOCK_DIAG`, true},
		{"sendto", `3<socket:[1]>, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53)}, 16`, false},
		{"sendto", `3<socket:[1]>, [{nlmsg_len=72, nlmsg_type=SOCK_DESTROY, nlmsg_flags=NLM_F_REQUEST}], ` +
			`72, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12`, false},
		{"sendto", `3<socket:[1]>, [{nlmsg_len=32, nlmsg_type=RTM_NEWLINK, nlmsg_flags=NLM_F_REQUEST}], ` +
			`32, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12`, false},
		{"sendto", `3<socket:[1]>, [{nlmsg_len=32, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_DUMP}], ` +
			`32, 0, {sa_family=AF_NETLINK, nl_pid=7}, 12`, false},
		{"sendto", `3<socket:[1]>, [{nlmsg_len=32, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_DUMP}], ` +
			`32, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12`, true},
		{"write", `4</proc/1/oom_score_adj>, "-500", 4`, false},
		{"write", `1<pipe:[1]>, "kwhy", 4`, true},
		{"tgkill", `7, 7, SIGKILL`, false},
		{"tgkill", `7, 9, SIGURG`, true},
		{"prlimit64", `1, RLIMIT_NOFILE, {rlim_cur=1, rlim_max=1}, NULL`, false},
		{"prlimit64", `1, RLIMIT_NOFILE, NULL, {rlim_cur=1024, rlim_max=4096}`, true},
		{"ioctl", `3, FIFREEZE, 0`, false},
	} {
		var sockets bool
		if why := refuse(c.name, c.args, &sockets); (why == "") != c.good {
			t.Errorf("%s(%s): %q", c.name, c.args, why)
		}
	}
	for _, name := range strings.Fields("unlink unlinkat rename renameat2 mkdirat fchmodat fchownat symlinkat truncate ftruncate kill " +
		"tkill pidfd_send_signal ptrace process_vm_writev connect listen accept4 mount umount2 bpf perf_event_open io_uring_setup " +
		"setpriority sched_setattr sched_setaffinity unshare") {
		if slices.Contains(harmless(), name) {
			t.Errorf("%s may be called", name)
		}
	}
}
