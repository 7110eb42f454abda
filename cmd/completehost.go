package cmd

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// look hands a completer the processes or threads of the host that the flags and
// variables point to. Whatever fails offers nothing: a shell that completes has no
// room for an error.
func (a *App) look(
	c *cobra.Command,
	scan func(*inspect.Host, inspect.Sources, *procfacts.Processes) (*procfacts.Processes, error),
	want inspect.Sources,
	each func(*procfacts.Processes, *procfacts.Process),
) {
	r, err := a.begin(c, "completion")
	if err != nil {
		return
	}
	defer r.host.Close()
	ps, err := scan(r.host, want, nil)
	if err != nil {
		return
	}
	ps.Fill(every(ps), want)
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.PID != ps.Host.Self && p.TGID != ps.Host.Self {
			each(ps, p)
		}
	}
}

func every(ps *procfacts.Processes) []int32 {
	rows := make([]int32, len(ps.Rows))
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// numbered keeps PIDs in the order of their numbers.
const numbered = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder

// pids completes a process: by PID, and where a name does as well and a letter was
// typed, by the names that just one process has.
func (a *App) pids(named bool) completer {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var numbers []explain.Word
		byName := map[string][]int32{}
		a.look(c, proc.Scan, inspect.Sources{}, func(_ *procfacts.Processes, p *procfacts.Process) {
			numbers = append(numbers, pidWord(p.PID, p.Comm))
			byName[p.Comm] = append(byName[p.Comm], p.PID)
		})
		if !named || strings.Trim(typed, "0123456789") == "" {
			return offers(numbers, "", typed), numbered
		}
		var words []explain.Word
		for name, of := range byName {
			if len(of) == 1 && typeable(name) {
				words = append(words, explain.Word{Name: name, Gist: "process " + strconv.Itoa(int(of[0]))})
			}
		}
		slices.SortFunc(words, func(a, b explain.Word) int { return cmp.Compare(a.Name, b.Name) })
		return offers(words, "", typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// pidsOrNames completes a PID, or a name that any number of processes may have.
func (a *App) pidsOrNames(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if strings.Trim(typed, "0123456789") == "" {
		return a.pids(false)(c, args, typed)
	}
	return a.processNames(c, args, typed)
}

// processNames completes the names of processes, for flags that take a pattern.
func (a *App) processNames(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	n := map[string]int{}
	a.look(c, proc.Scan, inspect.Sources{}, func(_ *procfacts.Processes, p *procfacts.Process) {
		if typeable(p.Comm) {
			n[p.Comm]++
		}
	})
	return offers(counts(n), "", typed), cobra.ShellCompDirectiveNoFileComp
}

// typeable tells whether a name goes through a shell as it is.
func typeable(name string) bool { return regexp.MustCompile(`^[\w.:/@+-]+$`).MatchString(name) }

func (a *App) threads(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var words []explain.Word
	a.look(
		c,
		proc.ScanThreads,
		inspect.Sources{},
		func(_ *procfacts.Processes, p *procfacts.Process) { words = append(words, pidWord(p.PID, p.Comm)) },
	)
	return offers(words, "", typed), numbered
}

// users completes those who have processes.
func (a *App) users(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	n := map[string]int{}
	a.look(c, proc.Scan, inspect.Of(inspect.PIDStatus), func(ps *procfacts.Processes, p *procfacts.Process) {
		if (procfacts.Row{Host: &ps.Host, P: p}).Missing(inspect.PIDStatus) != inspect.Present {
			return
		}
		name, known := ps.Host.Users[p.UID]
		if !known || !typeable(name) {
			name = strconv.FormatUint(uint64(p.UID), 10)
		}
		n[name]++
	})
	return offers(counts(n), "", typed), cobra.ShellCompDirectiveNoFileComp
}

// cgroups completes the cgroups that have processes, and those above them.
func (a *App) cgroups(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	n := map[string]int{}
	a.look(c, proc.Scan, inspect.Of(inspect.PIDCgroup), func(_ *procfacts.Processes, p *procfacts.Process) {
		for at := p.Cgroup; at != "" && typeable(at); at = at[:max(strings.LastIndexByte(at, '/'), 0)] {
			n[at]++
		}
	})
	return offers(counts(n), "", typed), cobra.ShellCompDirectiveNoFileComp
}

// limitedCgroups completes the memory cgroups with a limit, which alone kill.
func (a *App) limitedCgroups(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	r, err := a.begin(c, "completion")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer r.host.Close()
	groups, err := oomfacts.LimitedCgroups(r.host)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []explain.Word
	for i := range groups {
		if g := &groups[i]; typeable(g.Path) {
			words = append(words, explain.Word{Name: g.Path})
		}
	}
	return offers(words, "", typed), cobra.ShellCompDirectiveNoFileComp
}
