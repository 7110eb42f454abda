package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/output"
)

// settings are those that all subcommands share. They come from flags, variables and
// config files.
type settings struct {
	Output   string        `mapstructure:"output"`
	Color    string        `mapstructure:"color"`
	Explain  string        `mapstructure:"explain"`
	Interval time.Duration `mapstructure:"interval"`
	ProcRoot string        `mapstructure:"proc-root"`
	SysRoot  string        `mapstructure:"sys-root"`
	Timeout  time.Duration `mapstructure:"timeout"`
	Width    int           `mapstructure:"width"`

	Limits explain.Limits `mapstructure:"-"` // of rules, where the user has set others
	here   string         // the options that say which trees are read, for commands that are suggested
}

// shared returns the settings of options that embed them.
func (s *settings) shared() *settings { return s }

// roots are the options of a command line that make another command read the same trees, as a shell takes
// them. A root that is set by a variable or a config file holds for the other one too.
func roots(flags *pflag.FlagSet) (options string) {
	for _, name := range []string{"proc-root", "sys-root"} {
		if f := flags.Lookup(name); f.Changed {
			options += " --" + name + " " + units.Shell(f.Value.String())
		}
	}
	return options
}

// paired tells whether two samples are wanted, an interval apart.
func (s *settings) paired() bool { return s.Interval > 0 }

// setting declares one of them: the flag, the key in a config file, the
// variable and the documentation all come from here.
type setting struct {
	key, short, value, usage string
	choices                  []string // what it accepts; nil: decode checks it
}

func settingTable() []setting {
	return []setting{
		{"output", "o", "text", "the `FORMAT` to print in", []string{"text", "json", "ndjson"}},
		{"color", "", "auto", "`WHEN` text is coloured: auto is on a terminal, unless NO_COLOR is set", []string{"auto", "always", "never"}},
		{"explain", "", "line", "how `MUCH` text says beside values", []string{"none", "line", "full"}},
		{"interval", "", "0s", "take two samples `D` apart, so that counters get rates", nil},
		{"timeout", "", "2s", "wait `D`, in all, for files that do not answer; 0 is for ever", nil},
		{"proc-root", "", "/proc", "the `DIR` where the host's /proc is mounted or saved", nil},
		{"sys-root", "", "", "the `DIR` where the host's /sys is mounted or saved; if not set /sys, of a copy the sys beside its proc", nil},
		{"width", "", "0", "`N` columns of text; 0 is the terminal's, or 80", nil},
	}
}

// envName is the variable of a key: KWHY_PROC_ROOT.
func envName(key string) string {
	return "KWHY_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// environment lists the variables that kwhy reads, with what each does.
func environment() (out [][2]string) {
	for _, s := range settingTable() {
		out = append(out, [2]string{envName(s.key), "--" + s.key + ": " + strings.ReplaceAll(s.usage, "`", "")})
	}
	return append(
		out,
		[2]string{
			thresholdsEnv + "<RULE>",
			"the thresholds of a rule, as check.thresholds in a config file has them: KWHY_CHECK_THRESHOLDS_MEM_AVAILABLE_LOW=20%,10%,5%",
		},
		[2]string{offEnv, "rules to leave out, with commas between"},
		[2]string{"XDG_CONFIG_HOME", "where the user's kwhy/config.yaml is; $HOME/.config where it is not set"},
		[2]string{"NO_COLOR", "no colour, unless --color says otherwise"},
		[2]string{"CLICOLOR_FORCE", "colour even where nobody watches"},
	)
}

// configFile is a file that settings are read from.
type configFile struct {
	name, means string // as the manual has it
	path        string // "" where there is none
}

const (
	userConfig = "$XDG_CONFIG_HOME/kwhy/config.yaml"
	hostConfig = "/etc/kwhy/config.yaml"
)

// configFiles are those files, the one with the highest precedence first.
func (a *App) configFiles() []configFile {
	user := configFile{name: userConfig, means: "the user's settings"}
	dir := a.env("XDG_CONFIG_HOME")
	if dir == "" && a.env("HOME") != "" {
		dir = filepath.Join(a.env("HOME"), ".config")
	}
	if filepath.IsAbs(dir) { // XDG: a relative path must be ignored
		user.path = filepath.Join(dir, "kwhy", "config.yaml")
	}
	return []configFile{user, {hostConfig, "the host's, which are weaker", a.HostConfig}}
}

func addSettings(flags *pflag.FlagSet) {
	for _, s := range settingTable() {
		usage := s.usage
		if s.choices != nil {
			usage += " (" + strings.Join(s.choices, "|") + ")"
		}
		flags.StringP(s.key, s.short, s.value, usage) // decode checks its value, wherever it is from
	}
	flags.String("config", "", "read this config `FILE`, and no other")
}

// load reads the settings. Flags override variables, which override files, which override
// defaults.
func (a *App) load(flags *pflag.FlagSet) (*settings, error) {
	v := viper.New()
	origin := map[string]string{}
	for _, s := range settingTable() {
		v.SetDefault(s.key, flags.Lookup(s.key).DefValue) // a command may have its own default
		origin[s.key] = "default " + s.key
	}
	files, err := a.loadFiles(v, flags, origin)
	if err != nil {
		return nil, err
	}
	if err := a.loadEnv(v, origin); err != nil {
		return nil, err
	}
	for _, s := range settingTable() {
		f := flags.Lookup(s.key)
		if f.Changed {
			origin[s.key] = "--" + s.key
			v.Set(s.key, f.Value.String())
		}
	}
	set, err := decode(v, origin)
	if err != nil {
		return nil, err
	}
	list, err := a.overrides(files)
	if err != nil {
		return nil, err
	}
	set.here = roots(flags)
	set.Limits, err = thresholds(list)
	return set, err
}

// loadFiles merges the host's and the user's file, or reads the one that was named, and
// returns what they say about rules.
func (a *App) loadFiles(v *viper.Viper, flags *pflag.FlagSet, origin map[string]string) (rules []ruleFile, err error) {
	named := flags.Lookup("config").Value.String()
	files := []configFile{{path: named}}
	if named == "" {
		files = a.configFiles()
	}
	for _, f := range slices.Backward(files) { // a later one wins
		path := f.path
		if path == "" {
			continue
		}
		b, err := os.Open(path)
		if named == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			continue
		}
		if err != nil {
			return nil, usagef("--config: %w", err)
		}
		file := viper.New()
		file.SetConfigType("yaml")
		err = file.ReadConfig(b)
		b.Close()
		if err != nil {
			return nil, usagef("%s: %w", path, err)
		}
		if err := known(file, path, origin); err != nil {
			return nil, err
		}
		of, err := rulesOf(file.Get(checkKey), path)
		if err != nil {
			return nil, err
		}
		rules = append(rules, of)
		settings := file.AllSettings()
		delete(settings, checkKey)
		if err := v.MergeConfigMap(settings); err != nil {
			return nil, usagef("%s: %w", path, err)
		}
	}
	return rules, nil
}

