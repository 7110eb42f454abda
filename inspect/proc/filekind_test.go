package proc_test

import (
	"testing"

	"kwhy/inspect/proc"
)

func TestKindOf(t *testing.T) {
	for link, want := range map[string]string{
		"/etc/passwd": "path", "/x (deleted)": "path deleted", "/dev/null": "device", "/dev/shm/x": "path", "/memfd:x (deleted)": "memfd",
		"/dmabuf:": "dmabuf", "/secretmem (deleted)": "secretmem", "/secretmem": "path",
		"pipe:[1]": "pipe", "socket:[2]": "socket", "net:[3]": "namespace", "pidfd:[4]": "pidfd", "anon_inode:[pidfd]": "pidfd",
		"anon_inode:inotify": "inotify", "anon_inode:[inotify]": "inotify", "anon_inode:bpf-map": "bpf", "anon_inode:[new]": "other",
		"": "other", "new:[5]": "other", "x": "other",
	} {
		k, gone := proc.KindOf([]byte(link))
		got := k.String()
		if gone {
			got += " deleted"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", link, got, want)
		}
	}
}
