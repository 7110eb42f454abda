package cmd

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

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
		exitFailed: "the job could not be done",
		exitUsage:  "usage: the command line, a variable or a config file is wrong",
		exitFound:  "check --fail-on found something",
	}
}

// exitWords is the table in a sentence.
func exitWords() string {
	var b strings.Builder
	b.WriteString("Exit status:")
	for status, means := range exitTable() {
		fmt.Fprintf(&b, "\n  %d  %s", status, means)
	}
	return b.String()
}

// errFound is what check --fail-on ends with: all is printed already.
var errFound = errors.New("there are findings")

// usageError is a mistake in the command line, a variable or a config file.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run runs the command line and returns the exit status.
func (a *App) Run(args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.Execute()
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE): // whoever read has seen enough
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

// complain prints an error as one line.
func (a *App) complain(err error) {
	line := strings.Join(strings.Fields(err.Error()), " ")
	_, _ = fmt.Fprintln(a.Err, "kwhy: "+printable(line))
}

// printable keeps what an argument or a file put into an error off the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
