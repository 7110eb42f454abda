package inspect_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// rightsChild is what TestLiveRights asks of itself with other rights.
const rightsChild = "KWHY_TEST_RIGHTS"

// What is said to take a capability is open to who has it, by capget's answer, and to nobody in
// a user namespace of their own, whose capabilities hold over nothing else. Nobody is told to
// take a right that they have, nor root to run as root.
func TestLiveRights(t *testing.T) {
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := h.Rights()
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil {
		t.Fatal(err)
	}
	set := uint64(caps[1].Effective)<<32 | uint64(caps[0].Effective)
	own, _ := os.Readlink("/proc/self/ns/user")
	if own != "user:[4026531837]" {
		set = 0
	}
	for s, bits := range map[inspect.Source][]uint{
		inspect.KernelLog: {unix.CAP_SYSLOG}, inspect.Slabinfo: {unix.CAP_DAC_READ_SEARCH}, inspect.PIDMaps: {unix.CAP_SYS_PTRACE},
		inspect.PIDFd: {unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH}, inspect.PIDTimerslack: {unix.CAP_SYS_NICE},
		inspect.Taskstats: {unix.CAP_NET_ADMIN}, inspect.Somaxconn: {unix.CAP_SYS_ADMIN},
	} {
		open := true
		for _, b := range bits {
			open = open && set>>b&1 == 1
		}
		advice := r.Advice(s)
		if r.Open(s) != open || (advice == "") != open {
			t.Errorf("%v: open %v, told %q with capabilities %#x in %s", s, r.Open(s), advice, set, own)
		}
		if os.Geteuid() == 0 && (strings.Contains(advice, "run as root,") || advice == "run as root") {
			t.Errorf("%v: root is told %q", s, advice)
		}
		for bit, name := range map[uint]string{unix.CAP_SYS_PTRACE: "CAP_SYS_PTRACE", unix.CAP_SYSLOG: "CAP_SYSLOG"} {
			if os.Geteuid() == 0 && set>>bit&1 == 1 && strings.Contains(advice, name) {
				t.Errorf("%v: who has %s is told %q", s, name, advice)
			}
		}
	}
	if os.Getenv(rightsChild) != "" {
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("to give rights up takes root")
	}
	for _, without := range [][]string{
		{"setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"},
		{"setpriv", "--bounding-set=-syslog", "--inh-caps=-all"},
		{"unshare", "--user", "--map-root-user"},
	} {
		c := exec.Command(without[0], append(without[1:], os.Args[0], "-test.run=^TestLiveRights$")...)
		c.Env = append(os.Environ(), rightsChild+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			if !strings.Contains(string(out), "--- FAIL") {
				t.Logf("not tried: %v: %v: %s", without, err, out)
				continue
			}
			t.Errorf("%v: %s", without, out)
		}
	}
}

// Each capability that a source's advice names is one of those that it takes, so that who
// has it is not told to take it.
func TestAdviceNamesWhatItTakes(t *testing.T) {
	for _, s := range inspect.Every() {
		if s.Opens() != "" && (inspect.Rights{}).Open(s) {
			t.Errorf("%v is open to everybody, and %q is said of it", s, s.Opens())
		}
		if s.Opens() == "" && (inspect.Rights{}).Advice(s) != "" {
			t.Errorf("%v: advice out of nothing", s)
		}
		// A root that lacks all is told those that the words for everybody name.
		all, _, _ := strings.Cut(s.Opens(), " or, since ")
		if want := regexp.MustCompile(`CAP_\w+`).FindAllString(all, -1); len(want) > 0 {
			got := regexp.MustCompile(`CAP_\w+`).FindAllString(inspect.BareRoot().Advice(s), -1)
			for _, name := range want {
				if !slices.Contains(got, name) {
					t.Errorf("%v: root is told %v, and everybody %q", s, got, s.Opens())
				}
			}
		}
	}
}
