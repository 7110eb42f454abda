// Command check reads what kwhy said on other kernels, as build.sh check left it:
// for each directory, that every document fits the schema, that the scheduler is
// named as the kernel's version has it, and that every oom_score was reproduced.
//
//	kwhy schema > /tmp/schema.json
//	go run ./inspect/inspecttest/kernels/check /tmp/schema.json /tmp/out/*.logs/logs
//
// It is not part of the everyday tests.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"kwhy/inspect"
)

func main() {
	bad := 0
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: check SCHEMA DIRECTORY...")
		os.Exit(2)
	}
	schema, err := compile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	for _, dir := range os.Args[2:] {
		k := &kernel{dir: dir, schema: schema}
		k.check()
		release, _ := os.ReadFile(filepath.Join(dir, "osrelease"))
		fmt.Printf(
			"%s: %d documents, scheduler %s, %d of %d scores reproduced\n", strings.TrimSpace(string(release)),
			k.documents, k.scheduler, k.exact, k.scores,
		)
		for _, p := range k.problems {
			fmt.Println("  " + p)
		}
		bad += len(k.problems)
	}
	if bad > 0 {
		os.Exit(1)
	}
}

func compile(file string) (*jsonschema.Schema, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("kwhy.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("kwhy.json")
}

type kernel struct {
	dir       string
	schema    *jsonschema.Schema
	documents int
	scheduler string
	scores    int
	exact     int
	problems  []string
}

func (k *kernel) problem(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

// document is what check looks at.
type document struct {
	Host   struct{ Kernel string }
	Values map[string]struct{ Value any }
	Tables map[string]struct{ Rows []map[string]any }
}

func (k *kernel) check() {
	for _, name := range []string{"failed", "stderr"} {
		if b, err := os.ReadFile(filepath.Join(k.dir, name)); err == nil && len(bytes.TrimSpace(b)) > 0 {
			k.problem("%s: %s", name, bytes.TrimSpace(b))
		}
	}
	files, err := filepath.Glob(filepath.Join(k.dir, "*.json"))
	if err != nil || len(files) == 0 {
		k.problem("no documents")
	}
	for _, f := range files {
		k.document(f)
	}
}

func (k *kernel) document(file string) {
	name := filepath.Base(file)
	b, err := os.ReadFile(file)
	if err != nil {
		k.problem("%v", err)
		return
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		k.problem("%s: %v", name, err)
		return
	}
	k.documents++
	if err := k.schema.Validate(doc); err != nil {
		k.problem("%s: %v", name, err)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		k.problem("%s: %v", name, err)
		return
	}
	switch name {
	case "sched.json":
		k.schedulerOf(&d)
	case "oom-all.json":
		for _, r := range d.Tables["processes"].Rows {
			if r["oom_score"] == nil || r["recomputed"] == nil {
				continue
			}
			k.scores++
			if r["exact"] == true {
				k.exact++
			} else {
				k.problem("oom_score of %v (%v) is %v, recomputed %v", r["pid"], r["comm"], r["oom_score"], r["recomputed"])
			}
		}
		if k.scores == 0 {
			k.problem("no scores")
		}
	}
}

// schedulerOf compares with what the version says: CFS to 6.5, EEVDF from 6.6.
func (k *kernel) schedulerOf(d *document) {
	b, err := os.ReadFile(filepath.Join(k.dir, "osrelease"))
	if err != nil {
		k.problem("%v", err)
		return
	}
	want := "CFS"
	if inspect.ParseVersion(strings.TrimSpace(string(b))).AtLeast(6, 6) {
		want = "EEVDF"
	}
	k.scheduler, _ = d.Values["scheduler"].Value.(string)
	if k.scheduler != want {
		k.problem("the scheduler is %q, want %q", k.scheduler, want)
	}
}
