package wait

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The names are those of golang.org/x/sys at the version that go.mod has.
func TestSyscallsAreThoseOfXSys(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go"))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := os.ReadFile("calls_" + arch + ".go")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(source)) {
			f := strings.Fields(line)
			if len(f) != 3 || !strings.HasPrefix(f[0], "SYS_") {
				continue
			}
			n++
			if want := fmt.Sprintf("\n%s %s\n", f[2], strings.ToLower(strings.TrimPrefix(f[0], "SYS_"))); !strings.Contains(string(ours), want) {
				t.Errorf("%s lacks %q", arch, want)
			}
		}
		if got := strings.Count(string(ours), "\n"); n < 300 || got > n+10 {
			t.Errorf("%s: %d lines of ours, %d names of x/sys", arch, got, n)
		}
	}
	if runtime.GOARCH == "amd64" && !strings.Contains(syscalls, "\n232 epoll_wait\n") {
		t.Error("232 is epoll_wait")
	}
}
