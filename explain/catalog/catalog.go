// Package catalog lists all topics, for explain, completion, the schema, documentation
// and tests, and finds what a name means. It declares no value itself.
package catalog

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/check"
	"kwhy/explain/concepts"
	"kwhy/explain/doctor"
	"kwhy/explain/lower"
)

// All returns every declared value and rule. A column that several commands show is in
// it once.
func All() lower.Catalogue {
	all := Examined()
	all = all.Plus(lower.List(doctor.Topic(all)))
	type column struct{ table, key, gist string }
	seen := map[column]bool{}
	all.Entries = slices.DeleteFunc(all.Entries, func(e lower.Entry) bool {
		c := column{e.Table, e.Doc.Key, e.Doc.Gist}
		again := e.Table != "" && seen[c]
		seen[c] = true
		return again
	})
	return all
}

// Topics returns all topics about the host, in the order of the manual.
func Topics() []explain.Topic {
	return append(check.Topics(), check.Topic())
}

// Examined lists what the topics about the host declare: what doctor tries.
func Examined() lower.Catalogue { return lower.List(Topics()...) }

// Find returns the values called name: by key, kernel name or label, in any case.
// A prefix such as vm. may be left out.
func Find(t lower.Catalogue, name string) (out []lower.Entry) {
	other := elsewhere()
	for _, e := range t.Entries {
		for _, known := range append(names(&e.Doc), other[e.Doc.Key]...) {
			if strings.EqualFold(known, name) {
				out = append(out, e)
				break
			}
		}
	}
	return out
}

// Meaning is a word that some fields have as their value, and what it means there.
type Meaning struct {
	explain.Word
	Of []lower.Entry
}

// Meanings returns what a word means as a value: as it is spelled, or else in any case.
// A word that means the same for several values is there once.
func Meanings(t lower.Catalogue, name string) []Meaning {
	for _, is := range []func(string) bool{
		func(w string) bool { return w == name },
		func(w string) bool { return strings.EqualFold(w, name) },
	} {
		if found := append(meanings(t, is), rest(t, is, name)...); len(found) > 0 {
			return found
		}
	}
	return nil
}

// Words returns every word that is a value, once; system calls are too many.
func Words(t lower.Catalogue) []Meaning {
	every := func(string) bool { return true }
	return append(meanings(t, every), rest(t, every, "")...)
}

func meanings(t lower.Catalogue, is func(string) bool) (out []Meaning) {
	at := map[explain.Word]int{}
	for _, e := range t.Entries {
		for _, w := range e.Doc.Words {
			if !is(w.Name) {
				continue
			}
			i, seen := at[w]
			if !seen {
				i = len(out)
				at[w] = i
				out = append(out, Meaning{Word: w})
			}
			out[i].Of = append(out[i].Of, e)
		}
	}
	return out
}

// names are the names that Find knows a value by.
func names(d *explain.Doc) []string {
	out := []string{d.Key}
	if d.Kernel != "" {
		out = append(out, d.Kernel)
		if i := strings.LastIndexByte(d.Kernel, '.'); i >= 0 {
			out = append(out, d.Kernel[i+1:])
		}
	}
	if d.Label != "" {
		out = append(out, d.Label)
	}
	if name := grouped(d.Kernel); name != "" {
		out = append(out, name)
	}
	return out
}

// Concept returns the name of a concept as its file spells it. Case, blanks, underscores
// and a plural do not matter.
func Concept(name string) (string, bool) {
	same := plain(name)
	for _, n := range []string{same, same + "s", strings.TrimSuffix(same, "s")} {
		if slices.Contains(concepts.Names(), n) {
			return n, true
		}
	}
	return same, false
}

// Alias returns the concept with that title or other name. The directory of a sysctl may
// precede the name.
func Alias(name string) (string, bool) {
	same := plain(name)
	for _, dir := range []string{"vm.", "kernel.", "fs.", "net.ipv4.", "net.core.", "user.", "se."} {
		if rest, ok := strings.CutPrefix(same, dir); ok {
			same = rest
		}
	}
	for _, n := range concepts.Names() {
		e, err := concepts.Read(n)
		if err != nil {
			continue
		}
		if plain(e.Title) == same || slices.ContainsFunc(e.Also, func(also string) bool {
			return plain(also) == same || plain(also)+"s" == same
		}) {
			return n, true
		}
	}
	return "", false
}

func plain(name string) string {
	return strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(name))
}

// OfConcept returns the values that refer to a concept.
func OfConcept(t lower.Catalogue, name string) (out []lower.Entry) {
	for _, e := range t.Entries {
		if string(e.Doc.Concept) == name {
			out = append(out, e)
		}
	}
	return out
}
