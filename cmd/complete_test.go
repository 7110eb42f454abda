package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
)

// What a flag takes is completed, unless it is one of those that take a number, a
// duration or an address; and what a command takes, unless it takes nothing.
func TestEveryFlagIsCompleted(t *testing.T) {
	free := []string{"interval", "every", "timeout", "width", "limit", "adj", "sample", "socket", "address", "port", "help"}
	a := &App{Getenv: os.LookupEnv}
	flags, args := a.flagCompleters(), a.argCompleters()
	used := map[string]bool{}
	for _, c := range a.Manual().Commands {
		check := func(f *pflag.Flag) {
			one, every := pathOf(c)+" --"+f.Name, "--"+f.Name
			used[one], used[every] = true, true
			has := flags[one] != nil || flags[every] != nil
			switch {
			case f.Value.Type() == "bool":
			case has && slices.Contains(free, f.Name):
				t.Errorf("%s takes free text, and is completed", one)
			case !has && !slices.Contains(free, f.Name):
				t.Errorf("%s is not completed", one)
			}
			if of, ok := c.GetFlagCompletionFunc(f.Name); !ok || of == nil {
				t.Errorf("%s would complete files", one)
			}
		}
		c.PersistentFlags().VisitAll(check)
		c.LocalNonPersistentFlags().VisitAll(check)
		_, takes, _ := strings.Cut(c.Use, " ")
		if takes = strings.Trim(takes, "[]"); takes != "" && args[takes] == nil {
			t.Errorf("kwhy %s takes %s, which is not completed", pathOf(c), takes)
		}
	}
	for name := range flags {
		if !used[name] {
			t.Errorf("%s is completed, and no command has it", name)
		}
	}
}

// A name that a process chose is one line, and what a shell takes as it is.
func TestHostileNamesAreNotOffered(t *testing.T) {
	for _, name := range []string{"a b", "$(reboot)", "`x`", "a\nb", "a\tb", "", "a;b", "a'b", "\x1b[2J"} {
		if typeable(name) {
			t.Errorf("%q is offered", name)
		}
	}
	if w := pidWord(7, "a\nb\tc\x1b"); strings.ContainsAny(w.Gist, "\n\t\x1b") {
		t.Errorf("%q describes a process", w.Gist)
	}
	if got, _ := listOf(func(*cobra.Command) []explain.Word { return plainWords("a", "b") }, true)(nil, nil, "a,-"); !slices.Equal(
		got,
		[]string{"a,-b"},
	) {
		t.Errorf("%q", got)
	}
}

// A thread is offered by its number, and of this host's processes that which runs the
// test; kwhy itself, which is gone by then, is not.
func TestLiveThreadsAreOffered(t *testing.T) {
	var out bytes.Buffer
	a := &App{Out: &out, Err: io.Discard, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	if status := a.Run([]string{"__complete", "proc", "--thread", ""}); status != exitOK {
		t.Fatal(status)
	}
	has := func(pid int) bool { return strings.Contains("\n"+out.String(), fmt.Sprintf("\n%d\t", pid)) }
	if !has(os.Getppid()) || has(os.Getpid()) {
		t.Errorf("parent %d, self %d: %s", os.Getppid(), os.Getpid(), out.String())
	}
}

// bash itself completes: behind a comma, too, and with nothing put before it.
func TestLiveBashCompletes(t *testing.T) {
	long(t, "it starts a shell and a kwhy for each word")
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not here")
	}
	// What bash-completion would hand the script is made up, as is compopt.
	script := `
compopt() { :; }
__ltrim_colon_completions() { :; }
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
. ../docs/completion/kwhy
try() { COLUMNS=80 COMP_TYPE=9 COMP_WORDS=("$@") COMP_CWORD=$(($#-1)) COMPREPLY=(); __start_kwhy
  printf '%s|' "${COMPREPLY[@]%% *}"; echo; }
try kwhy proc --columns pid,sta
try kwhy proc --columns pid,stat
try kwhy proc --columns pid,state,wch
try kwhy net sockets --state CLOSE_WAIT,CLOSI
try kwhy check --only mem,ne
try kwhy explain MemAvaila
try kwhy oom l
`
	shellCompletes(
		t,
		exec.Command(bash, "-c", script),
		"pid,state|pid,started|\npid,state|\npid,state,wchan|\nCLOSE_WAIT,CLOSING|\nmem,net|\nMemAvailable|\nlog|\n",
	)
}

// zsh itself completes, and tells of a process its name. In place of its own _describe is
// one that prints the options that it is given, and the offers.
func TestLiveZshCompletes(t *testing.T) {
	long(t, "it starts a shell and a kwhy for each word")
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Skip("zsh is not here")
	}
	script := `
compdef() { : }
_describe() { offers=("${completions[@]}"); print -r -- ${(M)@:#-?} "${(j:|:)completions[@]%%:*}"; }
. ../docs/completion/_kwhy
try() { words=("$@") CURRENT=$#; _kwhy; }
try kwhy proc --columns pid,sta
try kwhy proc --columns pid,state,wch
try kwhy proc --columns=pid,wch
try kwhy check --only mem,ne
try kwhy explain MemAvaila
try kwhy mem $PID
print -r -- $offers[1]`
	shellCompletes(
		t,
		exec.Command(zsh, "-fc", script),
		"-S pid,state|pid,started\n-S pid,state,wchan\n-P -S pid,wchan\n-S mem,net\nMemAvailable\n-V PID\nPID:COMM\n",
	)
}

// So does fish, which has a command for it. Its script offers what no blank should follow
// once more with a dot behind it.
func TestLiveFishCompletes(t *testing.T) {
	long(t, "it starts a shell and a kwhy for each word")
	fish, err := exec.LookPath("fish")
	if err != nil {
		t.Skip("fish is not here")
	}
	script := `
source ../docs/completion/kwhy.fish
for typed in "proc --columns pid,sta" "proc --columns pid,state,wch" "proc --columns=pid,wch" "check --only mem,ne" "explain MemAvaila"
	complete -C "kwhy $typed" | string replace -r '\t.*' '' | sort | string join '|'
end
complete -C "kwhy mem $PID" | grep "^$PID	"`
	c := exec.Command(fish, "--no-config", "-c", script)
	c.Env = append(c.Env, "HOME="+t.TempDir())
	shellCompletes(
		t,
		c,
		"pid,started|pid,state\npid,state,wchan|pid,state,wchan.\n--columns=pid,wchan|--columns=pid,wchan.\nmem,net|mem,net.\nMemAvailable\n"+
			"PID\tCOMM\n",
	)
}

// shellCompletes runs a shell that has kwhy in its path, and in PID the test's own number.
func shellCompletes(t *testing.T, shell *exec.Cmd, want string) {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprint(os.Getpid())
	shell.Env = append(append(os.Environ(), "PID="+pid, "PATH="+filepath.Dir(kwhyCommand(t))+":"+os.Getenv("PATH")), shell.Env...)
	out, err := shell.CombinedOutput()
	want = strings.NewReplacer("PID", pid, "COMM", strings.TrimSpace(string(comm))).Replace(want)
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}
