package inspect

import "time"

// Settings are the sources that hold one number or one word each: sysctls, and their
// like in /sys. A snapshot that reads more has them within it.
type Settings struct {
	Host *Host
	At   time.Time // when reading began

	numbers [nSources]int64
	words   [nSources]string
	got     [nSources]Reason
}

// NewSettings returns settings of which nothing was read.
func (h *Host) NewSettings() Settings {
	s := Settings{Host: h, At: h.now()}
	for i := range s.got {
		s.got[i] = Unread
	}
	return s
}

// Settings reads those of the wanted sources that hold one number or one word.
func (h *Host) Settings(want Sources) *Settings {
	s := h.NewSettings()
	for _, src := range Every() {
		if want.Has(src) && src.shape() != custom {
			s.Note(src, s.Read(src))
		}
	}
	return &s
}

// Read reads one of them; it says nothing of what became of it, which Note keeps.
func (s *Settings) Read(src Source) (err error) {
	t, rel := s.Host.at(src)
	if src.shape() == choice {
		s.words[src], err = t.choice(rel)
		return err
	}
	s.numbers[src], err = t.number(rel)
	return err
}

// Note keeps what became of a source.
func (s *Settings) Note(src Source, err error) { s.got[src] = reasonFor(err) }

// Missing says why a source gave nothing.
func (s *Settings) Missing(src Source) Reason { return s.got[src] }

// Number returns the integer of a source that holds just one.
func (s *Settings) Number(src Source) (int64, bool) {
	return s.numbers[src], s.got[src] == Present && src.shape() == number
}

// Word returns the chosen word of a source that offers several.
func (s *Settings) Word(src Source) (string, bool) {
	return s.words[src], s.got[src] == Present && src.shape() == choice
}

// Kernel returns the kernel that was read.
func (s *Settings) Kernel() Version { return s.Host.Kernel }

// Gaps lists the wanted sources that gave nothing.
func (s *Settings) Gaps() (out []Gap) {
	for src, r := range s.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(src), r, 1, 1})
		}
	}
	return out
}