func known(file *viper.Viper, path string, origin map[string]string) error {
	keys := settingKeys()
	for _, key := range file.AllKeys() {
		if key == checkKey || strings.HasPrefix(key, checkKey+".") {
			continue // ruleFile checks what is below it
		}
		if !slices.Contains(keys, key) {
			return usagef("%s: unknown key %q; it takes %s, %s", path, key, strings.Join(keys, ", "), checkKey)
		}
		origin[key] = path + ": " + key
	}
	return nil
}

func settingKeys() (keys []string) {
	for _, s := range settingTable() {
		keys = append(keys, s.key)
	}
	return keys
}

func (a *App) loadEnv(v *viper.Viper, origin map[string]string) error {
	set := map[string]any{}
	for _, s := range settingTable() {
		if value, ok := a.Getenv(envName(s.key)); ok {
			set[s.key] = value
			origin[s.key] = envName(s.key)
		}
	}
	return v.MergeConfigMap(set)
}

// decode checks each merged setting and puts it into the struct. An error says where the
// value is from and what is allowed.
func decode(v *viper.Viper, origin map[string]string) (*settings, error) {
	text := func(key string) string { return fmt.Sprint(v.Get(key)) }
	for _, s := range settingTable() {
		if value := text(s.key); s.choices != nil && !slices.Contains(s.choices, value) {
			return nil, usagef("%s: bad value %q: it takes %s", origin[s.key], value, strings.Join(s.choices, ", "))
		}
	}
	if d, err := time.ParseDuration(text("interval")); err != nil || d < 0 || d > 0 && d < 10*time.Millisecond {
		return nil, usagef(
			"%s: bad value %q: it takes a duration such as 500ms or 5s, 10ms at least, or 0 for one sample",
			origin["interval"],
			text("interval"),
		)
	}
	if d, err := time.ParseDuration(text("timeout")); err != nil || d < 0 {
		return nil, usagef("%s: bad value %q: it takes a duration such as 500ms or 5s, or 0 to wait for ever", origin["timeout"], text("timeout"))
	}
	if n, err := strconv.Atoi(text("width")); err != nil || n != 0 && (n < 40 || n > 1000) {
		return nil, usagef(
			"%s: bad value %q: it takes a number of columns from 40 to 1000, or 0 for the terminal's",
			origin["width"],
			text("width"),
		)
	}
	s := &settings{}
	if err := v.UnmarshalExact(s); err != nil {
		return nil, usagef("settings: %w", err)
	}
	return s, nil
}

// detail is how much text says.
func (s *settings) detail() output.Detail {
	switch s.Explain {
	case "none":
		return output.DetailNone
	case "full":
		return output.DetailFull
	}
	return output.DetailLine
}

// columns is how wide text may be.
func (a *App) columns(s *settings) int {
	switch {
	case s.Width > 0:
		return s.Width
	case a.OutTerminal && a.Columns > 0:
		return a.Columns
	}
	return 80
}

// colour decides on colour: --color first, then NO_COLOR and CLICOLOR_FORCE, then whether
// the output is a terminal.
func (a *App) colour(s *settings) bool {
	switch {
	case s.Color != "auto":
		return s.Color == "always"
	case a.env("NO_COLOR") != "":
		return false
	case a.env("CLICOLOR_FORCE") != "" && a.env("CLICOLOR_FORCE") != "0":
		return true
	}
	return a.OutTerminal && a.env("TERM") != "dumb"
}
