package cmd

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A process that ends between two samples takes its network namespace along: that is
// said, or the rest is told.
func TestLiveNamespaceEnds(t *testing.T) {
	long(t, "it waits for namespaces to end")
	for _, args := range [][]string{{"net", "PID"}, {"net", "sockets", "PID"}, {"net", "--netns", "PID"}, {"net", "--all-netns"}, {"net"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			c, _, _ := netChild(t, "Sockets")
			for i := range args {
				args[i] = strings.Replace(args[i], "PID", strconv.Itoa(c.Process.Pid), 1)
			}
			var out, errs bytes.Buffer
			a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
				_ = c.Process.Kill()
				_, _ = c.Process.Wait()
				time.Sleep(d)
			}}
			status := a.Run(append(args, "--interval", "20ms", "-o", "json"))
			if _, err := os.Stat("/proc/" + strconv.Itoa(c.Process.Pid)); err == nil {
				t.Skip("somebody else has its number already")
			}
			whole := !strings.Contains(strings.Join(args, " "), strconv.Itoa(c.Process.Pid))
			switch {
			case whole && (status != 0 || errs.Len() > 0):
				t.Errorf("status %d, %s", status, errs.String())
			case whole:
				readJSON(t, out.String())
			case status == 1 && strings.Contains(errs.String(), "ended during the interval"): // what was seen before
				readJSON(t, out.String())
			case status != 1 || out.Len() > 0 || !strings.Contains(errs.String(), "no such process"):
				t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
			}
		})
	}
}
