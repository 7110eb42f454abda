package inspect

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// opening are the capabilities that any Source.Opens names (capabilities(7)).
const opening = 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE |
	1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_NICE | 1<<unix.CAP_SYSLOG

// Entitled reports whether kwhy has all rights that any Source.Opens asks for: it is root
// in the user namespace that the kernel began with, with each of those capabilities.
// Where that is not known it is false. What is denied to it then is withheld by
// something else: a security module, a sandbox, a namespace.
func (h *Host) Entitled() bool {
	if !h.Live || unix.Geteuid() != 0 {
		return false
	}
	self := h.OwnDir()
	user, err := h.Namespace(self, "user")
	if err != nil || user != InitialUserNS {
		return false
	}
	var set uint64
	err = h.Proc.With(self+"/status", func(b []byte) (err error) {
		for line := range bytes.Lines(b) {
			if text, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
				set, err = strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 64)
			}
		}
		return err
	})
	return err == nil && set&opening == opening
}
