package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// listed is what go list says of a package for a machine.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	Standard        bool
}

// machines are those that .ci/run names.
func machines(t *testing.T) []string {
	t.Helper()
	ci, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^machines=\((.*)\)$`).FindSubmatch(ci)
	if m == nil {
		t.Fatal(".ci/run names no machines")
	}
	return strings.Fields(string(m[1]))
}

// kwhy and what it is linked with, but for the standard library, is of the right types on
// every machine that it is released for: a field that is 32 bits wide on one, a constant
// that an int there does not hold, a file that a build tag leaves out. To compile all of
// it as well would take a minute for each machine; a release does.
func TestEveryMachineHasTheTypes(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds for each machine, and has no threads")
	}
	c := checker{fset: token.NewFileSet(), parsed: map[string]*ast.File{}}
	for _, machine := range machines(t) {
		if err := c.check(".", machine); err != nil {
			t.Errorf("%s: %v", machine, err)
		}
	}
}

// checker checks types from sources. It parses a file once for all machines.
type checker struct {
	fset   *token.FileSet
	parsed map[string]*ast.File
}

// check checks the program whose main is in dir, for a machine.
func (c *checker) check(dir, machine string) error {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Standard", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+machine, "CGO_ENABLED=0")
	pipe, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	done := map[string]*types.Package{"unsafe": types.Unsafe}
	var wrong []error
	for in := json.NewDecoder(strings.NewReader(string(pipe))); ; {
		var p listed
		if err := in.Decode(&p); err == io.EOF {
			return errors.Join(wrong...)
		} else if err != nil {
			return err
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		files, err := c.files(&p)
		if err != nil {
			return err
		}
		conf := types.Config{
			Sizes: types.SizesFor("gc", machine), IgnoreFuncBodies: p.Standard, FakeImportC: true,
			Importer: importer(func(path string) (*types.Package, error) {
				if to := p.ImportMap[path]; to != "" {
					path = to
				}
				if done[path] == nil {
					return nil, fmt.Errorf("%s is not listed before %s", path, p.ImportPath)
				}
				return done[path], nil
			}),
			Error: func(err error) {
				if !p.Standard {
					wrong = append(wrong, err)
				}
			},
		}
		done[p.ImportPath], _ = conf.Check(p.ImportPath, c.fset, files, nil)
	}
}

func (c *checker) files(p *listed) (out []*ast.File, err error) {
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		if c.parsed[path] == nil {
			if c.parsed[path], err = parser.ParseFile(c.fset, path, nil, parser.SkipObjectResolution); err != nil {
				return nil, err
			}
		}
		out = append(out, c.parsed[path])
	}
	return out, nil
}

type importer func(path string) (*types.Package, error)

func (f importer) Import(path string) (*types.Package, error) { return f(path) }
