package proc_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// The soft limit of open files of every process as procfs has it, and the open
// files of a child that holds still.
func TestProcessFilesAsProcfs(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	still := func() string { b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.Process.Pid)); return string(b) }
	for range 1000 { // until it sleeps, its libraries closed again
		if strings.Contains(still(), "(sleep) S ") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	h, err := inspect.Open("/proc", "/sys", inspecttest.AtNoon)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDLimits, inspect.PIDFd, inspect.PIDIO))
	if err != nil {
		t.Fatal(err)
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i := range ps.Rows {
		p := &ps.Rows[i]
		theirs, err := fs.Proc(int(p.PID))
		if err != nil {
			continue
		}
		if limits, err := theirs.Limits(); err == nil && p.MaxFDs != inspect.Unset {
			compared++
			if uint64(p.MaxFDs) != limits.OpenFiles {
				t.Errorf("process %d: %d files, procfs says %d", p.PID, p.MaxFDs, limits.OpenFiles)
			}
		}
		if int(p.PID) != child.Process.Pid {
			continue // it may open one between the two
		}
		if n, err := theirs.FileDescriptorsLen(); err != nil || n != int(p.FDs) || n < 3 {
			t.Errorf("process %d: %d descriptors, procfs counts %d, %v", p.PID, p.FDs, n, err)
		}
	}
	if compared == 0 {
		t.Error("nothing could be compared")
	}
}
