// Package units says how numbers are written for people: sizes, shares, spans of time,
// counts, and the words for values that are absent. It knows no value and no kernel.
package units
