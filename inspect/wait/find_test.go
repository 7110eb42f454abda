package wait_test

import (
	"iter"
	"slices"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/wait"
)

// A stopped task, its shell and others: who could continue it is who links its group to the session.
func TestStopped(t *testing.T) {
	shell := wait.Task{PID: 10, PPID: 9, PGRP: 10, Session: 10, TTY: 34816, State: 'S'}
	job := wait.Task{PID: 20, PPID: 10, PGRP: 20, Session: 10, TTY: 34816, State: 'T'}
	part := wait.Task{PID: 21, PPID: 20, PGRP: 20, Session: 10, TTY: 34816, State: 'T'}
	typed, silent, daemon, lost := job, job, job, job
	typed.ExitCode, silent.TTY = 20, 0
	daemon.PGRP, daemon.Session, daemon.PPID, daemon.TTY = 20, 20, 1, 0
	lost.PPID = 77
	h := inspecttest.OpenRoots(t, t.TempDir(), t.TempDir(), inspecttest.AtNoon)
	h.Arch = "x86_64"
	tty := wait.Wait{Holders: []int32{10}, Sure: wait.OnlyOne, Jobless: inspect.No}
	byTyping := tty
	byTyping.Signal = wait.StopTyped
	for name, c := range map[string]struct {
		of     wait.Task
		others []wait.Task
		whole  bool
		want   wait.Wait
	}{
		"a job":                 {job, []wait.Task{shell, part}, true, tty},
		"by Ctrl-Z":             {typed, []wait.Task{shell}, true, byTyping},
		"without a terminal":    {silent, []wait.Task{shell}, true, wait.Wait{}},
		"an orphan":             {daemon, []wait.Task{shell, {PID: 1, PGRP: 1, Session: 1}}, true, wait.Wait{Jobless: inspect.Yes, Signal: 19}},
		"its parent not seen":   {lost, []wait.Task{shell}, true, wait.Wait{}},
		"not all of them seen":  {daemon, []wait.Task{{PID: 1, PGRP: 1, Session: 1}}, false, wait.Wait{}},
		"of a namespace above":  {wait.Task{PID: 20, PPID: 10, State: 'T'}, []wait.Task{shell}, true, wait.Wait{}},
		"its shell's own group": {part, []wait.Task{shell, job}, true, tty},
	} {
		f := wait.NewFinder(h, c.whole, func() iter.Seq[wait.Task] { return slices.Values(append(slices.Clone(c.others), c.of)) })
		got := f.Find(&c.of)
		if !slices.Equal(got.Holders, c.want.Holders) || got.Sure != c.want.Sure || got.Jobless != c.want.Jobless || got.Signal != c.want.Signal {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// A child that has ended stays hidden from its parent as long as another process traces it.
func TestATracedZombie(t *testing.T) {
	parent := wait.Task{PID: 10, PPID: 1, State: 'S', Call: "wait4", Args: [6]uint64{11}}
	tasks := []wait.Task{parent, {PID: 11, PPID: 10, State: 'Z'}, {PID: 12, PPID: 10, State: 'S'}}
	any, other, plain := parent, parent, parent
	any.Args[0], other.Args[0], plain.Call, plain.Where = 0xffffffff, 12, "", "do_wait"
	for name, c := range map[string]struct {
		of     wait.Task
		tracer string
		want   []int32
	}{
		"by a sibling": {parent, "12", []int32{12}}, "any child": {any, "12", []int32{12}}, "by the function": {plain, "12", []int32{12}},
		"for another": {other, "12", nil}, "by the parent": {parent, "10", nil}, "by nobody": {parent, "0", nil},
		"by a thread, perhaps the parent's": {parent, "13", nil},
	} {
		dir := t.TempDir()
		inspecttest.Write(t, dir+"/11/status", "Name:\tx\nTracerPid:\t"+c.tracer+"\n")
		f := wait.NewFinder(inspecttest.OpenRoots(t, dir, t.TempDir(), inspecttest.AtNoon), true,
			func() iter.Seq[wait.Task] { return slices.Values(tasks) })
		if w := f.Find(&c.of); w.Kind != wait.Child || !slices.Equal(w.Holders, c.want) {
			t.Errorf("%s: %+v, want %v", name, w, c.want)
		}
	}
}

// A task in D that does not show where may wait for those of its children that have run no program.
func TestPerhapsInVfork(t *testing.T) {
	tasks := []wait.Task{{PID: 10, State: 'D'}, {PID: 11, PPID: 10, Forked: true}, {PID: 12, PPID: 10}, {PID: 13, PPID: 9, Forked: true}}
	f := wait.NewFinder(inspecttest.OpenRoots(t, t.TempDir(), t.TempDir(), inspecttest.AtNoon), true,
		func() iter.Seq[wait.Task] { return slices.Values(tasks) })
	if w := f.Find(&tasks[0]); w.Kind != wait.Unknown || w.Sure != wait.Candidates || !slices.Equal(w.Holders, []int32{11}) {
		t.Errorf("%+v", w)
	}
}
