package fd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/fd"
	"kwhy/inspect/proc"
)

// TestHelperSpaces is no test: in a user namespace of its own it sets a bound, makes as many user and
// network namespaces as that allows, and says what the kernel allowed and what kwhy counts.
func TestHelperSpaces(t *testing.T) {
	inRole(t, "Spaces")
	const most = 6
	for _, kind := range []string{"user", "net"} {
		if err := os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte(fmt.Sprint(most)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	said := ""
	for _, of := range []struct {
		src   inspect.Source
		flags uintptr
	}{{inspect.UserMaxNetNamespaces, syscall.CLONE_NEWNET}, {inspect.UserMaxUserNamespaces, syscall.CLONE_NEWUSER}} {
		made := 0
		for range 2 * most {
			c := exec.Command("sleep", "600")
			c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: of.flags, Pdeathsig: syscall.SIGKILL}
			err := c.Start()
			if errors.Is(err, unix.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
			made++
		}
		h, err := inspect.Open("/proc", "/sys", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDStatus))
		if err != nil {
			t.Fatal(err)
		}
		f, err := fd.Take(h, ps, inspect.Of(of.src))
		if err != nil {
			t.Fatal(err)
		}
		s := f.Spaces[of.src]
		said += fmt.Sprintf("%s: made %d, counted %v, all %d, most %d by %d, unsure %d; ",
			s.Kind, made, s.Counted, s.All, s.Most, s.Who, s.Unsure)
		h.Close()
	}
	fmt.Println(said)
	untilDeaf()
}

// What is counted of namespaces is what the kernel has charged: as many as it allowed before ENOSPC.
func TestLiveSpaces(t *testing.T) {
	stranger(t)
	said := child(t, "Spaces", &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
	})
	for _, want := range []string{
		"user: made 6, counted true, all 6, most 6 by 0, unsure 0", "net: made 6, counted true, all 6, most 6 by 0, unsure 0",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
}
