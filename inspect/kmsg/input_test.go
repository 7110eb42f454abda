package kmsg_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"kwhy/inspect/kmsg"
)

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func unpacked(t *testing.T, log string) string {
	t.Helper()
	in, err := kmsg.Unpack(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPackedLogs(t *testing.T) {
	log := file(t, "mainline-4.9-global.log")
	for how, text := range map[string]string{"gzip": packed(t, log), "two members": packed(t, log[:1000]) + packed(t, log[1000:])} {
		if events := scan(t, text); len(events) != 0 {
			t.Errorf("%s: unpacked where nobody asked for it: %v", how, victims(events))
		}
		if events := scan(t, unpacked(t, text)); len(events) != 1 || events[0].Victims[0].PID != 940 || events[0].RAM != 130940 {
			t.Errorf("%s: %v", how, victims(events))
		}
	}
	for magic, what := range map[string]string{"\xfd7zXZ\x00\x00\x04": "xz", "\x28\xb5\x2f\xfd\x04\x58": "zstd", "LPKSHHRH\x00": "journal",
		"\x04\x22\x4d\x18\x64\x40\xa7": "lz4"} {
		_, err := kmsg.Unpack(strings.NewReader(magic + "........"))
		var format *kmsg.FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "kwhy oom log -") {
			t.Errorf("%q: %v", magic, err)
		}
	}
	// A packed log that is cut: what it holds is read, and that it is cut.
	whole, kills := packed(t, log+strings.Repeat("[ 9.5] noise\n", 20000)), 0
	in, err := kmsg.Unpack(strings.NewReader(whole[:len(whole)-200]))
	if err != nil {
		t.Fatal(err)
	}
	_, err = kmsg.Scan(in, func(*kmsg.Event) bool { kills++; return true })
	if kills != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d kills, %v", kills, err)
	}
}

