package kmsg

import (
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
		message:                                                                        {Uptime: -1},
		"[ 5682.104003] " + message:                                                    {Text: "5682.104003", Uptime: 5682104003 * time.Microsecond},
		"[    0.000000] " + message:                                                    {Text: "0.000000"},
		"<4>[   12.500000] " + message:                                                 {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"<3>" + message:                                                                {Uptime: -1},
		"[   12.500000][ T123] " + message:                                             {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"[   12.500000][    C1] " + message:                                            {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"kern  :err   : [   12.500000] " + message:                                     {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"kern  :err   : [Tue Nov 24 10:20:42 2026] " + message:                         {Text: "Tue Nov 24 10:20:42 2026", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z")},
		"[Tue Nov  3 10:20:42 2026] " + message:                                        {Text: "Tue Nov  3 10:20:42 2026", Uptime: -1, Wall: wall("2026-11-03T10:20:42Z")},
		"[Nov24 10:20] " + message:                                                     {Text: "Nov24 10:20", Uptime: -1},
		"[  +0.000004] " + message:                                                     {Text: "+0.000004", Uptime: -1},
		"[   12.500000 <    0.000004>] " + message:                                     {Text: "12.500000 <    0.000004>", Uptime: 12500 * time.Millisecond},
		"2026-11-24T10:20:42,123456+00:00 " + message:                                  {Text: "2026-11-24T10:20:42,123456+00:00", Uptime: -1, Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"Nov 24 10:20:42 web-1 kernel: " + message:                                     {Text: "Nov 24 10:20:42", Uptime: -1},
		"Nov  4 10:20:42 web-1 kernel: [   12.500000] " + message:                      {Text: "Nov  4 10:20:42", Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42.123456 web-1 kernel: " + message:                              {Text: "Nov 24 10:20:42.123456", Uptime: -1},
		"2026-11-24T10:20:42+0100 web-1 kernel: " + message:                            {Text: "2026-11-24T10:20:42+0100", Uptime: -1, Wall: wall("2026-11-24T10:20:42+01:00"), Zone: true},
		"2026-11-24T10:20:42.123456+01:00 web-1 kernel: " + message:                    {Text: "2026-11-24T10:20:42.123456+01:00", Uptime: -1, Wall: wall("2026-11-24T10:20:42.123456+01:00"), Zone: true},
		"2026-11-24 10:20:42 web-1 kernel: " + message:                                 {Text: "2026-11-24T10:20:42", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z")},
		"Tue 2026-11-24 10:20:42 UTC web-1 kernel: " + message:                         {Text: "Tue 2026-11-24 10:20:42 UTC", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z"), Zone: true},
		"Tue 2026-11-24 10:20:42 CET web-1 kernel: " + message:                         {Text: "Tue 2026-11-24 10:20:42 CET", Uptime: -1, Wall: wall("2026-11-24T10:20:42Z")},
		"1795515642.123456 web-1 kernel: " + message:                                   {Text: "1795515642.123456", Uptime: -1, Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"[   12.500000] web-1 kernel: " + message:                                      {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42 box user.warn kernel: [   12.500000] " + message:              {Text: "Nov 24 10:20:42", Uptime: 12500 * time.Millisecond},
		"Nov 24 10:20:42 box kern.err kernel: " + message:                              {Text: "Nov 24 10:20:42", Uptime: -1},
		"<3>1 2026-11-24T10:20:42.123456+00:00 web-1 kernel - - - " + message:          {Text: "2026-11-24T10:20:42.123456+00:00", Uptime: -1, Wall: wall("2026-11-24T10:20:42.123456Z"), Zone: true},
		"3,1234,5682104003,-;" + message:                                               {Text: "5682.104003", Uptime: 5682104003 * time.Microsecond},
		"3,1234,5682104003,-,caller=T16775;" + message:                                 {Text: "5682.104003", Uptime: 5682104003 * time.Microsecond},
		"2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: <6>[   12.500000] " + message: {Text: "2023-12-04T10:49:30.127Z", Uptime: 12500 * time.Millisecond, Wall: wall("2023-12-04T10:49:30.127Z"), Zone: true},
		"\x1b[32m[   12.500000] \x1b[0m\x1b[31m" + message + "\x1b[0m":                 {Text: "12.500000", Uptime: 12500 * time.Millisecond},
		"[   12.500000] " + message + "\r":                                             {Text: "12.500000", Uptime: 12500 * time.Millisecond},
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
