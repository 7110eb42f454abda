package sockdiag

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// atOnce is how many answers are parsed as they come: most dumps have no more.
	atOnce = 4
	// ahead is how many more may be received before they are parsed.
	ahead = 3
)

// receive reads answers until the one that says that it is the last. In a receive the
// kernel makes the next answer, which takes longer than the parsing of the last: that
// runs at the same time if there are many.
func (c *Conn) receive(each func([]byte)) error {
	var parsing *parser
	defer func() {
		if parsing != nil {
			parsing.finish()
		}
	}()
	interrupted := false
	for n := 0; ; n++ {
		answer, err := c.answer()
		if err != nil {
			return err
		}
		done, again, err := messages(answer, c.seq, func([]byte) {})
		interrupted = interrupted || again
		if err != nil {
			return err
		}
		if n == atOnce {
			parsing = startParser(c.seq, each)
		}
		if parsing == nil {
			_, _, _ = messages(answer, c.seq, each) // which has just been looked through
		} else {
			c.buf = parsing.take(answer)
		}
		switch {
		case done && interrupted:
			return ErrInterrupted
		case done:
			return nil
		}
	}
}

// answer receives one of the kernel's.
func (c *Conn) answer() ([]byte, error) {
	for {
		n, from, err := c.wire.receive(c.buf, unix.MSG_TRUNC) // which says how long it really is
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("read from sock_diag: %w", err)
		case n > len(c.buf):
			return nil, fmt.Errorf("an answer of %d bytes: %w", n, ErrMalformed)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); ok && sender.Pid == 0 {
			return c.buf[:n], nil
		}
	}
}

// parser parses answers in a goroutine of its own, in their order.
type parser struct {
	full, spare chan []byte
	done        chan struct{}
}

func startParser(seq uint32, each func([]byte)) *parser {
	p := &parser{full: make(chan []byte, ahead), spare: make(chan []byte, ahead+1), done: make(chan struct{})}
	for range ahead {
		p.spare <- make([]byte, bufferBytes)
	}
	go func() {
		defer close(p.done)
		for b := range p.full {
			_, _, _ = messages(b, seq, each) // whose error was seen when it was received
			p.spare <- b[:cap(b)]
		}
	}()
	return p
}

// take hands over an answer, and returns a buffer for the next.
func (p *parser) take(b []byte) []byte {
	p.full <- b
	return <-p.spare
}

// finish waits until all is parsed.
func (p *parser) finish() {
	close(p.full)
	<-p.done
}
