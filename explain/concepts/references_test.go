package concepts_test

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/explain/concepts"
)

// What essays name exists: sources and documents of the kernel, with the function,
// and pages of the manual. The lists in testdata say where each was found. To renew
// them, unpack kernels' sources (Debian's linux-source-VERSION, or any release)
// and packages with pages, each in a folder PACKAGE_VERSION, and run
//
//	KWHY_KERNELS=/path/linux-5.10:/path/linux-7.2 KWHY_MANUALS=/path/of/the/folders go test -run 'Sources|Manual' ./explain/concepts
//
// A kernel or package that is not given keeps what the list says of it, but a name
// that is new must be looked for in all.
const (
	kernelList = "testdata/kernel.txt"
	manualList = "testdata/manual.txt"
)

// newest is the kernel in which every source has to be where the essay says.
const newest = "7.2"

func TestSourcesAreInTheKernel(t *testing.T) {
	list := readList(t, kernelList)
	wanted := map[string]bool{}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Source {
			wanted[s] = true
		}
	}
	older := map[string]concepts.Move{}
	for s := range wanted {
		if m, ok := concepts.Before(s); ok {
			older[s] = m
		}
	}
	for _, m := range older {
		if m.Then != "" {
			wanted[m.Then] = true
		}
	}
	if trees := os.Getenv("KWHY_KERNELS"); trees != "" {
		list = renewKernels(t, list, wanted, filepath.SplitList(trees))
	}
	for s := range wanted {
		if m, moved := older[s]; moved {
			isWhere(t, list, m)
		}
		if _, listed := list[s]; !listed {
			t.Errorf("%s is not in %s: renew it", s, kernelList)
		}
	}
	kernels := versions(list)
	for _, name := range concepts.Names() {
		e, _ := concepts.Read(name)
		for _, s := range e.Source {
			in := list[s]
			if !slices.Contains(in, newest) {
				t.Errorf("%s names %s, which Linux %s does not have", name, s, newest)
			}
			m, moved := older[s]
			for _, v := range kernels {
				if !slices.Contains(in, v) && (!moved || compareVersions(v, m.In) > 0) {
					t.Errorf("%s names %s, which Linux %s does not have: say in moves where it was", name, s, v)
				}
			}
		}
	}
	for s := range list {
		if !wanted[s] {
			t.Errorf("%s: no essay names %s", kernelList, s)
		}
	}
}

// isWhere checks a move by the list: the old place had it, the new one not yet.
func isWhere(t *testing.T, list map[string][]string, m concepts.Move) {
	t.Helper()
	if slices.Contains(list[m.Now], m.In) {
		t.Errorf("%s is where it is now in Linux %s already", m.Now, m.In)
	}
	if m.Then != "" && !slices.Contains(list[m.Then], m.In) {
		t.Errorf("%s was not at %s in Linux %s", m.Now, m.Then, m.In)
	}
}

// Nothing is said to have moved that no essay names.
func TestMovesAreNeeded(t *testing.T) {
	said := map[string]bool{}
	for _, name := range concepts.Names() {
		e, _ := concepts.Read(name)
		for _, s := range e.Source {
			if m, ok := concepts.Before(s); ok {
				said[m.String()] = true
			}
		}
	}
	for _, want := range []string{"6.1: mm/page_alloc.c", "not in 6.1", "5.10: __do_softirq", "6.1: Documentation/x86/pti.rst"} {
		if !said[want] {
			t.Errorf("no essay says %q of a source", want)
		}
	}
}

func TestManualPagesExist(t *testing.T) {
	list := readList(t, manualList)
	wanted := map[string]bool{}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range e.Man {
			wanted[page] = true
		}
	}
	if dir := os.Getenv("KWHY_MANUALS"); dir != "" {
		list = renewManual(t, list, wanted, dir)
	}
	for page := range wanted {
		if len(list[page]) == 0 {
			t.Errorf("%s is in no package of %s: is there such a page?", page, manualList)
		}
	}
	for page := range list {
		if !wanted[page] {
			t.Errorf("%s: no essay names %s", manualList, page)
		}
	}
}

