package lower

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// Explain lowers the snapshot and judges it.
func Explain[S explain.Snapshot[S]](c *explain.Card[S], s S, limits explain.Limits) Report {
	r := Report{Limits: limits}
	worst := map[string]explain.Level{}
	doubt := doubtsOf(s)
	doubted := doubt.in(c.Needs()).Any()
	for i := range c.Rules {
		rule := &c.Rules[i]
		if doubted && doubt.in(needsOf(c, restsOn(rule, s))).Any() {
			continue
		}
		if v := judge(rule, s, limits); v.level > explain.OK {
			r.Findings = append(r.Findings, findingOf(rule, s, v, limits))
			worst[rule.Evidence[0]] = max(worst[rule.Evidence[0]], v.level)
		}
	}
	for i := range c.Sections {
		sec := &c.Sections[i]
		p := Part{Title: sec.Title, Whole: sec.Whole, Table: sec.Table, Cells: make([]Cell, 0, len(sec.Fields))}
		for j := range sec.Fields {
			cell := cellOf(&sec.Fields[j], s)
			cell.Level = worst[cell.Doc.Key]
			p.Cells = append(p.Cells, cell)
		}
		p.undraw()
		r.Parts = append(r.Parts, p)
	}
	return r
}

// Only returns the card cut to the fields that keep, and to the rules that
// rest on nothing else.
func Only[S explain.Snapshot[S]](c *explain.Card[S], keep func(*explain.Doc) bool) explain.Card[S] {
	out := explain.Card[S]{Name: c.Name}
	kept := map[string]bool{}
	for _, sec := range c.Sections {
		cut := explain.Section[S]{Title: sec.Title}
		for _, f := range sec.Fields {
			if keep(&f.Doc) {
				cut.Fields = append(cut.Fields, f)
				kept[f.Key] = true
			}
		}
		if len(cut.Fields) > 0 {
			out.Sections = append(out.Sections, cut)
		}
	}
	for _, r := range c.Rules {
		if kept[r.Evidence[0]] {
			out.Rules = append(out.Rules, r)
		}
	}
	return out
}

// needsOf is what the values of keys read.
func needsOf[S explain.Snapshot[S]](c *explain.Card[S], keys []string) (n inspect.Sources) {
	for i := range c.Sections {
		for j := range c.Sections[i].Fields {
			for _, k := range keys {
				if f := &c.Sections[i].Fields[j]; f.Key == k {
					n = n.Plus(f.Needs())
				}
			}
		}
	}
	return n
}
