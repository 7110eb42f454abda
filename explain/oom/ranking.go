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
		logField(doc{
			Key: "points", Unit: explain.Pages,
			Gist:    "Its points, recomputed from its row of the task table.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if r, ok := k.victimPoints(); ok {
				return explain.I(r.points)
			}
			return untold()
		}, readKillPoints),
		logField(doc{
			Key: "points_total", Unit: explain.Pages, Show: explain.Data,
			Gist:    "What points were set against: RAM or the limit, and swap.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if !k.span.known() {
				return untold()
			}
			return explain.I(k.span.low)
		}, nil),
	}
}

// victimPoints returns the victim's points, where they are told.
func (k *Kill) victimPoints() (ranked, bool) {
	if n := k.placeIn(k.ranked); n > 0 {
		return k.ranked[n-1], k.ranked[n-1].told
	}
	t := k.E.Row(k.V.PID)
	if t == nil || !k.candidate(t) || t.Adj != 0 || k.bonus.from != ofNothing {
		return ranked{}, false
	}
	n := k.points(t, k.span.low) // which the total does not matter for
	return ranked{t, n, true}, n > 1 || !k.unsure()
}

func rankingFields() []killField {
	return []killField{
		logField(doc{
			Key: "rank", Unit: explain.Plain,
			Gist:    "Its place in the task table, ranked by points.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if k.place == 0 {
				return untold()
			}
			return explain.I(k.place)
		}, readRanking),
		logField(doc{
			Key: "candidates", Unit: explain.Count, Show: explain.Data,
			Gist:    "Processes of the table that could be killed.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if k.E.Header == nil || k.old {
				return untold()
			}
			return explain.I(k.of)
		}, nil),
		ranking("ranked_pids", "The PIDs with most points, most first.", func(r ranked) value { return explain.I(r.task.PID) }),
		ranking("ranked_comms", "Their names.", func(r ranked) value { return explain.S(r.task.Comm) }),
		ranking("ranked_points", "Their points, in pages; null where they are not told.", func(r ranked) value {
			if !r.told {
				return untold()
			}
			return explain.I(r.points)
		}),
	}
}

// top is how many of the ranked tasks a row tells.
const top = 10

func ranking(key, gist string, get func(ranked) value) killField {
	return logField(doc{Key: key, Show: explain.Data, Concept: "oom-score", Gist: gist}, func(k *Kill) value {
		if k.E.Header == nil || k.ranked == nil {
			return untold()
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
		s += " This kernel's table leaves out what else counted: swap or page tables."
	}
	if k.now && k.span.known() && k.constraint() == "memcg" {
		s += " The host's swap is taken as it is now: the report does not tell it."
	}
	if k.assumed {
		s += " The log does not tell the page size: 4 KiB is assumed."
	}
	return s
}

// readScore holds the score that the kernel wrote against the one of the points.
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
		return fmt.Sprintf(" The kernel wrote score %d; these make %d: the process moved in between, or what the table lacks counted.",
			k.V.Score, ours)
	case b.from != ofNothing:
		return fmt.Sprintf(" The kernel wrote score %d: only with what privilege takes off do these make it.", k.V.Score)
	}
	return fmt.Sprintf(" They make the score of %d that the kernel wrote.", ours)
}

func readRanking(k *Kill) string {
	of := "Of " + units.Number(k.of) + " that could be killed"
	if k.ranked == nil {
		return of + ", whatever the total was."
	}
	var words []string
	for i, r := range k.ranked[:min(len(k.ranked), 5)] {
		s := fmt.Sprintf("%d. %s (%d)", i+1, r.task.Comm, r.task.PID)
		if r.told {
			s += " " + units.Number(r.points)
		}
		words = append(words, s)
	}
	return of + ": " + strings.Join(words, "; ") + "."
}
