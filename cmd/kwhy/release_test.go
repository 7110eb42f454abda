package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kwhy/cmd"
)

// releaseFile is what goreleaser.yaml says that can be held against the tree.
type releaseFile struct {
	Builds []struct {
		Main, Binary   string
		Targets, Flags []string
		Ldflags        []string
	}
	Archives []struct{ Files []struct{ Src string } }
	Nfpms    []struct {
		Formats  []string
		Contents []struct{ Src, Dst, Packager string }
	}
	Signs []struct{ Args []string }
}

// goreleaser itself is too large to be built for every change. What can go wrong from
// one change to the next are the files that it packs, the machines, and the variables
// that it has the linker set.
func TestReleaseIsOfThisTree(t *testing.T) {
	b, err := os.ReadFile("../../goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r releaseFile
	if err := yaml.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.Nfpms) != 1 {
		t.Fatalf("%d builds, %d archives, %d kinds of packages", len(r.Builds), len(r.Archives), len(r.Nfpms))
	}
	var built []string
	for _, target := range r.Builds[0].Targets {
		built = append(built, strings.Split(target, "_")[1])
	}
	if named := machines(t); !sameWords(named, built) {
		t.Errorf("goreleaser.yaml builds for %v, .ci/run names %v", built, named)
	}
	for _, s := range r.Signs { // goreleaser leaves nothing of any other $, and no shell sees it
		for _, arg := range s.Args {
			if strings.Contains(strings.NewReplacer("${artifact}", "", "${signature}", "").Replace(arg), "$") {
				t.Errorf("an argument for a signature is %q", arg)
			}
		}
	}
	main, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`-X main\.(\w+)=`).FindAllStringSubmatch(strings.Join(r.Builds[0].Ldflags, " "), -1) {
		if !regexp.MustCompile(`(?m)^var .*\b` + m[1] + `\b.* string`).Match(main) {
			t.Errorf("main has no variable %s", m[1])
		}
	}
	if !slices.ContainsFunc(r.Archives[0].Files, func(f struct{ Src string }) bool { return f.Src == "packed/kwhy-v1.schema.json" }) {
		t.Error("the archive has no schema")
	}
	var packed []string
	for _, f := range r.Archives[0].Files {
		packed = append(packed, f.Src)
	}
	for _, c := range r.Nfpms[0].Contents {
		packed = append(packed, c.Src)
	}
	made := t.TempDir()
	pack(t, made, "UTC", "022")
	for _, src := range packed {
		src = strings.Replace(src, "packed/", made+"/", 1)
		if !filepath.IsAbs(src) {
			src = filepath.Join("../..", src)
		}
		if found, err := filepath.Glob(src); err != nil || len(found) == 0 {
			t.Errorf("goreleaser.yaml packs %s, which is not there", src)
		}
	}
	for _, format := range []string{"deb", "rpm", "apk"} {
		if !slices.Contains(r.Nfpms[0].Formats, format) {
			t.Errorf("no %s", format)
		}
		for _, want := range []string{"/usr/share/man/man1/", "/usr/share/doc/kwhy/kwhy-v1.schema.json",
			"/usr/share/bash-completion/completions/kwhy", "/_kwhy", "/kwhy.fish",
			map[bool]string{true: "/copyright", false: "/LICENSE"}[format == "deb"]} {
			if !slices.ContainsFunc(r.Nfpms[0].Contents, func(c struct{ Src, Dst, Packager string }) bool {
				return strings.HasSuffix(c.Dst, want) && (c.Packager == "" || c.Packager == format)
			}) {
				t.Errorf("the %s has no %s", format, want)
			}
		}
	}
}

// pack has .ci/pack make what it makes for packages, for a caller in some time zone with
// some mask for new files.
func pack(t *testing.T, to, zone, mask string) {
	t.Helper()
	c := exec.Command("sh", "-c", "umask "+mask+`; exec ../../.ci/pack "$1" 1.2.3-rc.1 1234567890 "Some One"`, "sh", to)
	c.Env = append(os.Environ(), "TZ="+zone, "LANG=de_DE.UTF-8")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// What packages hold besides the tree is the same whoever makes it, and Debian's tools
// read it.
func TestReleasePacksTheSame(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	pack(t, a, "UTC", "022")
	pack(t, b, "Asia/Tokyo", "077")
	if out, err := exec.Command("diff", "-r", a, b).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if fi, err := os.Stat(filepath.Join(b, "man", "kwhy.1.gz")); err != nil || fi.Mode() != 0o644 {
		t.Error(fi, err)
	}
	var schema bytes.Buffer
	app := cmd.System()
	app.Out = &schema
	status := app.Run([]string{"schema"})
	if packed, err := os.ReadFile(filepath.Join(a, "kwhy-v1.schema.json")); err != nil || status != 0 || !bytes.Equal(schema.Bytes(), packed) {
		t.Errorf("a release holds another schema than kwhy schema prints: %v, status %d", err, status)
	}
	parse, err := exec.LookPath("dpkg-parsechangelog")
	if err != nil {
		t.Skip("dpkg-parsechangelog is not here")
	}
	out, err := exec.Command("sh", "-c", `zcat "$1" | "$2" -l -`, "sh", filepath.Join(a, "changelog.Debian.gz"), parse).CombinedOutput()
	for _, want := range []string{"Version: 1.2.3~rc.1-1\n", "Maintainer: Some One <>\n", "Timestamp: 1234567890\n"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: no %q in\n%s", err, want, out)
		}
	}
}

func sameWords(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
