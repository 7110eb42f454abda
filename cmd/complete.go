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
	"kwhy/explain/lower"
	"kwhy/explain/net"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
	"kwhy/output"
)

const completionLong = `Prints a script that teaches a shell to complete what kwhy takes: subcommands, flags
and their values, processes by PID with their names, columns, states, users, cgroups,
and all names that kwhy explain takes.

  bash  kwhy completion bash >/usr/share/bash-completion/completions/kwhy
  zsh   kwhy completion zsh >"${fpath[1]}/_kwhy"
  fish  kwhy completion fish >~/.config/fish/completions/kwhy.fish

The packages contain all three. For the current shell only: source <(kwhy completion bash)`

type completionOptions struct {
	shell string
	root  *cobra.Command // kwhy itself
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

// bashCompletion prints cobra's script with one change. The script quotes each completion
// with printf %q before it compares it with what was typed, and %q puts a backslash before
// commas, so that no list could be completed.
func (a *App) bashCompletion(root *cobra.Command) error {
	var script bytes.Buffer
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return err
	}
	quoted := regexp.MustCompile(`(?m)^( +)(?:printf -v )?(comp|COMPREPLY\[0\])(?: "%q"|=\$\(printf "%q").*$`)
	_, err := a.Out.Write(quoted.ReplaceAll(script.Bytes(), []byte("${0}\n${1}${2}=$${${2}//\\\\,/,}")))
	return err
}

// fishCompletion prints cobra's script with two changes where it prevents a space after the
// only completion: that may begin with a dash (--columns=pid), and whether a space follows
// depends on the end of the completion, not of its description.
func (a *App) fishCompletion(root *cobra.Command) error {
	var script bytes.Buffer
	if err := root.GenFishCompletion(&script, true); err != nil {
		return err
	}
	fixed := strings.NewReplacer(
		`(string split --max 1 \t `,
		`(string split --max 1 -- \t `,
		`(string sub -s -1 -- $split)`,
		`(string sub -s -1 -- $split[1])`,
	)
	_, err := fixed.WriteString(a.Out, script.String())
	return err
}

func shells() []string { return []string{"bash", "zsh", "fish"} }

// completer returns completions for the flag value or argument that is being typed.
type completer func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// complete gives every flag and argument its completer. Free text gets no completions:
// the shell would complete files.
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

// argCompleters complete arguments, by their name in the usage line.
func (a *App) argCompleters() map[string]completer {
	return map[string]completer{
		"PID": a.pids(false), "PID|NAME": a.pids(true), "FILE": files(),
		"SHELL": oneOf(func(*cobra.Command) []explain.Word { return plainWords(shells()...) }),
		"NAME":  oneOf(func(*cobra.Command) []explain.Word { return names() }),
	}
}

// flagCompleters complete the values of flags, either of one command or of all commands
// with that flag. Numbers, durations and patterns have no completions.
func (a *App) flagCompleters() map[string]completer {
	all := map[string]completer{
		"--config": files("yaml", "yml"), "--proc-root": directories, "--sys-root": directories, "--path": files(),
		"--user": a.users, "--name": a.processNames,
		"--columns": listOf(func(c *cobra.Command) []explain.Word {
			return append(choice(c).Words(), explain.Word{Name: "help", Gist: "list the columns and do nothing else"})
		}, false),
		"--sort":    listOf(func(c *cobra.Command) []explain.Word { return choice(c).Words() }, true),
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
	return all
}

func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// files lets the shell complete files, either all or those with these extensions.
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

// listOf completes the last word of a list with commas and leaves out those already in it.
// With turns, a word may have a leading -.
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

// offers are the words that begin as typed, each after what is complete already.
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

// names are the names that explain takes, without those that have spaces.
func names() []explain.Word {
	return slices.DeleteFunc(catalog.Known(catalog.All()), func(w explain.Word) bool { return strings.Contains(w.Name, " ") })
}

// counts are the names in a map, sorted, each with its number of processes.
func counts(n map[string]int) (out []explain.Word) {
	for name, n := range n {
		out = append(out, explain.Word{Name: name, Gist: units.Plural(n, "process", "processes")})
	}
	slices.SortFunc(out, func(a, b explain.Word) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// pidWord is a PID with the process's name as its description.
func pidWord(pid int32, comm string) explain.Word {
	return explain.Word{Name: strconv.Itoa(int(pid)), Gist: output.Safe(comm)}
}

// beginFor opens the host that flags and variables point to.
func (a *App) beginFor(c *cobra.Command) (*run, error) {
	set, err := a.load(c.Flags())
	if err != nil {
		return nil, err
	}
	return a.begin(set, "completion")
}

// look calls each for the processes or threads of the host that flags and variables point
// to. On an error there are no completions: a shell cannot show one.
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
		if p := &ps.Rows[i]; p.PID != ps.Host.Self && (p.TGID == 0 || p.TGID != ps.Host.Self) {
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

// numbered keeps PIDs in numeric order.
const numbered = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder

// pids completes a process by PID or, if names are allowed and a letter was typed, by the
// names that only one process has.
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

// typeable tells whether a name needs no quotes in a shell.
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

// users completes the users that have processes.
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

// cgroups completes the cgroups that have processes, and their parents.
func (a *App) cgroups(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	n := map[string]int{}
	a.look(c, proc.Scan, inspect.Of(inspect.PIDCgroup), func(_ *procfacts.Processes, p *procfacts.Process) {
		for at := p.Cgroup; at != "" && typeable(at); at = at[:max(strings.LastIndexByte(at, '/'), 0)] {
			n[at]++
		}
	})
	return offers(counts(n), "", typed), cobra.ShellCompDirectiveNoFileComp
}

// limitedCgroups completes the memory cgroups with a limit: only in those can an OOM kill happen.
func (a *App) limitedCgroups(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	r, err := a.beginFor(c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer r.host.Close()
	groups, _, err := oomfacts.LimitedCgroups(r.host)
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
