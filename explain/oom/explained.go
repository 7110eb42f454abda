package oom

import (
	"fmt"

	"kwhy/explain/units"
	"kwhy/inspect/kmsg"
)

// Whether a report shows why its victim was killed and not another process.

// verdict is that.
type verdict uint8

const (
	unexplained verdict = iota
	shown
	contradicted
	depends // on a total that the report does not have
)

// judge returns the verdict, and the totals at which the victim is the first of
// the table.
func (k *Kill) judge() (verdict, span) {
	if k.otherReason() != "" {
		return shown, span{}
	}
	t := k.E.Row(k.V.PID)
	switch {
	case t == nil || !k.candidate(t):
		return unexplained, span{}
	case k.place == 1:
		return shown, span{}
	case k.span.known() && k.privileged():
		return depends, k.span
	case k.span.known():
		return contradicted, span{}
	}
	if w, ok := k.window(t); ok {
		return depends, w
	}
	return contradicted, span{}
}

// privileged reports whether those ahead of the victim would have been behind it if
// they had CAP_SYS_ADMIN.
func (k *Kill) privileged() bool {
	if k.place < 2 || k.atLeast(4, 17) {
		return false
	}
	mine := k.ranked[k.place-1].points
	for _, r := range k.ranked[:k.place-1] {
		less := bonus{of: r.task, from: ofPoints}
		if k.before(3, 14) {
			less.from = ofTotal
		}
		base, _ := k.base(r.task)
		if less.off(r.task, base, k.span.low)+r.task.Adj*(k.span.low/1000) > mine {
			return false
		}
	}
	return true
}

// window is the totals at which no process has more points than the victim.
func (k *Kill) window(v *kmsg.Task) (w span, ok bool) {
	steps := span{0, endless} // of a thousandth each
	base, _ := k.base(v)
	for i := range k.E.Tasks {
		t := &k.E.Tasks[i]
		if t == v || !k.candidate(t) {
			continue
		}
		other, _ := k.base(t)
		ahead, each := base-other, v.Adj-t.Adj
		switch {
		case each == 0 && ahead < 0:
			return w, false
		case each > 0 && ahead < 0:
			steps.low = max(steps.low, (-ahead+each-1)/each)
		case each < 0 && ahead < 0:
			return w, false
		case each < 0:
			steps.high = min(steps.high, ahead/-each)
		}
	}
	w = span{max(steps.low*1000, k.span.low), k.span.high}
	if steps.high < endless/1000 {
		w.high = min(steps.high*1000+999, w.high)
	}
	return w, w.low <= w.high
}

// swapDecides reports whether the report lacks only how much swap there was.
func (k *Kill) swapDecides() bool {
	switch k.constraint() {
	case "memcg":
		return k.E.Memory.Limit != kmsg.Unset
	case "none":
		return k.E.RAM != kmsg.Unset && k.E.Reserved != kmsg.Unset
	}
	return false
}

// explainedIf is the condition under which the table explains the choice.
func (k *Kill) explainedIf() string {
	v, w := k.judge()
	switch {
	case v != depends:
		return ""
	case k.span.known():
		return "privilege"
	case !k.swapDecides():
		return "total"
	case w.low > k.span.low:
		return "swap"
	}
	return "no_swap"
}

func readIf(k *Kill) string {
	_, w := k.judge()
	size := func(n int64) string { return units.Size(uint64(n * k.page)) }
	if k.span.known() {
		first := k.ranked[0]
		return fmt.Sprintf("%s (%d) had %s points to %s, and 3 %% fewer if it had CAP_SYS_ADMIN, which the report does not show: "+
			"then this one had the most.",
			first.task.Comm, first.task.PID, units.Number(first.points), units.Number(k.ranked[k.place-1].points))
	}
	if !k.swapDecides() {
		s := fmt.Sprintf("It had the most points if they were relative to at least %s", size(w.low))
		if w.low <= k.span.low {
			s = fmt.Sprintf("It had the most points if they were relative to at most %s", size(w.high))
		}
		return s + ": the report does not show it."
	}
	where := "the host"
	if k.constraint() == "memcg" {
		where = "the cgroup"
	}
	base := k.span.low // without any swap
	if k.constraint() == "memcg" {
		base = k.E.Memory.Limit << 10 / k.page
	}
	switch low := w.low > k.span.low; {
	case low && w.high < k.span.high:
		return fmt.Sprintf("It had the most points if %s could use %s to %s of swap: the report does not show it.",
			where, size(w.low-base), size(w.high-base))
	case low:
		return fmt.Sprintf("It had the most points if %s could use %s of swap or more: the report does not show it.", where, size(w.low-base))
	}
	return fmt.Sprintf("It had the most points if %s could use no more than %s of swap: the report does not show it.",
		where, size(w.high-base))
}

