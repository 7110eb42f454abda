package fd

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

type keyRow = inspect.Part[*fdfacts.Snapshot, fdfacts.KeyUser]

// KeyUsers is the table of users by what they have of their quota of the kernel's keys.
func KeyUsers() *explain.Table[keyRow] {
	column := func(d doc, get func(*fdfacts.KeyUser) value) explain.Field[keyRow] {
		d.Source, d.Concept = inspect.KeyUsers, "resource-limits"
		return explain.Field[keyRow]{Doc: d, Get: func(r keyRow) value { return get(r.It) }}
	}
	return &explain.Table[keyRow]{
		Name: "key_users", Title: "Kernel keys of users", Sort: []string{"keys_used", "-key_uid"}, Identity: []string{"key_user"},
		Fields: []explain.Field[keyRow]{
			{Doc: doc{
				Key: "key_user", Label: "USER", Source: inspect.KeyUsers, Concept: "resource-limits",
				Gist: "The user's name, or number where it has no name here.",
			}, Get: func(r keyRow) value { return explain.S(userName(r.In, r.It.UID)) }},
			column(doc{
				Key: "key_uid", Unit: explain.Plain, Show: explain.Data,
				Gist: "The user's number, as kwhy's own user namespace has it.",
			}, func(u *fdfacts.KeyUser) value { return explain.I(int64(u.UID)) }),
			column(doc{
				Key: "qnkeys", Kernel: "qnkeys", Label: "KEYS", Unit: explain.Count,
				Gist: "Keys and keyrings that count against the user's quota.",
			}, func(u *fdfacts.KeyUser) value { return explain.N(u.Keys) }),
			column(doc{
				Key: "keys_maxkeys", Kernel: "kernel.keys.maxkeys", Label: "MAX", Unit: explain.Count,
				Gist: "The most that the user may have: EDQUOT after that.",
			}, func(u *fdfacts.KeyUser) value { return explain.N(u.MaxKeys) }),
			column(doc{
				Key: "qnbytes", Kernel: "qnbytes", Label: "BYTES", Unit: explain.Bytes,
				Gist: "Bytes of their descriptions and payloads.",
			}, func(u *fdfacts.KeyUser) value { return explain.N(u.Bytes) }),
			column(doc{
				Key: "keys_maxbytes", Kernel: "kernel.keys.maxbytes", Label: "MAX BYTES", Unit: explain.Bytes,
				Gist: "The most bytes that the user's keys may have: EDQUOT after that.",
			}, func(u *fdfacts.KeyUser) value { return explain.N(u.MaxBytes) }),
			column(doc{
				Key: "keys_used", Label: "USED", Unit: explain.Ratio,
				Gist: "The share of the quota that is used: of keys or bytes, the larger.",
			}, keysUsed),
		},
		Rules: []explain.Rule[keyRow]{keysNear()},
	}
}

func keysUsed(u *fdfacts.KeyUser) value {
	share, ok := u.Used()
	if !ok {
		return explain.None(inspect.Inapplicable) // a quota of nothing: keys are switched off for such users
	}
	return explain.F(share)
}

func keysNear() explain.Rule[keyRow] {
	return explain.Rule[keyRow]{
		ID: "fd.keys_near", What: "kernel keys, or their bytes, of a user / the user's quota", Unit: explain.Ratio,
		Means: "At the quota add_key fails with EDQUOT, and so does the session keyring that a container is started with: " +
			"\"disk quota exceeded\", though no disk is full. All containers that run as one number share the quota.",
		Evidence: []string{"keys_used", "qnkeys", "keys_maxkeys", "qnbytes", "keys_maxbytes"}, Concept: "resource-limits",
		Next: "kwhy explain resource-limits",
		Of: func(r keyRow) value {
			if v := keysUsed(r.It); v.Has() {
				return v
			}
			return value{}
		},
		At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r keyRow) string {
			u := r.It
			s := fmt.Sprintf("user %s has ", userName(r.In, u.UID))
			if float64(u.Bytes)/float64(u.MaxBytes) > float64(u.Keys)/float64(u.MaxKeys) {
				return s + fmt.Sprintf("%s of the %s bytes of keys that it may have", units.Number(u.Bytes), units.Number(u.MaxBytes))
			}
			return s + fmt.Sprintf("%s of the %s that it may have", units.Number(u.Keys), units.Plural(u.MaxKeys, "key", "keys"))
		},
	}
}
