package units

import (
	"math"
	"strconv"
	"time"
)

// AppendBytes appends a number of bytes in IEC units: "22.1 GiB".
func AppendBytes(b []byte, n uint64) []byte {
	unit := sizeUnit(float64(n))
	return append(append(AppendScaled(b, float64(n), unit), ' '), sizeNames()[unit]...)
}

// AppendSize appends a number of bytes that may be negative.
func AppendSize(b []byte, n int64) []byte {
	if n < 0 {
		return AppendBytes(append(b, "−"...), uint64(-n))
	}
	return AppendBytes(b, uint64(n))
}

// Size returns a number of bytes in IEC units.
func Size(n uint64) string { return string(AppendBytes(nil, n)) }

func sizeNames() []string { return []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} }

// SizeUnit returns the power of 1024 that suits n best, and its name.
func SizeUnit(n float64) (unit int, name string) {
	unit = sizeUnit(n)
	return unit, sizeNames()[unit]
}

func sizeUnit(n float64) (unit int) {
	for n = math.Abs(n); n >= 1023.95 && unit < len(sizeNames())-1; unit++ {
		n /= 1024
	}
	return unit
}

// AppendScaled appends n in units of 1024^unit, with one decimal below 100.
func AppendScaled(b []byte, n float64, unit int) []byte {
	v := n / math.Pow(1024, float64(unit))
	if unit == 0 || math.Abs(v) >= 99.95 {
		return strconv.AppendFloat(b, v, 'f', 0, 64)
	}
	return strconv.AppendFloat(b, v, 'f', 1, 64)
}

// AppendNumber appends an integer with its digits in groups: 1,234,567.
func AppendNumber[N Signed | Unsigned](b []byte, n N) []byte {
	if n < 0 {
		return appendGroups(append(b, "−"...), -uint64(n)) // the lowest too, which has no positive of its kind
	}
	return appendGroups(b, uint64(n))
}

func appendGroups(b []byte, n uint64) []byte {
	digits := strconv.FormatUint(n, 10)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, digits[i])
	}
	return b
}

// Number returns an integer with its digits in groups.
func Number[N Signed | Unsigned](n N) string { return string(AppendNumber(nil, n)) }

// AppendDecimal appends a real number with three digits that count; a large one
// without a fraction: 1.53, 1,526.
func AppendDecimal(b []byte, f float64) []byte {
	switch {
	case f == 0: // the one below zero too
		return append(b, '0')
	case f < 0:
		return AppendDecimal(append(b, "−"...), -f)
	case f >= 999.5 && f < 1<<62:
		return AppendNumber(b, int64(f+0.5))
	case f < 1e-4 && f > 1e-12: // 'g' would have an exponent
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64)
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'g', 3, 64)
}

// AppendPercent appends a ratio as a percentage: "94 %", "0.3 %", "<0.1 %".
func AppendPercent(b []byte, ratio float64) []byte {
	p := 100 * ratio
	switch a := math.Abs(p); {
	case a == 0:
		return append(b, "0 %"...)
	case a < 0.05:
		return append(b, "<0.1 %"...)
	case a < 9.95, a > 99 && a < 99.95:
		b = strconv.AppendFloat(b, p, 'f', 1, 64)
	default:
		b = strconv.AppendFloat(b, p, 'f', 0, 64)
	}
	return append(b, " %"...)
}

// Percent returns part of whole as a percentage; "" where whole is zero.
func Percent[N Signed | Unsigned](part, whole N) string {
	if whole == 0 {
		return ""
	}
	return string(AppendPercent(nil, float64(part)/float64(whole)))
}

// AppendSpan appends a length of time: "7.6 µs", "36 ms", "1.4 s", "3m20s", "12d7h".
func AppendSpan(b []byte, seconds float64) []byte {
	switch {
	case seconds == 0:
		return append(b, "0 s"...)
	case seconds < 0:
		return AppendSpan(append(b, "−"...), -seconds)
	case seconds < 0.9995e-3:
		return append(AppendDecimal(b, seconds*1e6), " µs"...)
	case seconds < 0.09995:
		return append(AppendDecimal(b, seconds*1e3), " ms"...)
	case seconds < 60, seconds >= 1<<63: // the latter of a counter gone wrong
		return append(strconv.AppendFloat(b, seconds, 'g', 3, 64), " s"...)
	case seconds < day:
		return append(b, time.Duration(seconds*float64(time.Second)).Round(time.Second).String()...)
	}
	days := math.Floor(seconds / day)
	b = append(strconv.AppendFloat(b, days, 'f', 0, 64), 'd')
	return append(strconv.AppendFloat(b, math.Floor((seconds-days*day)/3600), 'f', 0, 64), 'h')
}

const day = 24 * 3600

// Span returns a length of time.
func Span(seconds float64) string { return string(AppendSpan(nil, seconds)) }

// Plural returns "1 process", "2 processes".
func Plural[N Signed | Unsigned](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Signed is any signed integer.
type Signed interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64
}

// Unsigned is any unsigned integer.
type Unsigned interface {
	~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}
