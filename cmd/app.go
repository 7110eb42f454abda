package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"kwhy/output"
)

// App is all of the outside world that a command may use.
type App struct {
	In          io.Reader
	Out, Err    io.Writer
	OutTerminal bool
	ErrTerminal bool
	Columns     int // of the terminal; 0 if unknown
	Lines       int
	Getenv      func(string) (string, bool)
	Environ     func() []string // all that Getenv finds; nil: there are none
	HostConfig  string          // the config file of all users of the host; "": there is none
	Now         func() time.Time
	Sleep       func(time.Duration)
	Build       Build
}

// System returns the App of a real process. If the reader of a pipe closes it, the write
// fails: no signal ends kwhy.
func System() *App {
	signal.Ignore(syscall.SIGPIPE)
	out := int(os.Stdout.Fd())
	columns, lines, err := term.GetSize(out)
	if err != nil {
		columns, lines = 0, 0
	}
	return &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		OutTerminal: term.IsTerminal(out), ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Columns: columns, Lines: lines,
		Getenv: os.LookupEnv, Environ: os.Environ, HostConfig: hostConfig, Now: time.Now, Sleep: time.Sleep,
		Build: NewBuild("", "", ""),
	}
}

// env returns a variable that is set and not empty.
func (a *App) env(name string) string {
	s, _ := a.Getenv(name)
	return s
}

// The exit statuses. SIGINT is none of them: it kills the process.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// exitTable says what each status means, by its number.
func exitTable() []string {
	return []string{
		exitOK:     "done, with gaps or not",
		exitFailed: "the job could not be done, or the process ended during --interval",
		exitUsage:  "usage: the command line, a variable or a config file is wrong",
		exitFound:  "check --fail-on found something",
	}
}

// exitWords is the table as text.
func exitWords() string {
	var b strings.Builder
	b.WriteString("Exit status:")
	for status, means := range exitTable() {
		fmt.Fprintf(&b, "\n  %d  %s", status, means)
	}
	return b.String()
}

// errFound is how check --fail-on ends. The findings have been printed by then.
var errFound = errors.New("there are findings")

// usageError is a mistake in the command line, a variable or a config file.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run runs the command line and returns the exit status.
func (a *App) Run(args []string) int {
	spareTimers()
	root := a.root()
	root.SetArgs(args)
	err := root.Execute()
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE): // the reader has seen enough
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, new(usageError)):
		a.complain(err)
		return exitUsage
	}
	a.complain(err)
	return exitFailed
}

// spareTimers keeps the garbage collector at rest where almost no descriptor may be opened:
// what gives memory back in its wake sleeps by a timer, and the first timer of a Go program
// takes two descriptors, without which the runtime ends it.
func spareTimers() {
	const few, most = 32, 512 << 20
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil && l.Cur < few {
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(most)
	}
}

// complain prints an error as one line.
func (a *App) complain(err error) {
	_, _ = fmt.Fprintln(a.Err, "kwhy: "+output.Message(err))
}
