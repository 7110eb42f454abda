package kmsg

import (
	"strings"
	"testing"
	"time"
)

func TestPrefix(t *testing.T) {
	const message = "Out of memory: Killed process 7 (a b) total-vm:1kB"
	wall := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for line, want := range map[string]Stamp{
		message:                                    {Uptime: -1},
		"[ 5682.104003] " + message:                {Text: "5682.104003", Uptime: 5682104003 * time.Microsecond},
		"[    0.000000] " + message:                {Text: "0.000000"},
		"<4>[   12.500000] " + message:             {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"<3>" + message:                            {Uptime: -1},
		"[   12.500000][ T123] " + message:         {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"[   12.500000][    C1] " + message:        {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"kern  :err   : [   12.500000] " + message: {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"kern  :err   : [Tue Nov 24 10:20:42 2026] " + message: {Text: "Tue Nov 24 10:20:42 2026", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42Z")},
		"[Tue Nov  3 10:20:42 2026] " + message: {Text: "Tue Nov  3 10:20:42 2026", Uptime: -1,
			Wall: wall("2026-11-03T10:20:42Z")},
		"Nov 24 10:20:42 2026 web-1 kernel: " + message: {Text: "Nov 24 10:20:42 2026", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z")},
		"Tue Nov 24 10:20:42 2026 kern.err kernel: [   12.500000] " +
			message: {Text: "Tue Nov 24 10:20:42 2026", Uptime: 12500 * time.Millisecond, Wall: wall("2026-11-24T10:20:42Z")}, // OpenWrt
		"[Di Nov 24 10:20:42 2026] " + message:          {Text: "Di Nov 24 10:20:42 2026", Uptime: -1},
		"[mar. nov. 24 10:20:42 2026] " + message:       {Text: "mar. nov. 24 10:20:42 2026", Uptime: -1},
		"Mär 24 10:20:42 web-1 kernel: " + message:      {Text: "Mär 24 10:20:42", Uptime: -1},
		"nov. 24 10:20:42 web-1 kernel: " + message:     {Text: "nov. 24 10:20:42", Uptime: -1},
		"11月 24 10:20:42 web-1 kernel: " + message:      {Text: "11月 24 10:20:42", Uptime: -1},
		"Nov 24 10:20:42 web-1 kernel[123]: " + message: {Text: "Nov 24 10:20:42", Uptime: -1},
		"<3>1 2026-11-24T10:20:42+00:00 web-1 kernel - - [timeQuality tzKnown=\"1\" x=\"a\\]b\"][o@1 a=\"]\"] " +
			message: {Text: "2026-11-24T10:20:42+00:00", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z"), Zone: true},
		"<3>1 2026-11-24T10:20:42+00:00 web-1 kernel 0 ID47 - " + message: {Text: "2026-11-24T10:20:42+00:00", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42Z"), Zone: true},
		"[Nov24 10:20] " + message: {Text: "Nov24 10:20", Uptime: -1},
		"[  +0.000004] " + message: {Text: "+0.000004", Uptime: -1},
		"[   12.500000 <    0.000004>] " + message: {Text: "12.500000 <    0.000004>",
			Uptime: 12500 * time.Millisecond},
		"2026-11-24T10:20:42,123456+00:00 " + message: {Text: "2026-11-24T10:20:42,123456+00:00", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"Nov 24 10:20:42 web-1 kernel: " + message: {Text: "Nov 24 10:20:42", Uptime: -1},
		"Nov  4 10:20:42 web-1 kernel: [   12.500000] " + message: {Text: "Nov  4 10:20:42",
			Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42.123456 web-1 kernel: " + message: {Text: "Nov 24 10:20:42.123456", Uptime: -1},
		"2026-11-24T10:20:42+0100 web-1 kernel: " + message: {Text: "2026-11-24T10:20:42+0100", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42+01:00"), Zone: true},
		"2026-11-24T10:20:42.123456+01:00 web-1 kernel: " + message: {Text: "2026-11-24T10:20:42.123456+01:00", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42.123456+01:00"), Zone: true},
		"2026-11-24 10:20:42 web-1 kernel: " + message: {Text: "2026-11-24T10:20:42", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42Z")},
		"Tue 2026-11-24 10:20:42 UTC web-1 kernel: " + message: {Text: "Tue 2026-11-24 10:20:42 UTC", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42Z"), Zone: true},
		"Tue 2026-11-24 10:20:42 CET web-1 kernel: " + message: {Text: "Tue 2026-11-24 10:20:42 CET", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42Z")},
		"1795515642.123456 web-1 kernel: " + message: {Text: "1795515642.123456", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"[   12.500000] web-1 kernel: " + message: {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42 box user.warn kernel: [   12.500000] " + message: {Text: "Nov 24 10:20:42",
			Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42 box kern.err kernel: " + message: {Text: "Nov 24 10:20:42", Uptime: -1},
		"<3>1 2026-11-24T10:20:42.123456+00:00 web-1 kernel - - - " + message: {Text: "2026-11-24T10:20:42.123456+00:00", Uptime: -1,
			Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"3,1234,5682104003,-;" + message: {Text: "5682.104003",
			Uptime: 5682104003 * time.Microsecond},
		"3,1234,5682104003,-,caller=T16775;" + message: {Text: "5682.104003",
			Uptime: 5682104003 * time.Microsecond},
		"2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: <6>[   12.500000] " + message: {Text: "2023-12-04T10:49:30.127Z",
			Uptime: 12500 * time.Millisecond, Wall: wall("2023-12-04T10:49:30.127Z"), Zone: true},
		"\x1b[32m[   12.500000] \x1b[0m\x1b[31m" + message + "\x1b[0m": {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"[   12.500000] " + message + "\r":                             {Text: "12.500000", Uptime: 12500 * time.Millisecond},
	} {
		msg, s, ok := prefix(line)
		if !ok || msg != message {
			t.Errorf("%q\nis %q, %v", line, msg, ok)
			continue
		}
		if s.Text != want.Text || s.Uptime != want.Uptime || !s.Wall.Equal(want.Wall) || s.Zone != want.Zone {
			t.Errorf("%q\nis of %+v, want %+v", line, s, want)
		}
	}
}

// Lines that another program wrote, whatever they say.
func TestPrefixOfOthers(t *testing.T) {
	const message = "Out of memory: Killed process 7 (a) total-vm:1kB"
	for _, line := range []string{
		"Nov 24 10:20:42 web-1 sshd[123]: " + message,
		"Nov 24 10:20:42 web-1 logger: " + message,
		"2026-11-24T10:20:42+0100 web-1 systemd[1]: " + message,
		"user  :notice: [   12.500000] " + message,
		"<12>[   12.500000] " + message,
		"12,1234,5682104003,-;" + message,
		"1795515642.123456 web-1 app[7]: " + message,
		"Mär 24 10:20:42 web-1 app: " + message,
		"Tue Nov 24 10:20:42 2026 user.err app: " + message,
		"Nov 24 10:20:42 web-1 kernel[x]: " + message,
		"2026-11-24T10:20:42+00:00 web-1 kernel - - [x y=\"1 " + message,
	} {
		if msg, _, ok := prefix(line); ok {
			t.Errorf("%q is taken for the kernel's %q", line, msg)
		}
	}
}

func TestRowsAreNoTimes(t *testing.T) {
	for line, want := range map[string]string{
		"[   1234]     0  1234      254 a":                    "[   1234]     0  1234      254 a",
		"[   12.500000] [   1234]     0  1234      254 a":     "[   1234]     0  1234      254 a",
		"[   12.500000][ T77] [   1234]     0  1234  254 a":   "[   1234]     0  1234  254 a",
		"[  pid  ]   uid  tgid":                               "[  pid  ]   uid  tgid",
		"Mar  2 17:35:09 db1 kernel: [  410]     0   410 u":   "[  410]     0   410 u",
		"Mar  2 17:35:09 db1 kernel: [ 9.5] [  410]  0 410 u": "[  410]  0 410 u",
	} {
		if msg, _, ok := prefix(line); !ok || msg != want {
			t.Errorf("%q is %q, want %q", line, msg, want)
		}
	}
}

// dmesg -H gives the minute once.
func TestMinutesOfDmesg(t *testing.T) {
	p := parser{yield: func(*Event) bool { return true }, at: Stamp{Uptime: -1}}
	for _, c := range [][2]string{
		{"[Nov24 10:20] a", "Nov24 10:20"}, {"[  +0.000004] b", "Nov24 10:20"}, {"[ +58.000000] c", "Nov24 10:20"},
		{"[Nov24 10:21] d", "Nov24 10:21"}, {"[  +1.500000] e", "Nov24 10:21"},
	} {
		p.clock([]byte(c[0]))
		_, at, ok := p.prefix([]byte(c[0]))
		if !ok || at.Text != c[1] || at.clock.IsZero() {
			t.Errorf("%q is of %q, %v", c[0], at.Text, at.clock)
		}
	}
	if got := p.minute.Format("15:04:05.0"); got != "10:21:01.5" {
		t.Errorf("it has got to %s", got)
	}
}

func FuzzPrefix(f *testing.F) {
	for _, line := range []string{"<3>1 2026-11-24T10:20:42+00:00 h kernel - - [x y=\"\\\"\"] a", "Mär 24 10:20:42 h kernel[1]: a",
		"[Di Nov 24 10:20:42 2026] a", "6,1,2,-,caller=T1;a\\x0a", "{\"MESSAGE\":\"a\"}", "[Nov24 10:20] a", "\x1b[32ma"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := parser{yield: func(*Event) bool { return true }, at: Stamp{Uptime: -1}}
		p.clock([]byte(line))
		msg, at, ok := p.prefix([]byte(line))
		if ok && !strings.HasPrefix(line, "{") && len(msg) > len(line) {
			t.Errorf("%q is longer than its line, %q", msg, line)
		}
		if at.Uptime < -1 {
			t.Errorf("%q is of %v", line, at.Uptime)
		}
	})
}
