package cmd

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/output"
)

// Build says what was built, from which sources and by which compiler.
type Build struct {
	Version  string
	Commit   string // "" if neither the linker nor Go knew it
	Time     string // of the commit, in RFC 3339
	Modified bool   // the sources differed from that commit
	Go       string
	Modules  []*debug.Module // what it is linked with
}

// NewBuild describes the running build. Version, commit and the commit's time are what the
// linker was given, as in a release, or else what Go recorded about the checkout.
func NewBuild(version, commit, time string) Build {
	b := Build{Version: version, Commit: commit, Time: time, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		b.Version = cmp.Or(b.Version, "devel")
		return b
	}
	b.Modules = info.Deps
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	b.Version = cmp.Or(b.Version, "devel")
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	b.Commit, b.Time = cmp.Or(commit, noted["vcs.revision"]), cmp.Or(time, noted["vcs.time"])
	b.Modified = commit == "" && noted["vcs.modified"] == "true"
	return b
}

const versionLong = `Prints the version of kwhy, the commit that it was built from and when that was made, the
Go that compiled it, its platform, and the schema of its JSON. -o json also lists the
modules that it is linked with.`

type versionOptions struct{ settings }

func (*versionOptions) parse(*typed) error { return nil }

func newVersion(a *App, do func(*versionOptions) error) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, and what it was built from", Long: versionLong, Args: noArgs,
		Example: `  kwhy version
  kwhy version -o json | jq -r '.tables.build.rows[0].version'
  kwhy version -o json | jq -r '.tables.modules.rows[] | [.path, .version] | @tsv'`,
		RunE: settled(a, &versionOptions{}, do, a.version),
	}
}

func (a *App) version(o *versionOptions) error {
	if o.Output == "text" {
		_, err := fmt.Fprint(a.Out, a.Build.text())
		return err
	}
	r, err := a.begin(o.shared(), "version")
	if err != nil { // no /proc here, but none is needed
		return r.print(&output.Header{
			Schema: output.Schema, Kwhy: output.String(a.Build.Version), Command: "version", CollectedAt: output.Time{Time: a.Now()},
		}, a.Build.report())
	}
	defer r.host.Close()
	return r.print(r.header(a.Now(), 0), a.Build.report())
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

func (b *Build) text() string {
	commit := cmp.Or(b.Commit, "unknown")
	if b.Time != "" {
		commit += " of " + b.Time
	}
	if b.Modified {
		commit += ", with changes"
	}
	return fmt.Sprintf("kwhy %s\ncommit    %s\nbuilt by  %s for %s\nJSON      %s\n", b.Version, commit, b.Go, platform(), output.Schema)
}

// report is the same as tables.
func (b *Build) report() *lower.Report {
	return &lower.Report{Grids: []lower.Grid{
		catalogue("build", []Build{*b}, []fact[Build]{
			optionalFact("version", "The version of kwhy.", func(b *Build) string { return b.Version }),
			optionalFact("commit", "The commit that it was built from.", func(b *Build) string { return b.Commit }),
			optionalFact("commit_time", "When that was made.", func(b *Build) string { return b.Time }),
			{
				explain.Doc{Key: "modified", Gist: "Whether the sources were changed since.", Unit: explain.Bool},
				func(b *Build) explain.Value { return explain.B(b.Modified) },
			},
			optionalFact("go", "The Go that compiled it.", func(b *Build) string { return b.Go }),
			optionalFact("platform", "The system and machine that it is for.", func(*Build) string { return platform() }),
			optionalFact("schema", "The contract that its JSON keeps to.", func(*Build) string { return output.Schema }),
		}),
		catalogue("modules", b.Modules, []fact[*debug.Module]{
			optionalFact("path", "A Go module that it is linked with.", func(m **debug.Module) string { return linked(*m).Path }),
			optionalFact("version", "The module's version.", func(m **debug.Module) string { return linked(*m).Version }),
			optionalFact("sum", "The checksum of its sources.", func(m **debug.Module) string { return linked(*m).Sum }),
		}),
	}}
}

// linked is the module that stands in the place of m, or m.
func linked(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

// optionalFact is a fact that is a text, absent where there is none.
func optionalFact[T any](key, gist string, get func(*T) string) fact[T] {
	return fact[T]{explain.Doc{Key: key, Gist: gist}, func(of *T) explain.Value {
		if s := get(of); s != "" {
			return explain.S(s)
		}
		return explain.None(inspect.Inapplicable)
	}}
}
