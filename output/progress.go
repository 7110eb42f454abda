package output

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress says on a terminal that work goes on, once it has taken a second. It writes
// nothing if quiet, and leaves no line behind.
type Progress struct {
	w     io.Writer
	quit  chan struct{}
	done  sync.WaitGroup
	once  sync.Once
	shown bool
}

// progressAfter is how long work takes before Progress says so.
const progressAfter = time.Second

// StartProgress begins; what says what is being done. quiet is for a stderr that is not a
// terminal.
func StartProgress(w io.Writer, quiet bool, what string) *Progress {
	p := &Progress{w: w, quit: make(chan struct{})}
	if quiet {
		return p
	}
	p.done.Go(func() { p.show(what) })
	return p
}

func (p *Progress) show(what string) {
	start := time.Now()
	tick := time.NewTimer(progressAfter)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			p.shown = true
			_, _ = fmt.Fprintf(p.w, "\r\x1b[Kkwhy: %s (%d s)", what, int(time.Since(start).Seconds()))
			tick.Reset(progressAfter)
		}
	}
}

// Stop ends it and clears its line. Further calls do nothing.
func (p *Progress) Stop() {
	p.once.Do(func() {
		close(p.quit)
		p.done.Wait()
		if p.shown {
			_, _ = fmt.Fprint(p.w, "\r\x1b[K")
		}
	})
}
