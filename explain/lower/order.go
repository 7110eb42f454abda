package lower

import (
	"cmp"
	"math"
	"slices"

	"kwhy/explain"
)

// cut orders rows by the first n sort keys and leaves out those that come
// behind the limit whatever the further keys say.
func (v *View[S]) cut(rows explain.Rows[S], list []int32, n int) []int32 {
	at, compare := v.byNumber(rows, list, n)
	if compare == nil {
		at, compare = v.byValues(rows, list, n)
	}
	if v.limit > 0 && v.limit < len(at) {
		end := v.limit
		for n < len(v.sort) && end < len(at) && compare(at[end], at[v.limit-1]) == 0 {
			end++
		}
		at = at[:end]
	}
	out := make([]int32, len(at))
	for i, place := range at {
		out[i] = list[place]
	}
	return out
}

// byValues orders the places of a list by several keys, or by one of any kind.
func (v *View[S]) byValues(rows explain.Rows[S], list []int32, n int) (at []int32, compare func(a, b int32) int) {
	var scratch []byte
	keys := make([]explain.Value, 0, n*len(list))
	at = make([]int32, len(list))
	for i := range at {
		at[i] = int32(i)
		for _, k := range v.sort[:n] {
			keys = append(keys, Take(k.field, rows.At(int(list[i])), &scratch))
		}
	}
	compare = func(a, b int32) int {
		for j, k := range v.sort[:n] {
			x, y := &keys[int(a)*n+j], &keys[int(b)*n+j]
			if c := x.Compare(*y); c != 0 {
				if k.desc && x.Has() && y.Has() {
					c = -c
				}
				return c
			}
		}
		return 0
	}
	slices.SortStableFunc(at, compare)
	return at, compare
}

// byNumber orders them by one key of numbers of one kind, which takes a fifth of the
// memory; without a comparison where it is not such a key.
func (v *View[S]) byNumber(rows explain.Rows[S], list []int32, n int) (at []int32, compare func(a, b int32) int) {
	if n != 1 || !v.sort[0].field.Unit.Number() {
		return nil, nil
	}
	var scratch []byte
	keys := make([]uint64, len(list))
	kind := explain.Absent
	for i := range list {
		x := Take(v.sort[0].field, rows.At(int(list[i])), &scratch)
		rank, ok := rankOf(x)
		if kind == explain.Absent {
			kind = x.Kind()
		}
		if !ok || x.Kind() != kind {
			return nil, nil
		}
		if keys[i] = rank; v.sort[0].desc {
			keys[i] = ^rank
		}
	}
	at = make([]int32, len(list))
	for i := range at {
		at[i] = int32(i)
	}
	compare = func(a, b int32) int { return cmp.Compare(keys[a], keys[b]) }
	slices.SortFunc(at, func(a, b int32) int { // as found where it is the same
		if c := compare(a, b); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return at, compare
}

// rankOf makes of a number one that orders as it does among those of its kind; false
// for what is no number.
func rankOf(v explain.Value) (uint64, bool) {
	const sign = 1 << 63
	switch v.Kind() {
	case explain.Uint:
		return v.Uint(), true
	case explain.Int:
		return v.Uint() ^ sign, true
	case explain.Float:
		if math.Float64frombits(v.Uint()) == 0 {
			return sign, true // of either sign
		}
		if v.Uint()&sign != 0 {
			return ^v.Uint(), true
		}
		return v.Uint() | sign, true
	}
	return 0, false
}