// journal writes a log's lines as journalctl does.
func journal(t *testing.T, log, how string) string {
	t.Helper()
	var out strings.Builder
	lines := strings.Split(strings.ReplaceAll(strings.TrimSuffix(log, "\n"), "\n   ", "\x00   "), "\n")
	for i, line := range lines {
		_, line, _ = strings.Cut(line, "] ")
		line = strings.ReplaceAll(line, "\x00", "\n")
		micro := fmt.Sprint(time.Date(2026, 11, 24, 10, 20, 42, 1000*i, time.UTC).UnixMicro())
		fields := map[string]any{
			"__REALTIME_TIMESTAMP":        micro,
			"_SOURCE_MONOTONIC_TIMESTAMP": "9021118230",
			"_TRANSPORT":                  "kernel",
			"SYSLOG_IDENTIFIER":           "kernel",
			"PRIORITY":                    "4",
			"MESSAGE":                     line,
		}
		switch how {
		case "json", "bytes":
			if how == "bytes" {
				var list []int
				for _, b := range []byte(line) {
					list = append(list, int(b))
				}
				fields["MESSAGE"] = list
			}
			b, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(append(b, '\n'))
		case "export":
			fmt.Fprintf(&out, "__CURSOR=s=1;i=%d\n__REALTIME_TIMESTAMP=%s\n_SOURCE_MONOTONIC_TIMESTAMP=9021118230\n", i, micro)
			if strings.Contains(line, "\n") {
				out.WriteString("MESSAGE\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(line)))) + line + "\n")
			} else {
				out.WriteString("MESSAGE=" + line + "\n")
			}
			out.WriteString("_TRANSPORT=kernel\n\n")
		case "verbose":
			fmt.Fprintf(
				&out,
				"Tue 2026-11-24 10:20:42.%06d UTC [s=1;i=%x]\n    _TRANSPORT=kernel\n    MESSAGE=%s\n    PRIORITY=4\n",
				i,
				i,
				strings.ReplaceAll(line, "\n", "\n            "),
			)
		case "cut down": // to the messages
			out.WriteString("MESSAGE=" + strings.ReplaceAll(line, "\n", "\n        ") + "\n")
		}
	}
	return out.String()
}

func TestJournals(t *testing.T) {
	for _, how := range []string{"json", "bytes", "export", "verbose", "cut down"} {
		events := scan(t, journal(t, file(t, "mainline-4.9-global.log"), how))
		if len(events) != 1 {
			t.Errorf("%s: %v", how, victims(events))
			continue
		}
		e := events[0]
		if e.Victims[0].PID != 940 || !e.Victims[0].Reaped || len(e.Tasks) != 6 || e.RAM != 130940 || e.Mem["slab_unreclaimable"] != 21500 ||
			len(e.Zones) != 2 ||
			e.Zones[1].Blocks == nil {
			t.Errorf("%s: %+v", how, e)
		}
		if at := e.Stamp.Wall; how != "cut down" && at.Truncate(time.Second) != time.Date(2026, 11, 24, 10, 20, 42, 0, time.UTC) {
			t.Errorf("%s: %v", how, at)
		}
	}
}

const lookalike = "Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB, file-rss:0kB"

// Lines that say what the kernel says, and are another's: none is a kill, and each
// is counted.
func TestRefusedLines(t *testing.T) {
	for _, line := range []string{
		`{"MESSAGE":"` + lookalike + `","_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"app"}`,
		`{"MESSAGE":"` + lookalike + `","SYSLOG_IDENTIFIER":"app"}`,
		`{"MESSAGE":"` + lookalike,
		"__CURSOR=s=1\n_TRANSPORT=stdout\nMESSAGE=" + lookalike + "\n",
		"__CURSOR=s=1\nMESSAGE=" + lookalike + "\nSYSLOG_IDENTIFIER=app\n",
		"Nov 24 10:20:42 web-1 sshd[123]: " + lookalike,
		"Mär 24 10:20:42 web-1 app: " + lookalike,
		"somebody said: " + lookalike,
	} {
		tally, err := kmsg.Scan(strings.NewReader(line+"\n"), func(e *kmsg.Event) bool { t.Errorf("%q is a kill: %+v", line, e); return true })
		if err != nil || tally.Refused != 1 {
			t.Errorf("%q: %d refused, %v", line, tally.Refused, err)
		}
	}
	tally, err := kmsg.Scan(
		strings.NewReader(file(t, "mainline-4.9-global.log")+"[ 5.5] usb 1-1: nothing\n"),
		func(*kmsg.Event) bool { return true },
	)
	if err != nil || tally.Refused != 0 {
		t.Errorf("%d refused, %v", tally.Refused, err)
	}
}

func FuzzScan(f *testing.F) {
	for _, name := range []string{"el6-2.6.32.log", "el7-3.10-memcg.log", "mainline-4.9-global.log", "mainline-5.10-group.log"} {
		f.Add(file(f, name))
	}
	f.Add("4,1,100,-;Out of memory: Killed process 12 (a\\x0ab) total-vm:10kB\n KEY=value\n")
	f.Add("Killed process 12 (")
	f.Add("[ pid ]\n[ 1]\nKilled process 9 (x)")
	f.Add(two(true))
	f.Add(two(false))
	f.Add("MESSAGE=" + lookalike + "\n_TRANSPORT=kernel\n\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00a\nb\n")
	f.Add(`{"MESSAGE":"` + lookalike + `","_TRANSPORT":"kernel"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		marks := strings.Count(text, "ill process ") + strings.Count(text, "illed process ") + strings.Count(text, "oom-kill:constraint=")
		if strings.Contains(text, "MESSAGE") {
			marks = len(text) // they may be escaped
		}
		_, err := kmsg.Scan(strings.NewReader(text), func(e *kmsg.Event) bool {
			if len(e.Victims) == 0 {
				t.Fatal("a report without a victim")
			}
			if marks -= len(e.Victims); marks < 0 {
				t.Fatalf("more victims than lines that name one")
			}
			numbersOf(t, text, e)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// numbersOf asserts that no number of a report is one that its text does not have.
func numbersOf(t *testing.T, text string, e *kmsg.Event) {
	t.Helper()
	has := func(what string, n int64) {
		if n != kmsg.Unset && !strings.Contains(text, fmt.Sprint(n)) && !strings.Contains(text, "MESSAGE") && !strings.Contains(text, `\x`) &&
			!strings.Contains(text, "\x1b") &&
			!leadingZero(text) {
			t.Fatalf("%s is %d, which is not in the text", what, n)
		}
	}
	for _, v := range e.Victims {
		if v.PID <= 0 || v.Cut && len(v.Comm) > 15 {
			t.Fatalf("%+v", v)
		}
		for what, n := range map[string]int64{"a PID": v.PID, "a UID": v.UID, "total-vm": v.TotalVM, "anon-rss": v.Anon, "file-rss": v.File,
			"shmem-rss": v.Shmem, "pgtables": v.Tables, "a score": v.Score} {
			has(what, n)
		}
	}
	for _, s := range e.Tasks {
		if s.PID <= 0 || s.Tables < kmsg.Unset {
			t.Fatalf("%+v", s)
		}
		has("rss", max(s.RSS, kmsg.Unset))
	}
	for _, z := range e.Zones {
		has("free", z.Free)
		has("free_cma", z.CMA)
	}
	has("a limit", e.Memory.Limit)
	has("RAM", e.RAM)
	has("swap", e.SwapTotal)
	switch e.PageSize() {
	case 0, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10:
	default:
		t.Fatalf("page size %d", e.PageSize())
	}
}

// leadingZero reports whether some number is not written as it is printed.
func leadingZero(text string) bool {
	for i := 1; i < len(text); i++ {
		if text[i-1] == '0' && text[i] >= '0' && text[i] <= '9' && (i == 1 || text[i-2] < '0' || text[i-2] > '9') || text[i] == '#' {
			return true
		}
	}
	return false
}
