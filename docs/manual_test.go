package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/cmd"
	"kwhy/explain/catalog"
	"kwhy/explain/lower"
	"kwhy/inspect"
)

// manualPage is what the manual and the reference say of a command.
type manualPage struct {
	path    string // mem, net sockets; "" for kwhy itself
	cmd     *cobra.Command
	entries []lower.Entry
}

// title is its name as a manual page: kwhy-net-sockets.
func (p *manualPage) title() string { return strings.ReplaceAll(p.cmd.CommandPath(), " ", "-") }

// book is what the command line says of itself.
func book() cmd.Manual { return app(new(bytes.Buffer)).Manual() }

// manualPages are all commands, each with the values that it prints.
func manualPages() (out []manualPage) {
	for _, c := range book().Commands {
		c.InitDefaultHelpFlag()
		out = append(out, manualPage{path: strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "kwhy"), " "), cmd: c})
	}
	all := catalog.Examined()
	all = all.Plus(catalog.All()) // doctor's own, which Examined leaves out
	type declared struct{ command, table, section, key, gist string }
	seen := map[declared]bool{}
	for _, e := range all.Entries {
		d := declared{e.Command, e.Table, e.Section, e.Doc.Key, e.Doc.Gist}
		if of := whose(out, e.Command); of != nil && !seen[d] {
			seen[d] = true
			of.entries = append(of.entries, e)
		}
	}
	for i := range out { // what it prints without arguments comes first
		slices.SortStableFunc(out[i].entries, func(a, b lower.Entry) int {
			return min(1, len(a.Command)-len(out[i].path)) - min(1, len(b.Command)-len(out[i].path))
		})
	}
	return out
}

// whose is the page of the command that a value is printed by: net sockets before net.
func whose(list []manualPage, command string) (best *manualPage) {
	for i := range list {
		if p := &list[i]; p.path != "" && (command == p.path || strings.HasPrefix(command, p.path+" ")) &&
			(best == nil || len(p.path) > len(best.path)) {
			best = p
		}
	}
	return best
}

// flags are a command's own flags.
func (p *manualPage) flags() (out []*pflag.Flag) {
	add := func(f *pflag.Flag) {
		if f.Name != "help" {
			out = append(out, f)
		}
	}
	if p.path == "" {
		p.cmd.PersistentFlags().VisitAll(add)
		return out
	}
	p.cmd.LocalNonPersistentFlags().VisitAll(add)
	return out
}

