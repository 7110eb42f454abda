package wait

import (
	"strings"
	"testing"
)

// Every call whose arguments are known is one of Linux, with at most six of them.
func TestShapes(t *testing.T) {
	kinds := map[string]bool{}
	for _, k := range strings.Fields("fd at ptr bytes value offset count files below ms pid octal signal futex clock idtype " +
		"fcntl waitopts msgflags flock hex") {
		kinds[k] = true
	}
	// older are calls that arm64 does not have.
	const older = "select poll epoll_wait pause fork vfork open creat stat lstat unlink rename mkdir rmdir access getdents io_getevents "
	seen := map[string]bool{}
	for line := range strings.Lines(strings.TrimPrefix(shapes, "\n")) {
		f := strings.Fields(line)
		if len(f) == 0 || len(f) > 7 || seen[f[0]] {
			t.Errorf("%q: none, too many arguments, or twice", line)
			continue
		}
		seen[f[0]] = true
		if !IsCall(f[0]) && !strings.Contains(older, f[0]+" ") {
			t.Errorf("%s is no system call here", f[0])
		}
		for _, k := range f[1:] {
			if !kinds[k] {
				t.Errorf("%s: no kind %q", f[0], k)
			}
		}
	}
}

// The shape of a call is that of its own name, also where others begin with it or it takes nothing.
func TestShape(t *testing.T) {
	for call, want := range map[string]string{"read": "fd ptr bytes", "readv": "fd ptr count", "sync": "", "open": "ptr hex octal"} {
		if kinds, ok := Shape(call); !ok || strings.Join(kinds, " ") != want {
			t.Errorf("%s: %q, %v; want %q", call, kinds, ok, want)
		}
	}
	for _, call := range []string{"", "rea", "readx", "fd", "\nread"} {
		if kinds, ok := Shape(call); ok {
			t.Errorf("%q has the shape %q", call, kinds)
		}
	}
}
