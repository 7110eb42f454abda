package units

import "kwhy/inspect"

// AbsentCell writes a reason in a cell of a table: where other rows have a rate, one
// that has none is new.
func AbsentCell(r inspect.Reason) string {
	if r == inspect.NoInterval {
		return "new"
	}
	return AbsentWord(r)
}

// AbsentWord writes a reason in the place of a value.
func AbsentWord(r inspect.Reason) string {
	switch r {
	case inspect.Unlimited:
		return "no limit"
	case inspect.Inapplicable:
		return "none"
	case inspect.TimedOut:
		return "timed out"
	case inspect.NoInterval:
		return "no interval"
	case inspect.Reset:
		return "went back"
	case inspect.NoUpdate:
		return "no update"
	case inspect.NotMounted:
		return "not mounted"
	case inspect.NotSaved:
		return "not in this copy"
	case inspect.Foreign:
		return "not the kernel's"
	case inspect.OtherNamespace:
		return "of another namespace"
	}
	return r.String()
}