// Where a package that the list names is installed, with its pages, man finds the
// page. Pages that came with a newer version of the package may be missing.
func TestManualOfThisMachine(t *testing.T) {
	for _, tool := range []string{"man", "dpkg-query"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	checked := 0
	here := map[string][2]string{} // of a package: its version and its files
	for page, packages := range readList(t, manualList) {
		name, section, _ := strings.Cut(strings.TrimSuffix(page, ")"), "(")
		for _, p := range packages {
			pkg, version, _ := strings.Cut(p, "_")
			if _, asked := here[pkg]; !asked {
				is, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", pkg).Output()
				files, _ := exec.Command("dpkg-query", "-L", pkg).Output()
				here[pkg] = [2]string{string(is), string(files)}
			}
			if here[pkg][0] != version { // not installed, or another one
				continue
			}
			if _, err := os.Stat(pageFile(here[pkg][1], name, section)); err != nil {
				continue // installed without its manual, as in containers
			}
			checked++
			if out, err := exec.Command("man", "-w", section, name).CombinedOutput(); err != nil {
				t.Errorf("man -w %s %s: %v: %s", section, name, err, out)
			}
		}
	}
	if checked == 0 {
		t.Skip("no package with pages that essays name is installed here in the version of the list")
	}
	t.Logf("%d pages found", checked)
}

func pageFile(files, name, section string) string {
	for f := range strings.Lines(files) {
		if f = strings.TrimSpace(f); strings.Contains(f, "/man/man") && strings.HasPrefix(filepath.Base(f), name+"."+section) {
			return f
		}
	}
	return "/nonexistent"
}

// readList reads lines of a name and where it was found.
func readList(t *testing.T, path string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]string{}
	s := bufio.NewScanner(strings.NewReader(string(b)))
	for s.Scan() {
		if f := strings.Fields(s.Text()); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
			list[f[0]] = f[1:]
		}
	}
	return list
}

func writeList(t *testing.T, path, head string, list map[string][]string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(head)
	for _, name := range slices.Sorted(maps.Keys(list)) {
		fmt.Fprintln(&b, strings.Join(append([]string{name}, list[name]...), " "))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func versions(list map[string][]string) []string {
	all := map[string]bool{}
	for _, in := range list {
		for _, v := range in {
			all[v] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), compareVersions)
}

func compareVersions(a, b string) int {
	n := func(v string) (out [2]int) {
		major, minor, _ := strings.Cut(v, ".")
		out[0], _ = strconv.Atoi(major)
		out[1], _ = strconv.Atoi(minor)
		return out
	}
	x, y := n(a), n(b)
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]))
}

// renewKernels looks for what is wanted in trees of the kernel.
func renewKernels(t *testing.T, old map[string][]string, wanted map[string]bool, trees []string) map[string][]string {
	t.Helper()
	list := map[string][]string{}
	given := map[string]string{}
	for _, tree := range trees {
		given[treeVersion(t, tree)] = tree
	}
	for s := range wanted {
		var in []string
		for _, v := range old[s] {
			if given[v] == "" {
				in = append(in, v)
			}
		}
		for v, tree := range given {
			if isIn(tree, s) {
				in = append(in, v)
			}
		}
		slices.SortFunc(in, compareVersions)
		list[s] = in
	}
	writeList(
		t,
		kernelList,
		"# Kernels in which the sources, documents and functions that essays name were found.\n"+
			"# references_test.go says how this list is renewed.\n",
		list,
	)
	return list
}

func treeVersion(t *testing.T, tree string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^VERSION = (\d+)\nPATCHLEVEL = (\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s is no kernel", tree)
	}
	return string(m[1]) + "." + string(m[2])
}

// isIn reports whether a tree has a file, and in it a function or table of that name
// that is more than declared or called.
func isIn(tree, source string) bool {
	path, name, function := strings.Cut(source, ":")
	b, err := os.ReadFile(filepath.Join(tree, path))
	if err != nil || !function {
		return err == nil
	}
	q := regexp.QuoteMeta(name)
	return regexp.MustCompile(`(?m)^(?:[A-Za-z_][^;=()]*[\s*])?` + q + `(?:\([^;]*(?:\)[^;]*)?|\[.*)$|^#define ` + q + `\b|^[A-Z_0-9]+\(` +
		q + `[,)]`).
		Match(b)
}

// renewManual looks for the pages in unpacked packages, each in a folder that is
// called PACKAGE_VERSION.
func renewManual(t *testing.T, old map[string][]string, wanted map[string]bool, dir string) map[string][]string {
	t.Helper()
	list := map[string][]string{}
	for page := range wanted {
		name, section, _ := strings.Cut(strings.TrimSuffix(page, ")"), "(")
		found, _ := filepath.Glob(filepath.Join(dir, "*/usr/share/man/man"+section, name+"."+section+"*"))
		for _, f := range found {
			rel, _ := filepath.Rel(dir, f)
			list[page] = append(list[page], strings.Split(rel, "/")[0])
		}
		if len(found) == 0 {
			list[page] = old[page]
		}
	}
	writeList(
		t,
		manualList,
		"# Pages of the manual that essays name, and the Debian packages in which they were found.\n"+
			"# references_test.go says how this list is renewed.\n",
		list,
	)
	return list
}
