package catalog_test

import (
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/net"
)

// A value of the network that is read alone says what it says in the whole report.
func TestNetAloneAsInTheReport(t *testing.T) {
	h := recorded(t, "linux-6.18-lossy-net")
	card := net.Host()
	n, err := net.Take(h, card.Needs())
	if err != nil {
		t.Fatal(err)
	}
	whole := lower.Explain(&card, n, nil)
	compared := 0
	for _, e := range lower.List(net.Topic()).Entries {
		want := whole.Cell(e.Doc.Key)
		if e.Table != "" || e.Command != "net" || want == nil {
			continue
		}
		rep, err := e.Live(h, lower.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		compared++
		got := rep.Cell(e.Doc.Key)
		if got.Reading != want.Reading || got.Value.Compare(want.Value) != 0 || got.Level != want.Level {
			t.Errorf(
				"%s alone: %v %q %v\nin the report: %v %q %v",
				e.Doc.Key,
				got.Value,
				got.Reading,
				got.Level,
				want.Value,
				want.Reading,
				want.Level,
			)
		}
	}
	if compared < 100 {
		t.Errorf("%d values compared", compared)
	}
	for _, key := range []string{"tcp_mem_low", "tcp_mem_pressure", "tcp_mem_high", "udp_mem_low", "udp_mem_high", "tcp_max_orphans",
		"tcp_max_tw_buckets", "tcp_max_syn_backlog", "nf_conntrack_max"} {
		if d := whole.Cell(key).Derivation; d == nil || d.Agrees() != explain.Exact {
			t.Errorf("%s: %+v", key, d)
		}
	}
}
