package inspect_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// entitledChild is what TestLiveEntitled asks of itself with other rights.
const entitledChild = "KWHY_TEST_ENTITLED"

// Whoever lacks one of the capabilities is not entitled, and nobody is in a user
// namespace of their own, whose capabilities hold over nothing else. What the kernel
// says of kwhy's own capabilities is capget's answer.
func TestLiveEntitled(t *testing.T) {
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if os.Getenv(entitledChild) != "" {
		if h.Entitled() {
			t.Error("entitled")
		}
		return
	}
	if os.Geteuid() != 0 {
		if h.Entitled() {
			t.Error("a plain user is entitled")
		}
		t.Skip("to give rights up takes root")
	}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil {
		t.Fatal(err)
	}
	set := uint64(caps[1].Effective)<<32 | uint64(caps[0].Effective)
	all := true
	for _, c := range []uint{unix.CAP_DAC_READ_SEARCH, unix.CAP_NET_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN, unix.CAP_SYS_NICE,
		unix.CAP_SYSLOG} {
		all = all && set>>c&1 == 1
	}
	if own, _ := os.Readlink("/proc/self/ns/user"); h.Entitled() != (all && own == "user:[4026531837]") {
		t.Errorf("entitled: %v, with capabilities %#x in %s", h.Entitled(), set, own)
	}
	for _, without := range [][]string{
		{"setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"},
		{"setpriv", "--bounding-set=-syslog", "--inh-caps=-all"},
		{"unshare", "--user", "--map-root-user"},
	} {
		c := exec.Command(without[0], append(without[1:], os.Args[0], "-test.run=^TestLiveEntitled$")...)
		c.Env = append(os.Environ(), entitledChild+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			if !strings.Contains(string(out), "--- FAIL") {
				t.Logf("not tried: %v: %v: %s", without, err, out)
				continue
			}
			t.Errorf("%v: %s", without, out)
		}
	}
}