// spelled is a flag as a user types it, and what it does.
func spelled(f *pflag.Flag) (name, value, usage string) {
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	value, usage = pflag.UnquoteUsage(f)
	if none := []string{"", "[]", "false", "0", "0s"}; !slices.Contains(none, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	return name, value, usage
}

// sources are the files that a command's values are read from.
func (p *manualPage) sources() (out []inspect.Source) {
	for _, s := range inspect.Every() {
		if s.String() != "" && slices.ContainsFunc(p.entries, func(e lower.Entry) bool { return e.Doc.Needs().Has(s) }) {
			out = append(out, s)
		}
	}
	return out
}

// shipped keeps a directory of generated files current: none is missing, none is left.
func shipped(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	if update() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		generated(t, filepath.Join(dir, name), text)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range there {
		if files[e.Name()] != nil {
			continue
		}
		if !update() {
			t.Errorf("%s/%s is of nothing that is still there: run make docs", dir, e.Name())
		} else if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGeneratedCompletion keeps the scripts current that packages install.
func TestGeneratedCompletion(t *testing.T) {
	files := map[string][]byte{}
	for shell, name := range map[string]string{"bash": "kwhy", "zsh": "_kwhy", "fish": "kwhy.fish"} {
		files[name] = kwhy(t, "completion", shell)
	}
	shipped(t, "completion", files)
}

// TestGeneratedManual keeps the manual pages current.
func TestGeneratedManual(t *testing.T) {
	files := map[string][]byte{}
	list := manualPages()
	for i := range list {
		files[list[i].title()+".1"] = manual(&list[i], list)
	}
	shipped(t, "man", files)
}

// Each manual page is what troff takes without a warning.
func TestManualFormats(t *testing.T) {
	if testing.Short() {
		t.Skip("groff does the work")
	}
	names, err := filepath.Glob("man/*.1")
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not here")
	}
	for _, name := range names {
		out, err := exec.Command(groff, "-k", "-man", "-ww", "-z", "-Tutf8", name).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// roff is a manual page that is being written.
type roff struct{ bytes.Buffer }

// escaped makes text stand for itself: as typed, so that it can be copied.
func escaped(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(s)
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

func (w *roff) line(s string) {
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	fmt.Fprintln(w, s)
}

func (w *roff) section(name string) { fmt.Fprintln(w, ".SH "+name) }

// term is an entry of a list.
func (w *roff) term(head, text string) {
	fmt.Fprintln(w, ".TP")
	w.line(head)
	w.line(escaped(text))
}

// prose is paragraphs; lines that begin with a blank stand as they are.
func (w *roff) prose(text string) {
	for i, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			fmt.Fprintln(w, ".PP")
		}
		fixed := false
		for _, l := range strings.Split(paragraph, "\n") {
			if as := strings.HasPrefix(l, " "); as != fixed {
				fmt.Fprintln(w, map[bool]string{true: ".RS 2\n.EX", false: ".EE\n.RE"}[as])
				fixed = as
			}
			w.line(escaped(strings.TrimPrefix(l, "  ")))
		}
		if fixed {
			fmt.Fprintln(w, ".EE\n.RE")
		}
	}
}

// examples are commands, as they are typed. One with a remark is an entry of a list: besides
// each other both would be wider than a terminal.
func (w *roff) examples(text string) {
	for _, l := range strings.Split(text, "\n") {
		command, remark, _ := strings.Cut(strings.TrimSpace(l), "  ")
		if remark = strings.TrimSpace(remark); remark == "" {
			remark = `\&`
		} else {
			remark = escaped(remark)
		}
		fmt.Fprintln(w, ".TP")
		w.line(bold(command))
		w.line(remark)
	}
}

func bold(s string) string { return `\fB` + escaped(s) + `\fR` }

func (w *roff) flags(list []*pflag.Flag) {
	for _, f := range list {
		name, value, usage := spelled(f)
		head := bold(name)
		if value != "" {
			head += ` \fI` + escaped(value) + `\fR`
		}
		w.term(head, usage)
	}
}

func manual(p *manualPage, all []manualPage) []byte {
	w := &roff{}
	// No date, so that a page changes with its text alone. Nothing is parted or stretched
	// to fill a line: it holds names that are to be copied.
	fmt.Fprintf(
		w,
		".\\\" Generated from the commands themselves by make docs.\n.TH %s 1 \"\" kwhy \"User Commands\"\n.nh\n.ad l\n",
		strings.ToUpper(escaped(p.title())),
	)
	w.section("NAME")
	w.line(escaped(p.title()) + ` \- ` + escaped(p.cmd.Short))
	w.section("SYNOPSIS")
	usage := strings.TrimPrefix(p.cmd.UseLine(), p.cmd.CommandPath())
	if p.path == "" {
		usage = " COMMAND" + usage
	}
	w.line(bold(p.cmd.CommandPath()) + escaped(usage))
	w.section("DESCRIPTION")
	long, _, _ := strings.Cut(p.cmd.Long, "Exit status:") // which has a section of its own
	w.prose(long)
	if p.path == "" {
		w.section("COMMANDS")
		for i := range all {
			if all[i].path != "" {
				w.term(bold(all[i].title())+"(1)", all[i].cmd.Short)
			}
		}
	}
	if flags := p.flags(); len(flags) > 0 {
		w.section("OPTIONS")
		w.flags(flags)
	}
	if p.path != "" {
		w.section(`"COMMON OPTIONS"`)
		w.line(`These are explained in \fBkwhy\fR(1); each is a variable and a key of the config file, too.`)
		own := p.flags()
		w.flags(slices.DeleteFunc(all[0].flags(), func(f *pflag.Flag) bool {
			return slices.ContainsFunc(own, func(o *pflag.Flag) bool { return o.Name == f.Name })
		}))
	}
	w.section(`"EXIT STATUS"`)
	for status, means := range book().Exits {
		if !strings.HasPrefix(means, "check ") || p.path == "" || p.path == "check" {
			w.term(bold(fmt.Sprint(status)), means)
		}
	}
	if p.path == "" {
		w.section("ENVIRONMENT")
		for _, v := range book().Variables {
			w.term(bold(v[0]), v[1])
		}
	}
	manualFiles(w, p)
	if p.cmd.Example != "" {
		w.section("EXAMPLES")
		w.examples(p.cmd.Example)
	}
	manualSee(w, p, all)
	return w.Bytes()
}

func manualFiles(w *roff, p *manualPage) {
	w.section("FILES")
	for _, f := range book().Files {
		w.term(`\fI`+escaped(f[0])+`\fR`, f[1])
	}
	switch sources := p.sources(); {
	case p.path == "" || p.path == "check" || p.path == "doctor" || p.path == "explain":
		fmt.Fprintln(w, ".PP")
		w.line(escaped("It reads what any subcommand reads: kwhy doctor --all lists every file, and what opens it."))
	case len(sources) > 0:
		fmt.Fprintln(w, ".PP\nRead, and never written:")
		for _, s := range sources {
			var with []string
			if s.Opens() != "" {
				with = append(with, "where it is denied: "+s.Opens())
			}
			if s.Since() != (inspect.Version{}) {
				with = append(with, "since Linux "+s.Since().String())
			}
			if s.Option() != "" {
				with = append(with, "needs "+s.Option())
			}
			fmt.Fprintln(w, ".TP")
			w.line(`\fI` + escaped(s.String()) + `\fR`)
			w.line(`\&` + escaped(strings.Join(with, "; ")))
		}
	}
}

func manualSee(w *roff, p *manualPage, all []manualPage) {
	w.section(`"SEE ALSO"`)
	var see []string
	for i := range all {
		if all[i].path != p.path &&
			(p.path == "" || all[i].path == "" || all[i].cmd.Parent() == p.cmd.Parent() || all[i].cmd.Parent() == p.cmd ||
				p.cmd.Parent() == all[i].cmd) {
			see = append(see, bold(all[i].title())+"(1)")
		}
	}
	see = append(see, bold("proc")+"(5)", bold("sysfs")+"(5)")
	w.line(strings.Join(see, ", "))
	fmt.Fprintln(w, ".PP")
	w.line(escaped("Every value has a page of its own: kwhy explain NAME."))
}
