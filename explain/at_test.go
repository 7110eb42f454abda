package explain_test

import (
	"testing"

	"kwhy/explain"
)

func TestAtChange(t *testing.T) {
	was := explain.At{Notice: 0.15, Warning: 0.08, Critical: 0.03}
	for text, want := range map[string]explain.At{
		"off":                            {},
		"0.2,0.1,0.05":                   {Notice: 0.2, Warning: 0.1, Critical: 0.05},
		"20%, 10 %,5%":                   {Notice: 0.2, Warning: 0.1, Critical: 0.05},
		"0.5":                            {Notice: 0.5, Warning: 0.08, Critical: 0.03},
		"critical=0.01":                  {Notice: 0.15, Warning: 0.08, Critical: 0.01},
		" warning = 1e-2 , notice = 50%": {Notice: 0.5, Warning: 0.01, Critical: 0.03},
		"-,off,0":                        {},
		"notice=-":                       {Warning: 0.08, Critical: 0.03},
		"0,,":                            {Notice: -1},
		"":                               {Notice: -1},
		"1,2,3,4":                        {Notice: -1},
		"1,2,3,critical=4":               {Notice: 1, Warning: 2, Critical: 4},
		"ok=1":                           {Notice: -1},
		"Notice=1":                       {Notice: -1},
		"-1":                             {Notice: -1},
		"NaN":                            {Notice: -1},
		"inf":                            {Notice: -1},
		"1e400":                          {Notice: -1},
		"10%%":                           {Notice: -1},
	} {
		got, err := was.Change(text)
		if bad := want.Notice < 0; bad != (err != nil) || !bad && got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	if was != (explain.At{Notice: 0.15, Warning: 0.08, Critical: 0.03}) {
		t.Errorf("they became %v themselves", was)
	}
}

func TestAtInOrder(t *testing.T) {
	for _, c := range []struct {
		at    explain.At
		below bool
		want  string
	}{
		{explain.At{}, true, ""},
		{explain.At{Notice: 3, Warning: 2, Critical: 1}, true, ""},
		{explain.At{Notice: 3, Warning: 2, Critical: 1}, false, "notice 3, warning 2, critical 1 are out of order"},
		{explain.At{Notice: 1, Warning: 1, Critical: 1}, true, ""},
		{explain.At{Notice: 1, Warning: 1, Critical: 1}, false, ""},
		{explain.At{Notice: 1, Critical: 2}, false, ""},
		{explain.At{Notice: 0.5, Critical: 0.625}, true, "notice 0.5, critical 0.625 are out of order"},
		{explain.At{Warning: 1e6, Critical: 1e5}, false, "warning 1000000, critical 100000 are out of order"},
		{explain.At{Critical: 1}, true, ""},
	} {
		got := ""
		if err := c.at.InOrder(c.below); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v, below %v: %q, want %q", c.at, c.below, got, c.want)
		}
	}
}

func TestAtWords(t *testing.T) {
	for want, at := range map[string]explain.At{
		"off": {},
		"notice 20 %, warning 10 %, critical 5.0 %": {Notice: 0.2, Warning: 0.1, Critical: 0.05},
		"warning 10 %": {Warning: 0.1},
	} {
		if got := at.Words(explain.Ratio); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
}
