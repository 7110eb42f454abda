package cmd

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHelperTouch is no test: it is the child that TestLiveTouched makes.
func TestHelperTouch(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "touch" {
		t.Skip("only the child of another test runs this")
	}
	in := bufio.NewReader(os.Stdin)
	wait := func() {
		if _, err := in.ReadByte(); err != nil {
			os.Exit(0) // the parent has gone
		}
	}
	wait()
	fmt.Print("1")
	wait()
	b, err := unix.Mmap(-1, 0, 256<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 64<<20; i += os.Getpagesize() {
		b[i] = 1
	}
	fmt.Print("2")
	wait()
	os.Exit(0)
}
