package fd

import (
	"fmt"
	"strings"

	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Health says in a few words how a host's open files stand.
func Health(f host) lower.Health {
	return lower.Health{Utilisation: healthUse(f), Saturation: healthNear(f), Errors: healthKept(f)}
}

func healthUse(f host) string {
	if f.Files < 0 {
		return ""
	}
	s := units.Plural(int64(f.Files), "open file", "open files")
	if f.FilesMax > 0 && f.FilesMax < 1<<62 {
		s += ", " + units.Percent(int64(f.Files), int64(f.FilesMax)) + " of file-max"
	}
	return s
}

// healthNear names the process that is closest to its limit.
func healthNear(f host) string {
	var words []string
	most := -1.0
	who := 0
	for i := range f.Len() {
		if v := used(f.At(i)); v.Has() && v.Float() > most {
			most, who = v.Float(), i
		}
	}
	if most >= 0 {
		p := f.At(who).Row.P
		words = append(words, fmt.Sprintf("closest to its limit is %s (%d) at %s", p.Comm, p.PID, units.AppendPercent(nil, most)))
		seen := inspect.SeenBy("process", inspect.PIDLimits, f.Len(), func(i int) inspect.Reason {
			if v := used(f.At(i)); !v.Has() && v.Reason() != inspect.Unlimited {
				return v.Reason()
			}
			return inspect.Present
		}).Within(f.Scan.Sized())
		if among := units.Among(seen); among != "" {
			words = append(words, among)
		}
	}
	return strings.Join(words, ", ")
}

func healthKept(f host) string {
	k := keptBy(f)
	words := units.Size(k.disk)
	if k.memory > 0 {
		words += " of disks and " + units.Size(k.memory) + " of memory"
	}
	switch seen := f.SeenOf(inspect.PIDFd); {
	case !k.told, seen.Nothing():
		return ""
	case k.files == 0:
		return units.NoneOf("no descriptor keeps a deleted file", seen)
	case !seen.Whole():
		return fmt.Sprintf("deleted files keep at least %s, %s", words, units.Among(seen))
	}
	return "deleted files keep " + words
}