// otherReason is why the kernel killed another process than the one with the most points.
func (k *Kill) otherReason() string {
	e, v := k.E, k.V
	switch {
	case v.Sharing:
		return "It shared its memory with the previous victim."
	case e.Whole != "" && !k.First():
		return "All of " + e.Whole + " was killed with the victim, because memory.oom.group is set."
	case v.AllocatingTask:
		return "vm.oom_kill_allocating_task was set: the allocating task was killed."
	case k.sacrificed():
		return fmt.Sprintf("%s (%d) was chosen, and this kernel killed a child instead.", e.Chosen.Comm, e.Chosen.PID)
	}
	return ""
}

// sacrificed reports whether a child was killed instead of the chosen process. The chosen
// PID may be that of a thread: then the table has no row of it.
func (k *Kill) sacrificed() bool {
	c := k.E.Chosen
	return c != nil && c.PID != k.V.PID && (c.Comm != k.V.Comm || k.E.Row(c.PID) != nil && k.E.Row(c.PID) != k.E.Row(k.V.PID))
}

func readExplained(k *Kill) string {
	if s := k.otherReason(); s != "" {
		return s
	}
	v, _ := k.judge()
	switch {
	case v == depends:
		return readIf(k)
	case v == shown && k.of == 1:
		return "It was the only candidate."
	case v == shown && k.ranked == nil:
		return "It had most points, whatever the total was."
	case v == shown:
		return k.readFirst()
	case k.old:
		return "Up to 2.6.35 the kernel also scored run time, nice, privilege and children, which its report does not carry: " +
			"the choice can't be checked."
	case k.E.Interleaved:
		return "Two reports were logged at once, so the choice can't be checked."
	case v == unexplained && k.E.Header == nil:
		return "The report has no table of candidates, so the choice can't be checked."
	case v == unexplained:
		return "The table has no row from which its points could be computed."
	}
	return k.readBeaten()
}

// readFirst says by how much the first process was ahead.
func (k *Kill) readFirst() string {
	first, next := k.ranked[0], k.ranked[1]
	who := fmt.Sprintf("%s (%d)", next.task.Comm, next.task.PID)
	switch {
	case first.points == next.points && first.points <= 1 && !k.atLeast(5, 9):
		return "It was tied with " + who + ": before 5.9 the minimum was one point. The order of the scan decided."
	case first.points == next.points && (first.known && next.known || k.span.known()):
		return "It had the most points, as many as " + who + ": the order of the scan decided."
	case first.known && next.known:
		return fmt.Sprintf("It had the most points, %s more than %s.", units.Number(first.points-next.points), who)
	}
	return "It had the most points, whatever the total was: " + who + " came next."
}

// readBeaten says which process should have been first according to the table.
func (k *Kill) readBeaten() string {
	s := "According to the table others had more points."
	if k.ranked != nil && k.place > 1 {
		first, mine := k.ranked[0], k.ranked[k.place-1]
		s = fmt.Sprintf("According to the table %s (%d) had more points", first.task.Comm, first.task.PID)
		if first.known && mine.known {
			s += fmt.Sprintf(", %s to %s", units.Number(first.points), units.Number(mine.points))
		}
		s += "."
	}
	if k.partial || k.before(4, 17) {
		return s + " This kernel also counted what is not in the table: privilege, and on old kernels run time and children."
	}
	if !k.atLeast(4, 17) {
		return s + " The report does not show its kernel version: up to 4.16 privilege counted too, which is not in the table."
	}
	return s + " It may have been killed or exiting already, or using its parent's memory after vfork."
}
