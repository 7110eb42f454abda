package cmd

import (
	"github.com/spf13/cobra"

	"kwhy/explain/mem"
)

const memLong = `Without a PID: how the host's RAM is used, what is available and how the kernel
computes that, the memory cgroup that limits programs here, processes by RSS, page
cache and writeback, overcommit, swap, reclaim and pressure, zones, huge pages,
and the slab caches (as root).

With a PID: the resident memory of one process, its proportional share (PSS), its
address space by kind and in address order, and what is freed when it ends.`

type memOptions struct {
	settings
	limit int
	pss   bool
	pid   int32 // 0 is the host
}

func (o *memOptions) parse(t *typed) (err error) {
	if o.limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of rows, 0 for all, or -1 for as many as a screen takes", o.limit)
	}
	if len(t.args) == 0 {
		return nil
	}
	if name := t.given("limit", "pss"); name != "" {
		return usagef("--%s is for the table of all processes", name)
	}
	o.pid, err = parsePID(t.arg())
	return err
}

func newMem(a *App, do func(*memOptions) error) *cobra.Command {
	var o memOptions
	c := &cobra.Command{
		Use:   "mem [PID]",
		Short: "Memory: of the host, or of one process",
		Long:  memLong,
		Example: `  kwhy mem                        this host
  kwhy mem 1234                   one process
  kwhy mem --pss --limit 20       20 processes, with PSS, USS and SwapPss
  kwhy mem -o json | jq .values.mem_available.value`,
		Args: atMostOne,
		RunE: settled(a, &o, do, onHost(a, "mem", runMem)),
	}
	c.Flags().IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	c.Flags().BoolVar(&o.pss, "pss", false, "rank the processes by PSS, and add USS and SwapPss: the kernel walks page tables for it")
	return c
}

func runMem(r *run, o *memOptions) error {
	if o.pid != 0 {
		return show(r, mem.ProcessPage(o.pid))
	}
	return show(r, mem.HostPage(mem.HostOptions{Limit: rowLimit(o.limit, r.app.screenRows()), PSS: o.pss}))
}
