package inspect

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Version is a kernel release's number: 6.18.44.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads the number at the start of a release string
// ("5.10.0-32-amd64"); it returns the zero Version for anything else.
func ParseVersion(release string) Version {
	var n [3]int
	for i := range n {
		end := 0
		for end < len(release) && release[end] >= '0' && release[end] <= '9' {
			end++
		}
		v, err := strconv.Atoi(release[:end])
		if err != nil {
			break
		}
		n[i] = v
		if end == len(release) || release[end] != '.' {
			break
		}
		release = release[end+1:]
	}
	return Version{n[0], n[1], n[2]}
}

// AtLeast reports whether v is major.minor or newer; the zero Version is not.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Before reports whether v is older than w; the zero Version is not.
func (v Version) Before(w Version) bool {
	return v != Version{} && !v.AtLeast(w.Major, w.Minor)
}

// String returns major.minor, as people name kernels.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Kernel is what is known of the version of the kernel that was read: both bounds are the same
// where a file names it, and the zero Version is no bound. What a kernel does since some version
// is asked by Since, whose third answer is that nobody knows.
type Kernel struct{ Oldest, Newest Version }

// KernelOf is a kernel of that version; of the zero Version nothing is known.
func KernelOf(v Version) Kernel { return Kernel{v, v} }

// Answer is what is known of a kernel.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota
	No
	Yes
)

// Since answers whether the kernel is major.minor or newer. The answer goes into a switch that
// has a case for each, or into Choose: a test holds all callers to that.
func (k Kernel) Since(major, minor int) Answer {
	switch {
	case major == 0, k.Oldest.AtLeast(major, minor):
		return Yes
	case k.Newest.Before(Version{Major: major, Minor: minor}):
		return No
	}
	return Unknown
}

// Choose returns what goes with an answer.
func Choose[T any](a Answer, yes, no, unknown T) T {
	switch a {
	case Yes:
		return yes
	case No:
		return no
	case Unknown:
	}
	return unknown
}

// Known reports whether the version is known, and not only bounds of it.
func (k Kernel) Known() bool { return k.Oldest != (Version{}) && k.Oldest == k.Newest }

// String returns the version as people name kernels, or what is known of it: "4.20 or later".
func (k Kernel) String() string {
	switch none := (Version{}); {
	case k.Known():
		return k.Oldest.String()
	case k.Oldest != none && k.Newest != none:
		return k.Oldest.String() + " to " + k.Newest.String()
	case k.Oldest != none:
		return k.Oldest.String() + " or later"
	case k.Newest != none:
		return k.Newest.String() + " or earlier"
	}
	return "of unknown version"
}

// Lacks says what a kernel needs to have what there is since a version, under an option: "" where
// it needs neither.
func (k Kernel) Lacks(since Version, option string) string {
	newer := "Linux " + since.String() + " or later"
	both := newer
	if option != "" {
		both = newer + ", and " + option
	}
	if needs := Choose(k.Since(since.Major, since.Minor), option, newer, both); needs != "" {
		return "needs " + needs
	}
	return ""
}

// Within narrows a kernel by what a file shows. Where two files contradict each other, as those
// of a kernel with patches of a vendor may, the first has it.
func (k Kernel) Within(oldest, newest Version) Kernel {
	if oldest != (Version{}) && !k.Oldest.AtLeast(oldest.Major, oldest.Minor) && !k.Newest.Before(oldest) {
		k.Oldest = oldest
	}
	if newest != (Version{}) && (k.Newest == Version{} || newest.Before(k.Newest)) && !newest.Before(k.Oldest) {
		k.Newest = newest
	}
	return k
}

// KernelSign is a line, or a file where Line is "", that only some kernels have: those since
// Oldest, or those until Newest.
type KernelSign struct {
	File, Line     string // File is below /proc
	Oldest, Newest Version
}

// KernelSigns are those by which a copy without a version is told. Each is of a version that
// explain declares too, and a test holds the two together. Vendors carry changes over to older
// kernels: then the bound says what the kernel does, which is what it is asked for.
func KernelSigns() []KernelSign {
	v := func(major, minor int) Version { return Version{Major: major, Minor: minor} }
	return []KernelSign{
		{"meminfo", "SecPageTables", v(6, 1), Version{}},
		{"meminfo", "Zswapped", v(5, 19), Version{}},
		{"meminfo", "FileHugePages", v(5, 4), Version{}},
		{"meminfo", "KReclaimable", v(4, 20), Version{}},
		{"meminfo", "ShmemHugePages", v(4, 8), Version{}},
		{"vmstat", "workingset_refault_anon", v(5, 9), Version{}},
		{"vmstat", "workingset_refault", Version{}, v(5, 8)},
		{"vmstat", "oom_kill", v(4, 13), Version{}},
		{"pressure", "", v(4, 20), Version{}},
		{"sys/kernel/arch", "", v(6, 1), Version{}},
		{"sys/kernel/sched_latency_ns", "", Version{}, v(5, 12)},
		{"sys/vm/watermark_scale_factor", "", v(4, 6), Version{}},
	}
}

