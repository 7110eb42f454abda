package wait

import "strings"

// Shape returns the kinds of a system call's arguments: fd and at (a descriptor, and one that may be
// AT_FDCWD), ptr, bytes, count and others. ok is false where they are not known.
func Shape(call string) (kinds []string, ok bool) {
	for _, end := range []string{" ", "\n"} {
		if _, rest, ok := strings.Cut(shapes, "\n"+call+end); ok && call != "" {
			line, _, _ := strings.Cut(end+rest, "\n")
			return strings.Fields(line), true
		}
	}
	return nil, false
}

// TakesFile reports whether a system call's first argument is the descriptor of a file.
func TakesFile(call string) bool { return firstIs(call, "fd") }

// takesDir reports whether a system call's first argument is the descriptor of a directory, or AT_FDCWD.
func takesDir(call string) bool { return firstIs(call, "at") }

func firstIs(call, kind string) bool {
	kinds, _ := Shape(call)
	return len(kinds) > 0 && kinds[0] == kind
}

// shapes has the kinds of the arguments of system calls: of those that tasks
// wait in, and those that work on files, memory and processes. The prototypes are in include/linux/syscalls.h and the manual's
// second section; they don't change. clone's first argument alone is the same on
// every machine.
const shapes = `
read fd ptr bytes
write fd ptr bytes
pread64 fd ptr bytes offset
pwrite64 fd ptr bytes offset
readv fd ptr count
writev fd ptr count
preadv fd ptr count offset
pwritev fd ptr count offset
preadv2 fd ptr count offset
pwritev2 fd ptr count offset
poll ptr files ms
ppoll ptr files ptr ptr bytes
select below ptr ptr ptr ptr
pselect6 below ptr ptr ptr ptr ptr
epoll_wait fd ptr count ms
epoll_pwait fd ptr count ms ptr bytes
epoll_pwait2 fd ptr count ptr ptr bytes
futex ptr futex value ptr
futex_waitv ptr count hex ptr clock
futex_wait ptr hex hex hex ptr clock
wait4 pid ptr waitopts ptr
waitid idtype pid ptr waitopts ptr
nanosleep ptr ptr
clock_nanosleep clock hex ptr ptr
accept fd ptr ptr
accept4 fd ptr ptr hex
connect fd ptr bytes
recvfrom fd ptr bytes msgflags ptr ptr
recvmsg fd ptr msgflags
recvmmsg fd ptr count msgflags ptr
sendto fd ptr bytes msgflags ptr bytes
sendmsg fd ptr msgflags
sendmmsg fd ptr count msgflags
flock fd flock
fcntl fd fcntl hex
ioctl fd hex hex
fsync fd
fdatasync fd
syncfs fd
sync
sync_file_range fd offset offset hex
open ptr hex octal
openat at ptr hex octal
openat2 at ptr ptr bytes
creat ptr octal
close fd
stat ptr ptr
lstat ptr ptr
fstat fd ptr
fchmod fd octal
fchown fd count count
fchdir fd
lseek fd offset count
newfstatat at ptr ptr hex
statx at ptr hex hex ptr
statfs ptr ptr
fstatfs fd ptr
access ptr octal
faccessat at ptr octal
unlink ptr
unlinkat at ptr hex
rename ptr ptr
renameat at ptr at ptr
renameat2 at ptr at ptr hex
mkdir ptr octal
mkdirat at ptr octal
rmdir ptr
getdents fd ptr bytes
getdents64 fd ptr bytes
ftruncate fd offset
truncate ptr offset
fallocate fd hex offset offset
mmap ptr bytes hex hex fd offset
munmap ptr bytes
mprotect ptr bytes hex
mremap ptr bytes bytes hex ptr
madvise ptr bytes count
msync ptr bytes hex
mlock ptr bytes
brk ptr
pause
rt_sigsuspend ptr bytes
rt_sigtimedwait ptr ptr ptr bytes
io_getevents hex count count ptr ptr
io_uring_enter fd count count hex ptr bytes
semop count ptr count
semtimedop count ptr count ptr
msgsnd count ptr bytes hex
msgrcv count ptr bytes offset hex
mq_timedsend fd ptr bytes count ptr
mq_timedreceive fd ptr bytes ptr ptr
splice fd ptr fd ptr bytes hex
tee fd fd bytes hex
vmsplice fd ptr count hex
sendfile fd fd ptr bytes
copy_file_range fd ptr fd ptr bytes hex
clone hex
clone3 ptr bytes
fork
vfork
execve ptr ptr ptr
execveat at ptr ptr ptr hex
exit count
exit_group count
kill pid signal
tgkill pid pid signal
getrandom ptr bytes hex
umount2 ptr hex
restart_syscall
sched_yield
`
