package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect/kmsg"
)

// The fields of a kill that rank the task table.

func pointFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "points", Unit: explain.Pages,
			Gist:    "Its points, recomputed from its row of the task table.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if r, ok := k.victimPoints(); ok {
				return explain.I(r.points)
			}
			return notLogged()
		}, readKillPoints),
		declareKill(doc{
			Key: "points_total", Unit: explain.Pages, Show: explain.Data,
			Gist:    "What points were relative to: RAM or the limit, plus swap.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if !k.span.known() {
				return notLogged()
			}
			return explain.I(k.span.low)
		}, nil),
	}
}

// victimPoints returns the victim's points, where they are known.
func (k *Kill) victimPoints() (ranked, bool) {
	if n := k.placeIn(k.ranked); n > 0 {
		return k.ranked[n-1], k.ranked[n-1].known
	}
	t := k.E.Row(k.V.PID)
	if t == nil || !k.candidate(t) || t.Adj != 0 || k.bonus.from != ofNothing {
		return ranked{}, false
	}
	n := k.points(t, k.span.low) // independent of the total
	return ranked{t, n, true}, n > 1 || !k.unsure()
}

func rankingFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "rank", Unit: explain.Plain,
			Gist:    "Its place in the task table, ranked by points.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if k.place == 0 {
				return notLogged()
			}
			return explain.I(k.place)
		}, readRanking),
		declareKill(doc{
			Key: "candidates", Unit: explain.Count, Show: explain.Data,
			Gist:    "Processes of the table that could be killed.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if k.E.Header == nil || k.old {
				return notLogged()
			}
			return explain.I(k.of)
		}, nil),
		ranking("ranked_pids", "The PIDs with the most points, highest first.", func(r ranked) value { return explain.I(r.task.PID) }),
		ranking("ranked_comms", "Their names.", func(r ranked) value { return explain.S(r.task.Comm) }),
		ranking("ranked_points", "Their points, in pages; null where they are unknown.", func(r ranked) value {
			if !r.known {
				return notLogged()
			}
			return explain.I(r.points)
		}),
	}
}

// top is how many of the ranked tasks a row has.
const top = 10

func ranking(key, gist string, get func(ranked) value) killField {
	return declareKill(doc{Key: key, Show: explain.Data, Concept: "oom-score", Gist: gist}, func(k *Kill) value {
		if k.E.Header == nil || k.ranked == nil {
			return notLogged()
		}
		out := make([]value, 0, top)
		for _, r := range k.ranked[:min(len(k.ranked), top)] {
			out = append(out, get(r))
		}
		return explain.L(out)
	}, nil)
}

func readKillPoints(k *Kill) string {
	r, _ := k.victimPoints()
	t := r.task
	tables := max(t.Tables, 0)
	if t.TableBytes != kmsg.Unset {
		tables = t.TableBytes / k.page
	}
	s := fmt.Sprintf("= rss %s", units.Number(t.RSS))
	if t.Swap != kmsg.Unset {
		s += " + swap " + units.Number(t.Swap)
	}
	if t.Tables != kmsg.Unset || t.TableBytes != kmsg.Unset {
		s += " + tables " + units.Number(tables)
	}
	switch {
	case k.bonus.of != t:
	case k.bonus.from == ofPoints:
		s += ", less 3 % for CAP_SYS_ADMIN"
	case k.bonus.from == ofTotal:
		s += ", less 3 % of the total for CAP_SYS_ADMIN"
	}
	if t.HasAdj && (k.span.known() || t.Adj == 0) {
		s += fmt.Sprintf(" + adj %d", t.Adj)
		if k.span.known() {
			s += fmt.Sprintf(" · (total %s / 1000)", units.Number(k.span.low))
		}
	}
	s += "." + k.readScore(t)
	if k.partial {
		s += " This kernel's table lacks swap or page tables, which counted too."
	}
	if k.now && k.span.known() && k.constraint() == "memcg" {
		s += " The report does not have the host's swap: the current value is used."
	}
	if k.assumed {
		s += " The log does not have the page size: 4 KiB is assumed."
	}
	return s
}

// readScore compares the score that the kernel logged with that of the points.
func (k *Kill) readScore(t *kmsg.Task) string {
	if k.V.Score == kmsg.Unset || !k.span.known() || k.span.low == 0 {
		return ""
	}
	b := k.bonus
	if b.of != t {
		b = bonus{of: t}
	}
	ours := k.scoreAt(b, k.span.low)
	switch {
	case ours != k.V.Score:
		return fmt.Sprintf(" The kernel logged score %d; these give %d: the process changed in between, or what the table lacks counted.",
			k.V.Score, ours)
	case b.from != ofNothing:
		return fmt.Sprintf(" The kernel logged score %d: these give it only if privilege is subtracted.", k.V.Score)
	}
	return fmt.Sprintf(" They give the score of %d that the kernel logged.", ours)
}

func readRanking(k *Kill) string {
	of := "Of " + units.Number(k.of) + " that could be killed"
	if k.ranked == nil {
		return of + ", whatever the total was."
	}
	var words []string
	for i, r := range k.ranked[:min(len(k.ranked), 5)] {
		s := fmt.Sprintf("%d. %s (%d)", i+1, r.task.Comm, r.task.PID)
		if r.known {
			s += " " + units.Number(r.points)
		}
		words = append(words, s)
	}
	return of + ": " + strings.Join(words, "; ") + "."
}
