package kmsg

import (
	"strconv"
	"strings"
)

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

// row reads the columns after the PID; the last is the name, blanks and all.
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
