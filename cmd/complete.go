package cmd

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/check"
	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/explain/net"
	"kwhy/explain/oom"
	"kwhy/explain/proc"
	"kwhy/explain/sched"
	"kwhy/explain/units"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

const completionLong = `Prints a script that teaches a shell to complete what kwhy takes: subcommands, flags
and their values, processes by PID with their names, columns, states, users, cgroups,
and whatever kwhy explain has.

  bash  kwhy completion bash >/usr/share/bash-completion/completions/kwhy
  zsh   kwhy completion zsh >"${fpath[1]}/_kwhy"
  fish  kwhy completion fish >~/.config/fish/completions/kwhy.fish

The packages bring all three. For the shell at hand alone: source <(kwhy completion bash)`

type completionOptions struct {
	shell string
	root  *cobra.Command // whose script is printed
}

func (o *completionOptions) parse(t *typed) error {
	if len(t.args) != 1 || !slices.Contains(shells(), t.args[0]) {
		return usagef("completion takes the name of a shell: %s", strings.Join(shells(), ", "))
	}
	o.shell, o.root = t.args[0], t.cmd.Root()
	return nil
}

func newCompletion(a *App, do func(*completionOptions) error) *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print the completion script of a shell: bash, zsh or fish",
		Long: completionLong,
		Example: `  source <(kwhy completion bash)
  kwhy completion fish >~/.config/fish/completions/kwhy.fish`,
		RunE: settled(a, &completionOptions{}, do, a.completion),
	}
}

func (a *App) completion(o *completionOptions) error {
	switch o.shell {
	case "bash":
		return a.bashCompletion(o.root)
	case "zsh":
		return o.root.GenZshCompletion(a.Out)
	}
	return a.fishCompletion(o.root)
}

// bashCompletion prints cobra's script with a change: that compares what was typed with
// what printf %q makes of each offer, and %q puts a backslash before a comma, which
// nobody types and no list could go on behind.
func (a *App) bashCompletion(root *cobra.Command) error {
	var script bytes.Buffer
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return err
	}
	quoted := regexp.MustCompile(`(?m)^( +)(?:printf -v )?(comp|COMPREPLY\[0\])(?: "%q"|=\$\(printf "%q").*$`)
	_, err := a.Out.Write(quoted.ReplaceAll(script.Bytes(), []byte("${0}\n${1}${2}=$${${2}//\\\\,/,}")))
	return err
}

// fishCompletion prints cobra's script with two changes, where it keeps a blank from
// following the one offer left: that may begin with a dash (--columns=pid), and whether a
// blank would follow depends on its own end, not on that of its description.
func (a *App) fishCompletion(root *cobra.Command) error {
	var script bytes.Buffer
	if err := root.GenFishCompletion(&script, true); err != nil {
		return err
	}
	mended := strings.NewReplacer(
		`(string split --max 1 \t `,
		`(string split --max 1 -- \t `,
		`(string sub -s -1 -- $split)`,
		`(string sub -s -1 -- $split[1])`,
	)
	_, err := mended.WriteString(a.Out, script.String())
	return err
}

func shells() []string { return []string{"bash", "zsh", "fish"} }

// completer offers what may stand where a flag's value or an argument is being typed.
type completer func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// complete gives every flag and argument of the tree its completer. One that takes
// free text offers nothing, and above all no files.
func (a *App) complete(root *cobra.Command) {
	flags, args := a.flagCompleters(), a.argCompleters()
	for _, c := range below(root) {
		path := pathOf(c)
		register := func(f *pflag.Flag) {
			of := flags[path+" --"+f.Name]
			if of == nil {
				of = flags["--"+f.Name]
			}
			if of == nil {
				of = nothing
			}
			_ = c.RegisterFlagCompletionFunc(f.Name, of)
		}
		c.PersistentFlags().VisitAll(register)
		c.LocalNonPersistentFlags().VisitAll(register)
		_, takes, _ := strings.Cut(c.Use, " ")
		c.ValidArgsFunction = first(args[strings.Trim(takes, "[]")])
	}
}

// first completes the first argument: no command takes a second.
func first(of completer) completer {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if of == nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(c, args, typed)
	}
}

// argCompleters complete arguments by what the usage calls them.
func (a *App) argCompleters() map[string]completer {
	return map[string]completer{
		"PID": a.pids(false), "PID|NAME": a.pids(true), "FILE": files(),
		"SHELL": oneOf(func(*cobra.Command) []explain.Word { return plainWords(shells()...) }),
		"NAME":  oneOf(func(*cobra.Command) []explain.Word { return names() }),
	}
}

// flagCompleters complete the values of flags, of all commands that have such a flag
// or of one. What takes a number, a duration or a pattern is not among them.
func (a *App) flagCompleters() map[string]completer {
	all := map[string]completer{
		"--config": files("yaml", "yml"), "--proc-root": directories, "--sys-root": directories, "--path": files(),
		"--user": a.users, "--name": a.processNames,
		"--process": a.pidsOrNames, "--netns": a.pids(true),
		"--thread": a.threads, "--cgroup": a.cgroups,
		"oom --cgroup":           a.limitedCgroups,
		"proc --state":           listOf(func(*cobra.Command) []explain.Word { return lower.WordsOf(proc.Processes().Fields, "state") }, false),
		"net sockets --state":    listOf(func(*cobra.Command) []explain.Word { return lower.WordsOf(net.Sockets().Fields, "state") }, false),
		"net sockets --protocol": listOf(func(*cobra.Command) []explain.Word { return lower.WordsOf(net.Sockets().Fields, "protocol") }, false),
		"check --fail-on":        oneOf(func(*cobra.Command) []explain.Word { return plainWords(explain.Levels()[1:]...) }),
		"check --only":           listOf(func(*cobra.Command) []explain.Word { return plainWords(check.Names()...) }, false),
		"check --off":            listOf(func(*cobra.Command) []explain.Word { return ruleWords() }, false),
	}
	for _, s := range settingTable() {
		if s.choices != nil {
			all["--"+s.key] = oneOf(func(*cobra.Command) []explain.Word { return plainWords(s.choices...) })
		}
	}
	for path, of := range columnWords() {
		all[path+" --columns"] = listOf(func(c *cobra.Command) []explain.Word {
			return append(of(c), explain.Word{Name: "help", Gist: "list the columns and do nothing else"})
		}, false)
		all[path+" --sort"] = listOf(of, true)
	}
	delete(all, "oom --columns") // it has its own
	return all
}

