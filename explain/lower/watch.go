package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
)

// Counters is what the view's rates need.
func (v *View[S]) Counters() (n inspect.Sources) {
	for _, f := range v.cols {
		if f.Counter {
			n = n.Plus(f.Needs())
		}
	}
	return n
}

// Watch reads of a first sample what the rates of a later one will need: of all
// rows that the filter lets through, for which of them will be shown is not known
// yet.
func (v *View[S]) Watch(rows explain.Scan[S]) { rows.Fill(v.kept(rows), v.Counters()) }

// ForText leaves out the columns that only data has, so that nothing is read for
// them, unless columns were asked for by name, or their rates will be shown.
func (v *View[S]) ForText() {
	if !v.named {
		v.cols = slices.DeleteFunc(v.cols, func(f *explain.Field[S]) bool { return f.Show == explain.Data && !f.Watched })
	}
}
