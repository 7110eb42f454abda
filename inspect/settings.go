package inspect

import "time"

// Settings are the sources that hold one number or one word each: sysctls, and their
// like in /sys. A snapshot that reads more has them within it.
type Settings struct {
	Host *Host
	At   time.Time // when reading began

	numbers [NumSources]int64
	words   [NumSources]string
	Got     [NumSources]Reason
}

// NewSettings returns settings with nothing read yet.
func (h *Host) NewSettings() Settings {
	s := Settings{Host: h, At: h.Now()}
	for i := range s.Got {
		s.Got[i] = Unread
	}
	return s
}

// Settings reads those of the wanted sources that hold one number or one word.
func (h *Host) Settings(want Sources) *Settings {
	s := h.NewSettings()
	for _, src := range Every() {
		if want.Has(src) && src.Shape() != ShapeCustom {
			s.Note(src, s.Read(src))
		}
	}
	return &s
}

// Read reads one of them; it says nothing of what became of it, which Note keeps.
func (s *Settings) Read(src Source) (err error) {
	t, rel := s.Host.At(src)
	if src.Shape() == ShapeWord {
		s.words[src], err = t.Choice(rel)
		return err
	}
	s.numbers[src], err = t.Number(rel)
	return err
}

// Note keeps what became of a source.
func (s *Settings) Note(src Source, err error) { s.Got[src] = ReasonOf(err) }

// Missing says why a source gave nothing.
func (s *Settings) Missing(src Source) Reason { return s.Got[src] }

// Number returns the integer of a source that holds just one.
func (s *Settings) Number(src Source) (int64, bool) {
	return s.numbers[src], s.Got[src] == Present && src.Shape() == ShapeNumber
}

// Word returns the chosen word of a source that offers several.
func (s *Settings) Word(src Source) (string, bool) {
	return s.words[src], s.Got[src] == Present && src.Shape() == ShapeWord
}

// Kernel returns the kernel that was read.
func (s *Settings) Kernel() Kernel { return s.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (s *Settings) Doubt(src Source) Doubt { return s.Host.Doubt(src) }

// Gaps lists the wanted sources that gave nothing.
func (s *Settings) Gaps() (out []Gap) {
	for src, r := range s.Got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source: Source(src), Reason: r, Count: 1, Of: 1})
		}
	}
	return out
}
