package proc

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// What is denied says nothing of whose the process is: a sandbox withholds it of the same
// user's, too.
func TestDeniedWaitsSayWhoseProcessItIs(t *testing.T) {
	const denied = "What it waits in is denied to kwhy, only its states are visible"
	var unknown, same, other procfacts.Sample
	same.Owned = true
	other.Owned, other.UID, other.OwnUID = true, 0, 1000
	for s, want := range map[*procfacts.Sample]string{
		&unknown: denied + ".",
		&same:    denied + ", though both run as UID 0.",
		&other:   denied + ": it runs as UID 0, kwhy as UID 1000.",
	} {
		if got := deniedWaits(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Another author's list of the same kernel header.
func TestCapabilitiesAreThoseOfMoby(t *testing.T) {
	names := strings.Fields(capabilities)
	if len(names) != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names, the last capability of x/sys is %d", len(names), unix.CAP_LAST_CAP)
	}
	for _, c := range capability.ListKnown() {
		if int(c) >= len(names) || names[c] != c.String() {
			t.Errorf("%d is %s", c, c)
		}
	}
}

func TestMasks(t *testing.T) {
	if got := SignalNames(0x4003); !slices.Equal(got, []string{"SIGHUP", "SIGINT", "SIGTERM"}) {
		t.Error(got)
	}
	if got := SignalNames(1<<31 | 1<<33 | 1<<63); !slices.Equal(got, []string{"signal 32", "SIGRTMIN+0", "SIGRTMIN+30"}) {
		t.Error(got)
	}
	if got := capNames(1<<0 | 1<<21 | 1<<62); !slices.Equal(got, []string{"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_62"}) {
		t.Error(got)
	}
	if got := flagNames(0x200000|0x40|0x8|0x40000000, inspect.KernelOf(inspect.Version{Major: 5, Minor: 10})); !slices.Equal(got,
		[]string{"PF_FORKNOEXEC", "PF_KTHREAD", "0x8", "0x40000000"}) {
		t.Error(got)
	}
	// Bits that changed their meaning are numbers where nobody knows which one they have.
	if got := flagNames(0x4000|0x8|0x8000, inspect.Kernel{}); !slices.Equal(got, []string{"PF_NOFREEZE", "0x8", "0x4000"}) {
		t.Error(got)
	}
	if got := flagNames(0x4000, inspect.Kernel{Oldest: inspect.Version{Major: 6, Minor: 4}}); !slices.Equal(got, []string{"PF_USER_WORKER"}) {
		t.Error(got)
	}
	on := inspect.KernelOf(inspect.Version{Major: 6, Minor: 1})
	if got := flagNames(0x8|0x8000, on); !slices.Equal(got, []string{"PF_POSTCOREDUMP", "PF_NOFREEZE"}) {
		t.Error(got)
	}
}

// The masks are what an unrestricted root's CapEff line reads on those kernels.
func TestAllCapabilitiesDependOnTheKernel(t *testing.T) {
	for _, c := range []struct {
		k   inspect.Version
		all string
	}{
		{inspect.Version{Major: 4, Minor: 4}, "0000003fffffffff"},
		{inspect.Version{Major: 5, Minor: 7}, "0000003fffffffff"},
		{inspect.Version{Major: 5, Minor: 8}, "000000ffffffffff"},
		{inspect.Version{Major: 5, Minor: 9}, "000001ffffffffff"},
		{inspect.Version{Major: 6, Minor: 12}, "000001ffffffffff"},
		{inspect.Version{}, "0000003fffffffff"}, // what any has
	} {
		if want, _ := mask(c.all); everyCap(inspect.KernelOf(c.k)) != want {
			t.Errorf("%s: %x, want %s", c.k, everyCap(inspect.KernelOf(c.k)), c.all)
		}
	}
}