// version finds the release and what is known of the version: a running kernel is asked, and of
// a copy any file may name it, or show what only some kernels have.
func (h *Host) version(banner string) {
	h.Release = cmp.Or(h.line("sys/kernel/osrelease"), releaseIn(banner))
	if h.Release == "" && h.Live {
		_, _, h.Release = uname()
	}
	if h.Kernel = KernelOf(ParseVersion(h.Release)); h.Live || h.Kernel.Known() {
		return
	}
	if h.Kernel = KernelOf(h.versionInConfig()); h.Kernel.Known() {
		return
	}
	counters := map[string]Counters{}
	for _, sign := range KernelSigns() {
		if sign.Line == "" {
			if _, err := h.Proc.Stat(sign.File); err == nil {
				h.Kernel = h.Kernel.Within(sign.Oldest, sign.Newest)
			}
			continue
		}
		c, read := counters[sign.File]
		if !read {
			c, _ = h.Counters(sign.File, 64) // without it there is none of its signs
			counters[sign.File] = c
		}
		if _, has := c[sign.Line]; has {
			h.Kernel = h.Kernel.Within(sign.Oldest, sign.Newest)
		}
	}
}

// savedArch finds the machine name of a host that is not this one, and with it the size of its
// words: distributions end the release with it, and the compiler that /proc/version names is
// called after what it compiles for. "" where neither is so.
func (h *Host) savedArch() string {
	names := [...][2]string{ // as the release, and as uname -m has it
		{"x86_64", "x86_64"}, {"amd64", "x86_64"}, {"aarch64", "aarch64"}, {"arm64", "aarch64"},
		{"ppc64le", "ppc64le"}, {"s390x", "s390x"}, {"riscv64", "riscv64"}, {"i686", "i686"}, {"686", "i686"}, {"686-pae", "i686"},
	}
	compiler := h.line("version")
	for _, n := range names {
		before, ends := strings.CutSuffix(h.Release, n[0])
		if ends && (strings.HasSuffix(before, "-") || strings.HasSuffix(before, ".")) || strings.Contains(compiler, "("+n[0]+"-linux-gnu-") {
			return n[1]
		}
	}
	return ""
}

// Unshown is why a value is absent that depends on what no file shows, such as the version.
func (h *Host) Unshown() Reason {
	if h.Live {
		return Malformed
	}
	return h.Lack()
}

// releaseIn takes the release from /proc/version, the one file that names it in many
// copies: "Linux version 6.1.0-18-amd64 (...)" (init/version.c, linux_proc_banner).
func releaseIn(banner string) string {
	rest, ok := strings.CutPrefix(banner, "Linux version ")
	if !ok {
		return ""
	}
	release, _, _ := strings.Cut(rest, " ")
	return release
}

// Built answers whether the kernel was built with an option (CONFIG_X, as =y or as a module),
// by the configuration that it has in /proc/config.gz (kernel/configs.c); unknown without it.
func (h *Host) Built(option string) Answer {
	have := Keep(h, h.configuration)
	set := func(to string) bool { return bytes.Contains(have, []byte("\n"+option+"="+to+"\n")) }
	switch {
	case len(have) == 0:
		return Unknown
	case set("y"), set("m"):
		return Yes
	}
	return No
}

// configured is the text of a kernel's configuration, which few are asked of for more than one option: a
// map of all takes longer to make than to go through.
type configured []byte

func (h *Host) configuration() (out configured) {
	err := h.Proc.With("config.gz", func(b []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return ErrMalformed
		}
		const most = 4 << 20 // one of all options is a tenth of this
		text := bytes.NewBuffer(make([]byte, 0, 256<<10))
		if n, err := io.Copy(text, io.LimitReader(z, most)); err != nil || n == most {
			return ErrMalformed
		}
		out = text.Bytes()
		return nil
	})
	if err != nil {
		return nil // a part of it says of no option that it is not set
	}
	return out
}

// versionInConfig takes the version from the kernel's configuration, which names it at its
// beginning: "# Linux/x86 6.1.0 Kernel Configuration" (mainmenu in Kconfig).
func (h *Host) versionInConfig() (v Version) {
	_ = h.Proc.With("config.gz", func(b []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return ErrMalformed
		}
		head := make([]byte, 512)
		n, _ := io.ReadFull(z, head) // a short one has less
		for line := range bytes.Lines(head[:n]) {
			if f := bytes.Fields(line); len(f) > 3 && bytes.HasPrefix(f[1], []byte("Linux/")) && string(f[3]) == "Kernel" {
				v = ParseVersion(string(f[2]))
				return nil
			}
		}
		return ErrMalformed
	})
	return v
}
