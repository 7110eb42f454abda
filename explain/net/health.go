package net

import (
	"fmt"
	"strings"

	"kwhy/explain/lower"
	"kwhy/explain/units"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// Health says in a few words how a network stands.
func Health(n host) lower.Health {
	return lower.Health{Utilisation: healthUse(n, n.Listed), Saturation: healthWaits(n.Listed), Errors: healthLost(n)}
}

func healthUse(n host, sockets *netfacts.Sockets) string {
	var words []string
	if sockets != nil {
		words = append(words, units.Plural(sockets.Len(), "socket", "sockets"))
	}
	if v := tcpPressed(n); v.Has() {
		words = append(words, "TCP memory at "+percent(v)+" of pressure")
	}
	if v := portsUsed(n); v.Has() && !v.Zero() {
		words = append(words, "local ports to one destination "+percent(v)+" taken")
	}
	return strings.Join(words, ", ")
}

// healthWaits sums up the accept queues, where connections wait for programs.
func healthWaits(sockets *netfacts.Sockets) string {
	if sockets == nil {
		return ""
	}
	listeners, waiting, unknown := 0, uint64(0), 0
	for i := range sockets.Len() {
		switch s := sockets.At(i).It; {
		case s.IsListener() && s.Told.Has(sockdiag.Queues):
			listeners, waiting = listeners+1, waiting+uint64(s.RQueue)
		case s.IsListener(): // from a file, which does not have the limit of its queue
			unknown++
		}
	}
	if listeners+unknown == 0 {
		return "no listener"
	}
	if listeners == 0 {
		return units.Plural(unknown, "listener", "listeners") + ", accept queues unknown"
	}
	return fmt.Sprintf("%s wait to be accepted at %s", units.Plural(waiting, "connection", "connections"),
		units.Plural(listeners, "listener", "listeners"))
}

// healthLost adds up what was lost, over the interval or since boot.
func healthLost(n host) string {
	out, over, ok := mib("TcpRetransSegs")(n), " since boot", false
	if _, span, watched := n.Before(); watched {
		out, over, ok = grown(n, mib("TcpRetransSegs")), " in "+units.Span(span.Seconds()), true
	}
	if !out.Has() {
		return ""
	}
	words := []string{units.Plural(out.Int(), "segment retransmitted", "segments retransmitted")}
	drops := softTotal(softDropped)(n)
	if ok {
		drops = grown(n, softTotal(softDropped))
	}
	if drops.Has() {
		words = append(words, units.Plural(drops.Int(), "packet dropped at a CPU's backlog", "packets dropped at a CPU's backlog"))
	}
	return strings.Join(words, ", ") + over
}
