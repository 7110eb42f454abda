package cmd

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// App is all of the outside world that a command may touch.
type App struct {
	In          io.Reader
	Out, Err    io.Writer
	OutTerminal bool
	ErrTerminal bool
	Columns     int // of the terminal; 0 if unknown
	Lines       int
	Getenv      func(string) (string, bool)
	Environ     func() []string // of which Getenv finds one; nil: there are none
	HostConfig  string          // the config file of all users of the host; "": there is none
	Now         func() time.Time
	Sleep       func(time.Duration)
	Build       Build
}

// System returns the App of a real process. Who closes the pipe that kwhy writes to
// has seen enough: the write fails, instead of a signal that ends kwhy.
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
