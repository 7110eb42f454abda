// Record writes the host that it runs on, or a saved copy of another, as a
// recorded host for tests:
//
//	go run ./inspect/inspecttest/record -pids 1,2,123 > host.txtar
//
// It reads only what kwhy reads. See package inspecttest for what the
// archive looks like.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"kwhy/inspect/inspecttest"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

// errUsage says that package flag has printed what was wrong.
var errUsage = errors.New("usage")

func run(args []string, stdout, stderr io.Writer) error {
	var r inspecttest.Recorder
	flags := flag.NewFlagSet("record", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&r.Proc, "proc", "/proc", "`directory` to take for /proc")
	flags.StringVar(&r.Sys, "sys", "/sys", "`directory` to take for /sys")
	flags.Var((*pidList)(&r.PIDs), "pids", "processes to record, a comma-separated `list`")
	flags.Var((*pidList)(&r.Detail), "detail", "those of them whose mappings to record too, a comma-separated `list` (default all)")
	self := flags.Int("self", 0, "`PID` of the process that proc/self becomes (default as it is)")
	flags.IntVar(&r.Slabs, "slabs", 0, "keep only the `n` largest slab caches (default all)")
	flags.StringVar(&r.Hostname, "hostname", "", "the `name` to write for the host's")
	flags.BoolVar(&r.Net, "net", false, "record the sockets of their network namespaces too, with addresses")
	flags.BoolVar(&r.Anonymous, "anonymous", false, "write zeros for the boot ID, and host for the host's name")
	comment := flags.String("comment", "", "a `text` to put at the top")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	r.Self = int32(*self)
	a, err := r.Record()
	if err != nil {
		return err
	}
	if *comment != "" {
		a.Comment = []byte(strings.TrimSuffix(*comment, "\n") + "\n\n")
	}
	_, err = stdout.Write(txtar.Format(a))
	return err
}

// pidList is a flag of numbers with commas between.
type pidList []int32

func (l *pidList) String() string { return fmt.Sprint(*l) }

func (l *pidList) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is no PID", part)
		}
		*l = append(*l, int32(n))
	}
	return nil
}
