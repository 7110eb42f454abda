package kmsg

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// What journalctl writes with -o json, export and verbose: fields of entries, of
// which those of the kernel count.

// entry gathers the fields of one entry, whose order is any.
type entry struct {
	message   string
	has       bool
	transport string
	ident     string
	at        Stamp
	more      int // bytes of a binary message that are yet to come
}

// kernels reports whether the kernel said it. An entry that was cut down to its
// message is taken at its word, as a bare line is.
func (e *entry) kernels() bool {
	if e.transport != "" {
		return e.transport == "kernel"
	}
	return e.ident == "" || e.ident == "kernel"
}

// set takes a field's text; name is as the journal has it.
func (e *entry) set(name, text string) {
	n, err := strconv.ParseInt(text, 10, 62)
	switch name {
	case "MESSAGE":
		e.message, e.has = text, true
	case "_TRANSPORT":
		e.transport = text
	case "SYSLOG_IDENTIFIER":
		e.ident = text
	case "__REALTIME_TIMESTAMP":
		if err == nil && n > 0 && n < 1<<53 {
			e.at.Wall, e.at.Zone = time.UnixMicro(n).UTC(), true
			e.at.Text = e.at.Wall.Format("2006-01-02T15:04:05.000000Z07:00")
		}
	case "_SOURCE_MONOTONIC_TIMESTAMP":
		if err == nil && n >= 0 && n < 1<<53 {
			e.at.Uptime = time.Duration(n) * time.Microsecond
		}
	}
}

func newEntry() entry { return entry{at: Stamp{Uptime: -1}} }

// fromJSON reads a line of -o json, json-seq or json-sse. ok is false where it is
// none, or not the kernel's.
func fromJSON(raw []byte) (msg string, s Stamp, ok bool) {
	raw = bytes.TrimPrefix(bytes.TrimPrefix(raw, []byte("\x1e")), []byte("data: "))
	if !bytes.HasPrefix(raw, []byte("{")) {
		return "", s, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return "", s, false
	}
	e := newEntry()
	for name, value := range fields {
		var text string
		var list []byte
		var bytes []int // what is not UTF-8 is a list of numbers
		if json.Unmarshal(value, &text) != nil && json.Unmarshal(value, &bytes) == nil {
			for _, b := range bytes {
				list = append(list, byte(b))
			}
			text = string(list)
		}
		e.set(name, text)
	}
	if !e.has || !e.kernels() {
		return "", s, false
	}
	return e.message, e.at, true
}

// isFields reports whether a log has a field a line, as export and verbose write.
func isFields(in *bufio.Reader) bool {
	head, _ := in.Peek(maxLine / 4)
	for line := range bytes.Lines(head) {
		line = bytes.TrimLeft(line, " ")
		for _, name := range [...]string{"__CURSOR=", "__REALTIME_TIMESTAMP=", "MESSAGE="} {
			if bytes.HasPrefix(line, []byte(name)) {
				return true
			}
		}
	}
	return false
}

// field reads one line of such a log; the empty one ends an entry.
func (p *parser) field(raw string) {
	line := strings.TrimSuffix(raw, "\n")
	if p.entry.more > 0 {
		p.entry.binary(line)
		return
	}
	text := strings.TrimLeft(line, " ")
	name, value, ok := strings.Cut(text, "=")
	switch {
	case line == "MESSAGE": // its length follows, and then its bytes
		p.entry.more = -1
	case p.entry.more < 0:
		p.entry.length(line)
	case ok && isField(name):
		if name == "MESSAGE" && p.entry.has || name == "__CURSOR" {
			p.entryEnds()
		}
		p.entry.set(name, value)
	case p.entry.has && strings.HasPrefix(line, "        "): // verbose: further lines of the message
		p.entry.message += "\n" + text
	default:
		p.entryEnds()
		p.entry.heading(line)
	}
}

// isField reports whether a text is a field's name.
func isField(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// heading reads what verbose has over an entry: "Tue 2026-11-24 10:20:42.123456 UTC [s=...]".
func (e *entry) heading(line string) {
	words := strings.Fields(line)
	if len(words) < 4 || !strings.HasPrefix(words[3], "[s=") && (len(words) < 5 || !strings.HasPrefix(words[4], "[s=")) {
		return
	}
	if iso(words[1]+"T"+words[2], &e.at) {
		e.at.Zone = words[3] == "UTC"
		e.at.Text = strings.Join(words[:min(4, len(words))], " ")
	}
}

// length reads how long a binary message is: 8 bytes, little-endian, before its
// first line.
func (e *entry) length(line string) {
	e.more = 0
	if len(line) < 8 {
		return
	}
	n := 0
	for i := 2; i >= 0; i-- { // a message of the kernel is no longer
		n = n<<8 | int(line[i])
	}
	e.has, e.message = true, line[8:]
	e.more = max(n-len(e.message)-1, 0)
}

func (e *entry) binary(line string) {
	e.message += "\n" + line
	e.more = max(e.more-len(line)-1, 0)
}

// entryEnds takes the entry that is gathered.
func (p *parser) entryEnds() {
	e := p.entry
	p.entry = newEntry()
	if !e.has {
		return
	}
	p.took = false
	if e.kernels() {
		p.text(e.message, e.at)
	}
	if !p.took && p.lead == "" && looksLikeAKill([]byte(e.message)) {
		p.tally.Refused++
	}
}
