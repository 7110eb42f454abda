package output

import (
	"strconv"

	"kwhy/explain"
	"kwhy/explain/units"
)

// human writes a value for people.
func human(v explain.Value, u explain.Unit) string {
	return string(appendHuman(nil, v, u))
}

func appendHuman(b []byte, v explain.Value, u explain.Unit) []byte {
	switch v.Kind() {
	case explain.Absent:
		return append(b, units.AbsentCell(v.Reason())...)
	case explain.Str:
		return appendEscaped(b, v.Text())
	case explain.Flag:
		if v.Zero() {
			return append(b, "no"...)
		}
		return append(b, "yes"...)
	case explain.List:
		if len(v.List()) == 0 {
			return append(b, "none"...)
		}
		for i, item := range v.List() {
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendHuman(b, item, u)
		}
		return b
	case explain.Record: // numbers in it are names of things
		first := true
		for name, part := range v.Parts() {
			b = append(append(comma(b, &first, ""), name...), '=')
			b = appendHuman(b, part, explain.Plain)
		}
		return b
	}
	return appendNumber(b, v, u)
}

// appendNumber appends a value that is a number, as people write it in its unit.
func appendNumber(b []byte, v explain.Value, u explain.Unit) []byte {
	switch u {
	case explain.Bytes:
		return v.AppendSize(b)
	case explain.Ratio:
		return units.AppendPercent(b, v.Float())
	case explain.Decimal:
		return units.AppendDecimal(b, v.Float())
	case explain.Seconds:
		return units.AppendSpan(b, v.Float())
	case explain.Address:
		return strconv.AppendUint(b, v.Uint(), 16)
	case explain.ID, explain.Plain:
		if v.Kind() == explain.Uint {
			return strconv.AppendUint(b, v.Uint(), 10)
		}
		return strconv.AppendInt(b, v.Int(), 10)
	}
	switch v.Kind() {
	case explain.Float:
		return append(b, perSecondNumber(v.Float())...)
	case explain.Uint:
		return units.AppendNumber(b, v.Uint())
	}
	return units.AppendNumber(b, v.Int())
}

// perSecond writes a rate.
func perSecond(v explain.Value, u explain.Unit) string {
	switch u {
	case explain.Bytes:
		return string(v.AppendSize(nil)) + "/s"
	case explain.Pages:
		return perSecondNumber(v.Float()) + " pages/s"
	case explain.Seconds:
		return string(units.AppendPercent(nil, v.Float())) + " of the time"
	}
	return perSecondNumber(v.Float()) + "/s"
}

func perSecondNumber(f float64) string { return string(units.AppendDecimal(nil, f)) }
