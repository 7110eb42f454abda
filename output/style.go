package output

import (
	"github.com/fatih/color"

	"kwhy/explain"
)

// style colours text by severity, and dims explanations. Without colour it changes nothing.
type style struct {
	on         bool
	title, dim *color.Color
	levels     [4]*color.Color
}

func newStyle(on bool) *style {
	paint := func(a ...color.Attribute) *color.Color {
		c := color.New(a...)
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	s := &style{on: on}
	s.title = paint(color.Bold)
	s.dim = paint(color.Faint)
	s.levels = [4]*color.Color{paint(), paint(color.FgCyan), paint(color.FgYellow, color.Bold), paint(color.FgRed, color.Bold)}
	return s
}

func (s *style) Title(t string) string { return s.title.Sprint(t) }

// Dim makes an explanation less prominent than its value.
func (s *style) Dim(t string) string {
	if t == "" || !s.on {
		return t
	}
	return s.dim.Sprint(t)
}

// Level colours a finding.
func (s *style) Level(l explain.Level, t string) string {
	if l == explain.OK || t == "" || !s.on {
		return t
	}
	return s.levels[l].Sprint(t)
}
