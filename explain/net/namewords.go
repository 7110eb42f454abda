package net

import "kwhy/explain"

// worded gives a column the words that its values can be.
func worded[S explain.Snapshot[S]](f explain.Field[S], words []explain.Word) explain.Field[S] {
	f.Words = words
	return f
}

func words(concept explain.Concept, list [][2]string) (out []explain.Word) {
	for _, w := range list {
		out = append(out, explain.Word{Name: w[0], Gist: w[1], Concept: concept})
	}
	return out
}

// qdiscWords are the queueing disciplines that are met most (net/sched, tc(8)).
func qdiscWords() []explain.Word {
	return words("qdisc", [][2]string{
		{"noqueue", "No queue: packets are handed on at once, as of loopback and veth."},
		{"mq", "One queue below it for each send queue of the card."},
		{"mqprio", "Send queues of the card by class of traffic."},
		{"pfifo_fast", "Three bands by a packet's priority: the kernel's own default."},
		{"pfifo", "One queue, bounded in packets."},
		{"bfifo", "One queue, bounded in bytes."},
		{"fq_codel", "A queue for each flow; what waits too long is dropped."},
		{"codel", "One queue; what waits too long is dropped."},
		{"fq", "A queue for each flow, sent at the pace its socket asks for."},
		{"cake", "A shaper with a queue for each flow and host; since 4.19."},
		{"sfq", "A queue for each flow, served in turn."},
		{"htb", "Classes with a rate each, which may lend to one another."},
		{"hfsc", "Classes with curves of rate and delay."},
		{"tbf", "A bound on the rate."},
		{"prio", "Bands; the first is served first."},
		{"red", "Drops at random as the queue grows."},
		{"netem", "Delay, loss and disorder for tests."},
		{"etf", "Each packet at the time that its program asks."},
		{"taprio", "A timetable of classes, for networks with set times."},
		{"ingress", "Where filters for incoming packets are attached."},
		{"clsact", "Where filters for both directions are attached; since 4.5."},
	})
}

// operstateWords are the states of an interface (RFC 2863, Documentation/networking/operstates.rst).
func operstateWords() []explain.Word {
	return words("network-interface", [][2]string{
		{"up", "It can send and receive."},
		{"down", "No carrier, or administratively down."},
		{"lowerlayerdown", "The device below it is down."},
		{"dormant", "It waits for something outside, such as 802.1X."},
		{"testing", "It tests itself and sends nothing."},
		{"notpresent", "The device is not there."},
		{"unknown", "The driver does not say, as of lo."},
	})
}

// hookWords are the hooks of netfilter (include/uapi/linux/netfilter.h).
func hookWords() []explain.Word {
	return words("netfilter", [][2]string{
		{"prerouting", "Packets that came in, before routing."},
		{"input", "Packets for this host."},
		{"forward", "Packets that are forwarded."},
		{"output", "Packets that this host sends."},
		{"postrouting", "All packets that go out, after routing."},
		{"ingress", "What one interface received, before all else; since 4.2."},
		{"egress", "What goes out by one interface; since 5.16."},
	})
}
