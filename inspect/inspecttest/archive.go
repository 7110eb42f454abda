package inspecttest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// The conventions of doc.go.
const (
	deniedLine = "#denied\n"
	emptyText  = "#empty\n"
	noNewline  = "\n#nonl\n"
	linkSuffix = ".link"
	visibleNUL = "␀"
)

// entry is one file, link or empty directory of a tree.
type entry struct {
	name   string // below the root, with slashes
	link   string // target; "" for what is no link
	dir    bool
	denied bool
	data   []byte
}

// Now is when recorded hosts are read, so that what is printed of them stays.
func Now() time.Time { return time.Date(2026, 11, 23, 20, 46, 1, 500e6, time.UTC) }

// Unpack writes the recorded host that data holds below dir, which must be
// there. It overwrites nothing, and nothing that it writes lies outside dir,
// though a link may point there.
func Unpack(dir string, data []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var links []entry
	for _, f := range txtar.Parse(data).Files {
		e := decode(f)
		if e.link != "" {
			links = append(links, e) // last: a file must not be written through one
			continue
		}
		if err := e.write(root); err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
	}
	for _, e := range links {
		if err := e.write(root); err != nil {
			return fmt.Errorf("unpack %s%s: %w", e.name, linkSuffix, err)
		}
	}
	return nil
}

func (e entry) write(root *os.Root) error {
	name := filepath.FromSlash(e.name)
	if e.dir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if e.link != "" {
		return root.Symlink(e.link, name)
	}
	mode := fs.FileMode(0o644)
	if e.denied {
		mode = 0
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(e.data)
	return errors.Join(err, f.Close())
}

// Pack makes an archive of the tree below dir, in lexical order.
func Pack(dir string) (*txtar.Archive, error) {
	a := new(txtar.Archive)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		e, err := readEntry(p, d)
		if err != nil || e.dir && len(e.data) > 0 {
			return err
		}
		e.name = filepath.ToSlash(rel)
		f, err := encode(e)
		a.Files = append(a.Files, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// readEntry reads what lies at p. A directory that is not empty has data.
func readEntry(p string, d fs.DirEntry) (e entry, err error) {
	switch {
	case d.IsDir():
		names, err := os.ReadDir(p)
		if len(names) > 0 {
			e.data = []byte(names[0].Name())
		}
		e.dir = true
		return e, err
	case d.Type() == fs.ModeSymlink:
		e.link, err = os.Readlink(p)
		return e, err
	case !d.Type().IsRegular():
		return e, fmt.Errorf("pack %s: neither a file, a directory nor a link", p)
	}
	return readFile(p)
}

// readFile reads a file; one that may not be read is no error.
func readFile(p string) (e entry, err error) {
	info, err := os.Stat(p)
	if err != nil {
		return e, err
	}
	e.denied = info.Mode().Perm() == 0
	e.data, err = os.ReadFile(p)
	if errors.Is(err, fs.ErrPermission) {
		return entry{denied: true}, nil
	}
	return e, err
}

// encode writes e as doc.go says, and refuses what would not come back.
func encode(e entry) (txtar.File, error) {
	f := txtar.File{Name: e.name}
	switch {
	case e.dir:
		f.Name += "/"
	case e.link != "":
		f.Name += linkSuffix
		f.Data = []byte(e.link + "\n")
	default:
		f.Data = encodeText(e)
	}
	text := txtar.Format(&txtar.Archive{Files: []txtar.File{f}})
	if hasBareMarker(text) {
		return txtar.File{}, fmt.Errorf("an archive cannot hold %q: a line of it is \"-- --\"", e.name)
	}
	back := txtar.Parse(text).Files
	if len(back) != 1 || !e.same(decode(back[0])) {
		return txtar.File{}, fmt.Errorf("an archive cannot hold %q: its name or its text would not come back", e.name)
	}
	return f, nil
}

// hasBareMarker reports whether a line is a marker without a name, over which
// txtar v1.16.0 panics. A process may be called that.
func hasBareMarker(text []byte) bool {
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if string(bytes.TrimSuffix(line, []byte("\r"))) == "-- --" {
			return true
		}
	}
	return false
}

func (e entry) same(o entry) bool {
	return e.name == o.name && e.link == o.link && e.dir == o.dir && e.denied == o.denied && bytes.Equal(e.data, o.data)
}

func encodeText(e entry) []byte {
	text := e.data
	if hasNULs(e.name) {
		text = bytes.ReplaceAll(text, []byte{0}, []byte(visibleNUL))
	}
	switch {
	case len(text) > 0 && text[len(text)-1] != '\n':
		text = append(bytes.Clone(text), noNewline...)
	case len(text) == 0 && !e.denied:
		text = []byte(emptyText)
	}
	if e.denied {
		text = append([]byte(deniedLine), text...)
	}
	return text
}

func hasNULs(name string) bool {
	base := path.Base(name)
	return base == "cmdline" || base == "environ"
}

// decode undoes encode.
func decode(f txtar.File) (e entry) {
	if name, ok := strings.CutSuffix(f.Name, linkSuffix); ok {
		return entry{name: name, link: strings.TrimSuffix(string(f.Data), "\n")}
	}
	if name, ok := strings.CutSuffix(f.Name, "/"); ok {
		return entry{name: name, dir: true}
	}
	e.name, e.data = f.Name, f.Data
	if e.data, e.denied = bytes.CutPrefix(e.data, []byte(deniedLine)); string(e.data) == emptyText {
		e.data = nil
	}
	e.data = bytes.TrimSuffix(e.data, []byte(noNewline))
	if hasNULs(e.name) {
		e.data = bytes.ReplaceAll(e.data, []byte(visibleNUL), []byte{0})
	}
	return e
}
