package docs_test

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
)

// TestGeneratedReference keeps the reference current: a page for each command with its
// flags, and every value that it prints.
func TestGeneratedReference(t *testing.T) {
	list := manualPages()
	files := map[string][]byte{"README.md": index(list)}
	for i := 1; i < len(list); i++ {
		files[strings.ReplaceAll(list[i].path, " ", "-")+".md"] = commandPage(&list[i])
	}
	shipped(t, "reference", files)
}

// markdown is text that stands for itself in a cell of a table.
func markdown(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "\n", " ").Replace(s)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
}

// index is kwhy itself: its commands, and what all of them share.
func index(list []manualPage) []byte {
	var b bytes.Buffer
	p := &list[0]
	fmt.Fprintf(
		&b,
		"# Reference\n\nGenerated from the commands and the declarations of values by `make docs`. The rules that\n"+
			"give levels are in [rules.md](../rules.md), the contract of the JSON in\n"+
			"[json.md](../json.md), its schema in what `kwhy schema` prints, manual pages in\n[man](../man).\n\n## Commands\n\n"+
			"| command | what |\n|---|---|\n",
	)
	for i := 1; i < len(list); i++ {
		fmt.Fprintf(&b, "| [kwhy %s](%s.md) | %s |\n", list[i].path, strings.ReplaceAll(list[i].path, " ", "-"), markdown(list[i].cmd.Short))
	}
	b.WriteString("\n## Flags of every command\n\n")
	flagTable(&b, p.flags())
	b.WriteString(
		"\n## Variables\n\nA flag wins over a variable, a variable over a file, a file over the default.\n\n| variable | what |\n|---|---|\n",
	)
	for _, v := range book().Variables {
		fmt.Fprintf(&b, "| %s | %s |\n", code(v[0]), markdown(v[1]))
	}
	b.WriteString("\n## Config files\n\n| file | what |\n|---|---|\n")
	for _, f := range book().Files {
		fmt.Fprintf(&b, "| %s | %s |\n", code(f[0]), markdown(f[1]))
	}
	b.WriteString("\n## Exit status\n\n| status | what |\n|---|---|\n")
	for status, means := range book().Exits {
		fmt.Fprintf(&b, "| %d | %s |\n", status, markdown(means))
	}
	return b.Bytes()
}

func flagTable(b *bytes.Buffer, flags []*pflag.Flag) {
	b.WriteString("| flag | what |\n|---|---|\n")
	for _, f := range flags {
		name, value, usage := spelled(f)
		fmt.Fprintf(b, "| %s | %s |\n", code(strings.TrimSpace(name+" "+value)), markdown(usage))
	}
}

// commandPage is the page of one command.
func commandPage(p *manualPage) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# kwhy %s\n\n%s.\n\n```\n%s\n```\n\n", p.path, p.cmd.Short, p.cmd.UseLine())
	if p.cmd.Long != "" {
		b.WriteString(prose(p.cmd.Long) + "\n")
	}
	if p.cmd.Example != "" {
		fmt.Fprintf(&b, "## Examples\n\n```sh\n%s\n```\n\n", outdent(p.cmd.Example))
	}
	if flags := p.flags(); len(flags) > 0 {
		b.WriteString("## Flags\n\n")
		flagTable(&b, flags)
		b.WriteString("\n")
	}
	b.WriteString("[What every command has](README.md): flags, variables, exit status.\n")
	values(&b, p)
	return b.Bytes()
}

// prose is a command's long help: what begins with a blank there is code.
func prose(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			fmt.Fprintf(&b, "```\n%s\n```\n\n", outdent(paragraph))
			continue
		}
		b.WriteString(strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(paragraph) + "\n\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func outdent(text string) string {
	return strings.TrimSpace(strings.ReplaceAll("\n"+text, "\n  ", "\n"))
}

// values are tables of what a command prints, by card and section or by table.
func values(b *bytes.Buffer, p *manualPage) {
	command, part := "", ""
	for _, e := range p.entries {
		if e.Command != command {
			command, part = e.Command, ""
			fmt.Fprintf(b, "\n## Values of `kwhy %s`\n", command)
		}
		if at := partOf(&e); at != part {
			part = at
			fmt.Fprintf(b, "\n### %s\n\n| key | kernel | unit | source | kernels | what | concept |\n|---|---|---|---|---|---|---|\n", at)
		}
		d := &e.Doc
		fmt.Fprintf(
			b,
			"| %s | %s | %s | %s | %s | %s | %s |\n",
			code(d.Key),
			code(d.Kernel),
			unitOf(d),
			code(d.Source.String()),
			markdown(kernels(d)),
			markdown(d.Gist),
			concept(d),
		)
	}
}

func partOf(e *lower.Entry) string {
	if e.Table != "" {
		return "Table `" + e.Table + "`"
	}
	return cmp.Or(e.Section, "Values")
}

func unitOf(d *explain.Doc) string {
	unit := cmp.Or(string(d.Unit), "text")
	if d.Counter {
		unit += ", counter"
	}
	return unit
}

func concept(d *explain.Doc) string {
	if d.Concept == "" {
		return ""
	}
	return fmt.Sprintf("[%s](../../explain/concepts/%s.md)", d.Concept, d.Concept)
}

// kernels says which kernels have a value, by its own word or its source's.
func kernels(d *explain.Doc) string {
	since := d.Since
	if since == (inspect.Version{}) {
		since = d.Source.Since()
	}
	var words []string
	if since != (inspect.Version{}) {
		words = append(words, "since "+since.String())
	}
	if d.Until != (inspect.Version{}) {
		words = append(words, "until "+d.Until.String())
	}
	if d.Requires() != "" {
		words = append(words, d.Requires())
	}
	return strings.Join(words, "; ")
}
