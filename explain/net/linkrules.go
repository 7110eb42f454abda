package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
)

// linkShare is the share of an interface's packets of which a counter tells, over
// the interval.
func linkShare(r interfaceRow, bad, good func(*inspect.Interface) uint64) value {
	was, _, ok := r.Before()
	if !ok || bad(r.It) < bad(was.It) || good(r.It) < good(was.It) {
		return value{}
	}
	b, g := bad(r.It)-bad(was.It), good(r.It)-good(was.It)
	return share(explain.N(b), explain.N(b+g))
}

func linkErrors(i *inspect.Interface) uint64 { return i.Dev.RxErrs + i.Dev.TxErrs }

func linkPackets(i *inspect.Interface) uint64 { return i.Dev.RxPackets + i.Dev.TxPackets }

func linkReceived(i *inspect.Interface) uint64 { return i.Dev.RxPackets }

func linkMissed(i *inspect.Interface) uint64 { return i.Stats["rx_missed_errors"] }

func interfaceRules() []explain.Rule[interfaceRow] {
	type rule = explain.Rule[interfaceRow]
	pair := func(id, key, measure string, bad, good func(*inspect.Interface) uint64, at explain.At, ever float64, what, means string) []rule {
		over := func(r interfaceRow) value { return linkShare(r, bad, good) }
		all := func(r interfaceRow) value {
			if _, _, ok := r.Net.Before(); ok {
				return value{}
			}
			return share(explain.N(bad(r.It)), explain.N(bad(r.It)+good(r.It)))
		}
		return []rule{{
			ID: id, Evidence: []string{key}, Concept: "network-interface", Next: "kwhy explain network-interface", Of: over, At: at,
			What: measure + ", over the interval", Unit: explain.Ratio, Basis: explain.Interval, Means: means,
			Say: func(r interfaceRow) string {
				_, span, _ := r.Before()
				return fmt.Sprintf("%s: %s of its packets %s, in the last %s", r.It.Name, percent(over(r)), what, explain.Span(span.Seconds()))
			},
		}, {
			ID: id + "_so_far", Evidence: []string{key}, Concept: "network-interface", Next: "kwhy net --interval 10s", Of: all, At: explain.At{Notice: ever},
			What: measure + ", since it is there", Unit: explain.Ratio, Basis: explain.Ever, Means: means,
			Say: func(r interfaceRow) string {
				return fmt.Sprintf("%s: %s of its packets %s, since it is there; --interval 10s says whether it goes on", r.It.Name, percent(all(r)), what)
			},
		}}
	}
	return append(
		pair("net.nic_errors", "rx_errs", "errors / (errors + packets), both ways", linkErrors, linkPackets, explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, 0.0001, "were broken or could not be sent", "The card or its driver counted them: bad checksums or lengths on the way in, no link or a full queue of the card's on the way out."),
		pair("net.nic_missed", "rx_missed_errors", "rx_missed_errors / (rx_missed_errors + rx_packets)", linkMissed, linkReceived, explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, 0.0001, "were missed: the ring was full", "The CPU did not empty the receive ring as fast as packets came: the card had no room for them.")...)
}

func qdiscRules() []explain.Rule[qdiscRow] {
	dropped := func(r qdiscRow) value {
		was, _, ok := r.Before()
		if !ok || r.It.Dropped < was.It.Dropped || r.It.Packets < was.It.Packets {
			return value{}
		}
		d := r.It.Dropped - was.It.Dropped
		return share(explain.N(d), explain.N(d+r.It.Packets-was.It.Packets))
	}
	return []explain.Rule[qdiscRow]{{
		ID: "net.qdisc_drops", Evidence: []string{"dropped"}, Concept: "qdisc", Next: "kwhy explain qdisc", Of: dropped,
		What: "dropped / (dropped + sent), over the interval", Unit: explain.Ratio, Basis: explain.Interval,
		Means: "More was to be sent than the queue lets through: it was full, or its rule drops early.",
		// A queue that drops is how a sender learns of the bottleneck: little of it is right.
		At: explain.At{Notice: 0.001, Warning: 0.02, Critical: 0.20},
		Say: func(r qdiscRow) string {
			_, over, _ := r.Before()
			return fmt.Sprintf("%s: its %s dropped %s of what was to be sent, in the last %s", r.It.Dev, r.It.Kind, percent(dropped(r)), explain.Span(over.Seconds()))
		},
	}}
}
