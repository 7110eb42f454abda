package sched

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func preemptionField() field {
	mode := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "preemption"}
	}
	return field{
		Doc: doc{
			Key: "preemption", Source: inspect.KernelBuild,
			Also:    []inspect.Source{inspect.SchedDebug, inspect.KernelCmdline, inspect.KernelConfig},
			Concept: "preemption",
			Words: []explain.Word{
				mode("none", "A task in the kernel gives up the CPU when it waits or returns."),
				mode("voluntary", "As none, and at marked points."),
				mode("full", "A task in the kernel can be preempted at almost any point."),
				mode("lazy", "As full for real-time tasks; for fair ones at the next tick, since 6.13."),
				mode("rt", "As full, and most locks and interrupt handlers can be preempted too."),
				mode(noneOrVoluntary, "One of the two: the kernel does not show which."),
				mode(fullOrLazy, "One of the two: the kernel does not show which."),
			},
			Gist: "When a task that is in the kernel is preempted for another.",
		},
		Get: func(s sched) value {
			if mode, _ := preemption(s); mode != "" {
				return explain.S(mode)
			}
			return value{}
		},
		Reading: func(s sched) string { _, from := preemption(s); return from },
	}
}

// What is known of the mode where the kernel's name says it in part.
const (
	noneOrVoluntary = "none or voluntary"
	fullOrLazy      = "full or lazy"
)

// preemption says which mode the kernel is in, and where that is shown.
func preemption(s sched) (mode, from string) {
	if s.Debug.Preempt != "" {
		return s.Debug.Preempt, "debugfs says so: sched/preempt."
	}
	dynamic := strings.Contains(s.Build, "PREEMPT_DYNAMIC")
	switch {
	case strings.Contains(s.Build, "PREEMPT_RT"), strings.Contains(s.Build, "PREEMPT RT"):
		return "rt", "The kernel was built for real time: uname -v says so."
	case dynamic:
		for word := range strings.FieldsSeq(s.Cmdline) {
			if mode, ok := strings.CutPrefix(word, "preempt="); ok && slices.Contains(bootModes(s), mode) {
				return mode, "It was booted with preempt=" + mode + "."
			}
		}
	}
	for _, o := range [...]struct{ option, mode string }{
		{"CONFIG_PREEMPT_LAZY", "lazy"},
		{"CONFIG_PREEMPT", "full"},
		{"CONFIG_PREEMPT_VOLUNTARY", "voluntary"},
		{"CONFIG_PREEMPT_NONE", "none"},
	} {
		if s.Config[o.option] == "y" {
			from = "The kernel was built so: " + o.option + "."
			if dynamic {
				from += " It can be switched while it runs, and only debugfs would show that."
			}
			return o.mode, from
		}
	}
	if dynamic || s.Build == "" {
		return "", ""
	}
	return byName(s)
}

// byName is what uname -v shows of a kernel that has one mode for good: PREEMPT of
// full, and since 6.13 of lazy too (kernel/Kconfig.preempt, PREEMPT_BUILD).
func byName(s sched) (mode, from string) {
	if !strings.Contains(s.Build, "PREEMPT") {
		return noneOrVoluntary, "uname -v does not say PREEMPT; which of the two, only its configuration would show."
	}
	switch s.Kernel().Since(6, 13) {
	case inspect.No:
		return "full", "The kernel was built so: uname -v says PREEMPT."
	case inspect.Yes, inspect.Unknown:
	}
	return fullOrLazy, "uname -v says PREEMPT; which of the two, only its configuration would show."
}

// bootModes are what preempt= may say (kernel/sched/core.c, sched_dynamic_mode):
// lazy since 6.13, and since 7.0 only full and lazy on the machines that
// have lazy (commit 7dadeaa6e851). Of an unknown version it is what all of them take.
func bootModes(s sched) []string {
	withLazy := []string{"none", "voluntary", "full", "lazy"}
	without := []string{"none", "voluntary", "full"}
	old := inspect.Choose(s.Kernel().Since(6, 13), withLazy, without, without)
	if !hasLazy(s.Settings.Host.Arch) {
		return old
	}
	sure := inspect.Choose(s.Kernel().Since(6, 13), []string{"full", "lazy"}, old, []string{"full"})
	return inspect.Choose(s.Kernel().Since(7, 0), []string{"full", "lazy"}, old, sure)
}

// hasLazy says whether a machine, as uname -m names it, is one of those that select
// ARCH_HAS_PREEMPT_LAZY in 7.0.
func hasLazy(machine string) bool {
	for _, prefix := range [...]string{"x86_64", "i686", "i586", "i486", "i386", "aarch64", "loongarch", "ppc", "riscv", "s390"} {
		if strings.HasPrefix(machine, prefix) {
			return true
		}
	}
	return false
}

// readTick says what the tick does to a task that has used its slice: it marks it,
// and the mode decides where it is preempted.
func readTick(s sched) string {
	says := "Every " + units.Span(1/hz(s).Float()) + " on a busy CPU: by then at the latest a task that has used its slice is "
	switch mode, _ := preemption(s); mode {
	case "full", "rt":
		return says + "preempted."
	case "lazy":
		return says + "marked: outside the kernel it is preempted at once, in the kernel at the next tick."
	case "none", "voluntary", noneOrVoluntary:
		return says + "marked. In its own code it is preempted at once; in the kernel it continues until it returns, waits, or offers it."
	}
	return says + "marked. In its own code it is preempted at once; in the kernel where the mode of preemption allows it."
}
