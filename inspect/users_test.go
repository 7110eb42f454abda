package inspect_test

import (
	"errors"
	"os/user"
	"strconv"
	"testing"
	"time"

	"kwhy/inspect"
)

// The number of a name is the one that the C library, or Go in its place, says.
func TestLiveUserID(t *testing.T) {
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, name := range []string{"root", "daemon", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue // not every host has it
		}
		if id, found, err := h.UserID(name); err != nil || !found || strconv.Itoa(int(id)) != u.Uid {
			t.Errorf("%s is %d, %v, %v; want %s", name, id, found, err, u.Uid)
		}
	}
	if id, found, err := h.UserID("no-such-user"); found || err != nil {
		t.Errorf("a user that there is not is %d, %v", id, err)
	}
}

// A copy has no names, and does not borrow those of the machine that it is looked at on.
func TestACopyHasNoNames(t *testing.T) {
	dir := t.TempDir()
	h, err := inspect.Open(dir, dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if id, found, err := h.UserID("root"); found || !errors.Is(err, inspect.ErrNoNames) {
		t.Errorf("root of a copy is %d, %v, %v", id, found, err)
	}
	if names, err := h.Users(); len(names) > 0 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
}