// columnWords are the columns of the table that a command shows.
func columnWords() map[string]func(*cobra.Command) []explain.Word {
	set := func(c *cobra.Command, flag string) bool { return c.Flags().Changed(flag) }
	return map[string]func(*cobra.Command) []explain.Word{
		"proc": func(c *cobra.Command) []explain.Word {
			if set(c, "threads") {
				return lower.ColumnWords(proc.EachThread().Fields)
			}
			return lower.ColumnWords(proc.Processes().Fields)
		},
		"sched": func(*cobra.Command) []explain.Word { return lower.ColumnWords(sched.Processes().Fields) },
		"oom": func(c *cobra.Command) []explain.Word {
			return lower.ColumnWords(oom.Processes(set(c, "cgroup")).Fields)
		},
		"net sockets": func(*cobra.Command) []explain.Word { return lower.ColumnWords(net.Sockets().Fields) },
		"fd": func(c *cobra.Command) []explain.Word {
			switch {
			case c.Flags().NArg() > 0:
				return lower.ColumnWords(fd.FDs().Fields)
			case set(c, "deleted"):
				return lower.ColumnWords(fd.GoneList().Fields)
			case set(c, "path"):
				return lower.ColumnWords(fd.Holders().Fields)
			case set(c, "socket"):
				return lower.ColumnWords(fd.SocketHolders().Fields)
			}
			return lower.ColumnWords(fd.Processes().Fields)
		},
	}
}

func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// files leaves it to the shell to complete files, those that end so or all.
func files(ends ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if ends == nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return ends, cobra.ShellCompDirectiveFilterFileExt
	}
}

// oneOf completes one of some words.
func oneOf(of func(*cobra.Command) []explain.Word) completer {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return offers(of(c), "", typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// listOf completes the last of some words with commas between, those left out that
// stand there already. A - before one may turn its order round.
func listOf(of func(*cobra.Command) []explain.Word, turns bool) completer {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		i := strings.LastIndexByte(typed, ',') + 1
		before, last := typed[:i], typed[i:]
		used := strings.Split(before, ",")
		if rest, turned := strings.CutPrefix(last, "-"); turned && turns {
			before, last = before+"-", rest
		}
		words := slices.DeleteFunc(of(c), func(w explain.Word) bool {
			return slices.Contains(used, w.Name) || turns && slices.Contains(used, "-"+w.Name)
		})
		return offers(words, before, last), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// offers are the words that go on as typed, behind what is complete already.
func offers(words []explain.Word, before, typed string) (out []string) {
	for _, w := range words {
		if strings.HasPrefix(w.Name, typed) {
			out = append(out, offer(before+w.Name, w.Gist))
		}
	}
	return out
}

// offer is a completion with a description, if it has one.
func offer(name, gist string) string {
	if gist == "" {
		return name
	}
	return cobra.CompletionWithDesc(name, gist)
}

func plainWords(names ...string) (out []explain.Word) {
	for _, name := range names {
		out = append(out, explain.Word{Name: name})
	}
	return out
}

func ruleWords() (out []explain.Word) {
	for _, r := range catalog.All().Rules {
		out = append(out, explain.Word{Name: r.ID, Gist: r.What})
	}
	return out
}

// names are the names that explain takes, but for those that a shell takes for several.
func names() []explain.Word {
	return slices.DeleteFunc(catalog.Known(catalog.All()), func(w explain.Word) bool { return strings.Contains(w.Name, " ") })
}

// counts are things of processes with how many have it, in order.
func counts(n map[string]int) (out []explain.Word) {
	for name, n := range n {
		out = append(out, explain.Word{Name: name, Gist: units.Plural(n, "process", "processes")})
	}
	slices.SortFunc(out, func(a, b explain.Word) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// pidWord is a PID as a word, told by the process's name.
func pidWord(pid int32, comm string) explain.Word {
	return explain.Word{Name: strconv.Itoa(int(pid)), Gist: printable(comm)}
}

// beginFor opens the host that flags and variables point to.
func (a *App) beginFor(c *cobra.Command) (*run, error) {
	set, err := a.load(c.Flags())
	if err != nil {
		return nil, err
	}
	return a.begin(set, "completion")
}

// look hands a completer the processes or threads of the host that the flags and
// variables point to. Whatever fails offers nothing: a shell that completes has no
// room for an error.
func (a *App) look(
	c *cobra.Command,
	scan func(*inspect.Host, inspect.Sources, *procfacts.Processes) (*procfacts.Processes, error),
	want inspect.Sources,
	each func(*procfacts.Processes, *procfacts.Process),
) {
	r, err := a.beginFor(c)
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
	r, err := a.beginFor(c)
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
