package lower

import (
	"kwhy/explain"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	memfacts "kwhy/inspect/mem"
	netfacts "kwhy/inspect/net"
	procfacts "kwhy/inspect/proc"
)

// What a snapshot, or its rows, can offer in addition to explain.Snapshot.
type (
	// originer says which source was read, of one that stands for several.
	originer interface {
		Origin(declared inspect.Source) inspect.Source
	}
	// partial says that a source gave only the beginning of what it holds.
	partial interface {
		Partial(inspect.Source) bool
	}
	// gapped lists what it could not see.
	gapped interface {
		Gaps() []inspect.Gap
	}
	// misser says why there is no row.
	misser interface {
		Missing(inspect.Source) inspect.Reason
	}
)

// Those that can: renamed methods would be missed here, and nowhere else.
var (
	_ originer = (*netfacts.Snapshot)(nil)
	_ originer = (*netfacts.Sockets)(nil)
	_ partial  = (*memfacts.Snapshot)(nil)
	_ gapped   = (*memfacts.Snapshot)(nil)
	_ gapped   = (*netfacts.Snapshot)(nil)
	_ gapped   = (*procfacts.Snapshot)(nil)
	_ gapped   = (*fdfacts.Snapshot)(nil)
	_ misser   = memfacts.Parts[memfacts.Zone]{}

	_ explain.Page            = (*Page[procfacts.Row])(nil)
	_ catalogued              = (*Page[procfacts.Row])(nil)
	_ Attached[procfacts.Row] = (*Rows[procfacts.Row, procfacts.Row])(nil)
)
