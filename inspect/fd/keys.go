package fd

import (
	"bytes"

	"kwhy/inspect"
)

// KeyUser is what a user has of the kernel's keys and keyrings, of those that count against his
// quota, and the quota: 200 keys and 20,000 bytes unless kernel.keys.* are others, for the host's
// own root a million and 25,000,000 (security/keys/key.c, key_alloc).
type KeyUser struct {
	UID             uint32 // as kwhy's own user namespace has that user; of others the file says nothing
	Keys, MaxKeys   uint64
	Bytes, MaxBytes uint64 // descriptions and payloads
}

// Used is the share of the quota that is used up: of keys or of bytes, which is the larger.
func (u *KeyUser) Used() (share float64, ok bool) {
	if u.MaxKeys == 0 || u.MaxBytes == 0 {
		return 0, false
	}
	return max(float64(u.Keys)/float64(u.MaxKeys), float64(u.Bytes)/float64(u.MaxBytes)), true
}

// KeyUsers returns the users that have keys.
func (f *Snapshot) KeyUsers() inspect.Parts[*Snapshot, KeyUser] {
	return inspect.Parts[*Snapshot, KeyUser]{In: f, List: f.Keys}
}

// readKeys reads /proc/key-users (security/keys/proc.c, proc_key_users_show).
func (f *Snapshot) readKeys(h *inspect.Host) inspect.Reason {
	return inspect.ReasonOf(h.Proc.With("key-users", func(b []byte) error {
		if inspect.CutOff(b) {
			return inspect.ErrMalformed
		}
		var list []KeyUser
		for line := range inspect.Lines(b) {
			u, ok := parseKeyUser(line)
			if !ok {
				return inspect.ErrMalformed
			}
			list = append(list, u)
		}
		f.Keys = list
		return nil
	}))
}

// parseKeyUser reads "    0:     9 8/8 3/1000000 40/25000000": a user, references to what he has, keys
// and those of them that have a payload, then keys and bytes of the quota.
func parseKeyUser(line []byte) (u KeyUser, ok bool) {
	name, rest, _ := bytes.Cut(line, []byte(":"))
	uid, ok := inspect.ParseUint(bytes.TrimSpace(name))
	if !ok || uid > 1<<32-1 {
		return u, false
	}
	u.UID = uint32(uid)
	_, rest = inspect.CutField(rest)
	_, rest = inspect.CutField(rest)
	keys, rest := inspect.CutField(rest)
	size, rest := inspect.CutField(rest)
	var first, second bool
	u.Keys, u.MaxKeys, first = ratio(keys)
	u.Bytes, u.MaxBytes, second = ratio(size)
	return u, first && second && len(bytes.TrimSpace(rest)) == 0
}

// ratio reads "3/200".
func ratio(field []byte) (part, whole uint64, ok bool) {
	a, b, _ := bytes.Cut(field, []byte("/"))
	part, first := inspect.ParseUint(a)
	whole, second := inspect.ParseUint(b)
	return part, whole, first && second
}
