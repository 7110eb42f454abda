package kmsg

import (
	"strconv"
	"strings"
)

// The lines of a report that tell the state of memory, and its table of tasks.

// stats reads what follows "Memory cgroup stats for ": up to 5.2 the cgroup and
// all figures in kB on the same line, since then a figure a line behind it.
func (e *Event) stats(rest string) (more bool) {
	at, line, _ := strings.Cut(rest, ": ")
	at = strings.TrimSuffix(at, ":")
	if e.OOMMemcg != "" && at != e.OOMMemcg && e.Stats != nil {
		return false // v1 lists the cgroups below as well
	}
	if e.Stats == nil {
		e.Stats = map[string]uint64{}
	}
	if e.OOMMemcg == "" {
		e.OOMMemcg = at
	}
	for word := range strings.FieldsSeq(line) {
		name, text, ok := strings.Cut(word, ":")
		kb, isKB := strings.CutSuffix(text, "KB")
		if n, err := strconv.ParseUint(kb, 10, 53); ok && isKB && err == nil {
			e.Stats[name] = n << 10
		}
	}
	return line == ""
}

// stat reads "anon 12345", in bytes.
func (e *Event) stat(msg string) bool {
	name, text, ok := strings.Cut(msg, " ")
	n, err := strconv.ParseUint(text, 10, 63)
	if !ok || err != nil || strings.ContainsAny(name, ":=[]") || len(e.Stats) > 200 {
		return false
	}
	e.Stats[name] = n
	return true
}

// memory reads the lines behind Mem-Info.
func (e *Event) memory(msg string) {
	switch {
	case strings.HasSuffix(msg, " total pagecache pages"):
		e.PageCache = lead(msg)
	case strings.HasSuffix(msg, " pages RAM"):
		e.RAM = lead(msg)
	case strings.HasSuffix(msg, " pages reserved"), strings.HasSuffix(msg, " reserved pages"):
		e.Reserved = lead(msg)
	case strings.HasPrefix(msg, "Free swap"):
		e.SwapFree = swap(msg)
	case strings.HasPrefix(msg, "Total swap"):
		e.SwapTotal = swap(msg)
	case strings.Contains(msg, " free:") && strings.Contains(msg, "kB") && strings.Contains(msg, " min:"):
		e.zone(msg)
	case strings.Contains(msg, "kB") && strings.Contains(msg, "*") && strings.Contains(msg, " = "):
		e.buddies(msg)
	case strings.Contains(msg, ":") && !strings.Contains(msg, "kB"):
		e.pages(msg)
	}
}

// swap reads "Free swap  = 12kB", and "Free swap:  12kB" of old kernels.
func swap(msg string) int64 {
	i := strings.IndexAny(msg, "=:")
	if i < 0 {
		return Unset
	}
	return lead(msg[i+1:])
}

func lead(msg string) int64 {
	n, ok := leading(strings.TrimLeft(msg, " "))
	if !ok || n < 0 {
		return Unset
	}
	return n
}

// pages reads " active_anon:1 inactive_anon:2 isolated_anon:0".
func (e *Event) pages(msg string) {
	words := strings.Fields(strings.TrimPrefix(msg, "Mem-Info:"))
	for _, w := range words {
		name, text, ok := strings.Cut(w, ":")
		n, err := strconv.ParseInt(text, 10, 62)
		if !ok || err != nil || name == "" || len(e.Mem) > 100 {
			return
		}
		if e.Mem == nil {
			e.Mem = map[string]int64{}
		}
		if _, again := e.Mem[name]; !again { // before 2.6.28 there are others of the name
			e.Mem[name] = n
		}
	}
}

// which reads "Node 0 Normal " at the start; old kernels leave the node out.
func which(msg string) (node int64, name, rest string) {
	node = Unset
	if tail, ok := strings.CutPrefix(msg, "Node "); ok {
		node, _ = leading(tail)
		_, msg, _ = strings.Cut(tail, " ")
	}
	name, rest, _ = strings.Cut(msg, " ")
	return node, strings.TrimSuffix(name, ":"), rest
}

func (e *Event) zone(msg string) {
	if len(e.Zones) > 4096 {
		return
	}
	z := Zone{}
	var rest string
	z.Node, z.Name, rest = which(msg)
	rest = " " + rest
	z.Free, z.Min, z.Low, z.High = number(rest, " free:"), number(rest, " min:"), number(rest, " low:"), number(rest, " high:")
	z.Present, z.Managed = number(rest, " present:"), number(rest, " managed:")
	z.ActiveFile, z.InactiveFile = number(rest, " active_file:"), number(rest, " inactive_file:")
	e.Zones = append(e.Zones, z)
}

// buddies reads "Node 0 Normal: 3*4kB (UME) 2*8kB (U) 0*16kB ... = 28kB".
func (e *Event) buddies(msg string) {
	node, name, rest := which(msg)
	for i := range e.Zones {
		z := &e.Zones[i]
		if z.Name != name || z.Node != node && node != Unset && z.Node != Unset || z.Blocks != nil {
			continue
		}
		for w := range strings.FieldsSeq(rest) {
			if w == "=" {
				return
			}
			count, size, ok := strings.Cut(w, "*")
			n, err := strconv.ParseInt(count, 10, 62)
			kb, ok2 := leading(size)
			if !ok || !ok2 || err != nil || len(z.Blocks) > 30 {
				continue
			}
			if z.Smallest == 0 {
				z.Smallest = kb
			}
			z.Blocks = append(z.Blocks, n)
		}
		return
	}
}

// tableLine reads the heading of the task table or one of its rows. Columns go
// by the names of the heading, never by their places: they differ by version.
func (e *Event) tableLine(msg string) {
	inside, rest, ok := strings.Cut(msg[1:], "]")
	inside = strings.TrimSpace(inside)
	if !ok {
		return
	}
	if inside == "pid" {
		e.Header = strings.Fields(rest)
		return
	}
	pid, err := strconv.ParseInt(inside, 10, 64)
	if err != nil || pid <= 0 || len(e.Header) < 3 {
		return
	}
	if len(e.Tasks) >= maxTasks {
		e.Lost++
		return
	}
	t := newTask()
	t.PID = pid
	if t.row(e.Header, rest) {
		e.Tasks = append(e.Tasks, t)
	}
}

// row reads the columns behind the PID; the last is the name, blanks and all.
func (t *Task) row(header []string, rest string) bool {
	for _, column := range header[:len(header)-1] {
		rest = strings.TrimLeft(rest, " ")
		field, more, ok := strings.Cut(rest, " ")
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || !ok {
			return false
		}
		rest = more
		t.set(column, n)
	}
	t.Comm = rest
	return true
}

func (t *Task) set(column string, n int64) {
	switch column {
	case "uid":
		t.UID = n
	case "tgid":
		t.TGID = n
	case "total_vm":
		t.TotalVM = n
	case "rss":
		t.RSS = n
	case "rss_anon":
		t.RSSAnon = n
	case "rss_file":
		t.RSSFile = n
	case "rss_shmem":
		t.RSSShmem = n
	case "nr_ptes", "nr_pmds", "nr_puds":
		t.Tables = max(t.Tables, 0) + n
	case "pgtables_bytes":
		t.TableBytes = n
	case "swapents":
		t.Swap = n
	case "oom_score_adj":
		t.Adj, t.HasAdj = n, true
	}
}
