package inspect

import (
	"reflect"
	"time"
)

// Snapshot is what was taken of a host or a process, as far as its parts lean on it.
type Snapshot[S any] interface {
	// Missing says why a source gave nothing.
	Missing(Source) Reason
	// Before returns the sample an interval ago; false without one.
	Before() (S, time.Duration, bool)
	// Kernel returns the kernel that was read.
	Kernel() Kernel
	// Doubt says why what a source says is not the kernel's own.
	Doubt(Source) Doubt
}

// Unpaired is embedded in a snapshot S that is of one moment.
type Unpaired[S any] struct{}

// Before says that there is no sample an interval ago.
func (Unpaired[S]) Before() (was S, over time.Duration, ok bool) { return was, 0, false }

// Part is one of the many of a kind that a snapshot has, in its context: a row of a table.
type Part[S Snapshot[S], T any] struct {
	In S
	It *T
	N  int // its place in the list
	// Same finds it in an earlier sample; nil where parts of its kind are not followed.
	Same func(was S, it *T) *T
}

// Missing says why a source gave nothing.
func (p Part[S, T]) Missing(s Source) Reason { return p.In.Missing(s) }

// Before returns the same thing an interval ago.
func (p Part[S, T]) Before() (was Part[S, T], over time.Duration, ok bool) {
	in, over, ok := p.In.Before()
	if !ok || p.Same == nil {
		return was, 0, false
	}
	it := p.Same(in, p.It)
	if it == nil {
		return was, 0, false
	}
	return Part[S, T]{in, it, p.N, p.Same}, over, true
}

// Kernel returns the kernel that was read.
func (p Part[S, T]) Kernel() Kernel { return p.In.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (p Part[S, T]) Doubt(src Source) Doubt { return p.In.Doubt(src) }

// partial is a snapshot that tells which source gave only a part of what it holds.
type partial interface{ Partial(Source) bool }

// Partial reports whether a source gave only a part of what it holds.
func (p Part[S, T]) Partial(s Source) bool {
	in, ok := any(p.In).(partial)
	return ok && in.Partial(s)
}

// Parts is a list in its context: the rows of a table.
type Parts[S Snapshot[S], T any] struct {
	In   S
	List []T
	Same func(was S, it *T) *T // finds one in an earlier sample; nil where they are not followed
	// Among is the source that they are found by, where they are found among processes or
	// sockets; None where they are not.
	Among Source
	Set   Seen // how much was seen of what they are found among, where that is no process
}

// Seen returns how much was seen of what they are found among.
func (l Parts[S, T]) Seen() Seen {
	if v, ok := any(l.In).(surveyor); ok && l.Among != None {
		return v.SeenOf(l.Among)
	}
	return l.Set
}

// Missing says why a source gave nothing, so that there are no rows.
func (l Parts[S, T]) Missing(s Source) Reason { return l.In.Missing(s) }

// Doubt says why what a source says is not the kernel's own.
func (l Parts[S, T]) Doubt(src Source) Doubt { return l.In.Doubt(src) }

// originer says which source was read, of one that stands for several.
type originer interface {
	Origin(declared Source) Source
}

// Origin is the source that a value was taken from, of one that names several.
func (l Parts[S, T]) Origin(s Source) Source {
	if o, ok := any(l.In).(originer); ok {
		return o.Origin(s)
	}
	return s
}

// Len returns how many there are.
func (l Parts[S, T]) Len() int { return len(l.List) }

// At returns one of them.
func (l Parts[S, T]) At(i int) Part[S, T] { return Part[S, T]{l.In, &l.List[i], i, l.Same} }

// Keep returns the T that find finds out about a host, and finds it once: what several
// topics ask for, such as where cgroups are mounted.
func Keep[T any](h *Host, find func() T) T {
	key := reflect.TypeFor[T]()
	if it, ok := h.kept.Load(key); ok {
		return it.(T)
	}
	it, _ := h.kept.LoadOrStore(key, find())
	return it.(T)
}
