package proc

import (
	"bytes"
	"strconv"
	"strings"

	"kwhy/inspect"
)

// The pseudo terminals of Unix 98 have majors of their own (include/uapi/linux/
// major.h), and no directory in /sys.
const firstPts, lastPts = 136, 143

// ttyName returns what a terminal's device is called below /dev, by stat's field
// 7; "" where the kernel does not say.
func ttyName(h *inspect.Host, nr int32) string {
	major, minor := nr>>8&0xfff, nr&0xff|nr>>12&0xfff00
	if major >= firstPts && major <= lastPts {
		return "pts/" + strconv.Itoa(int((major-firstPts)<<8+minor))
	}
	var name string
	_ = h.Sys.Single("dev/char/"+strconv.Itoa(int(major))+":"+strconv.Itoa(int(minor))+"/uevent", func(b []byte) error {
		for line := range bytes.Lines(b) {
			if v, ok := strings.CutPrefix(string(inspect.TrimNewline(line)), "DEVNAME="); ok {
				name = v
			}
		}
		return nil
	})
	return name
}

// Terminals names the terminals of a scan's processes.
func (ps *Processes) Terminals() {
	ps.Host.TTYs = map[int32]string{}
	for i := range ps.Rows {
		nr := ps.Rows[i].TTY
		if _, ok := ps.Host.TTYs[nr]; nr != 0 && !ok {
			ps.Host.TTYs[nr] = ttyName(ps.Host.Host, nr)
		}
	}
}
