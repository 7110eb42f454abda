package net

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() lower.Topic {
	own := Process()
	t := hostTopic().Plus(lower.CardTopic(&own, "net PID", func(h *inspect.Host, _ inspect.Sources) (process, error) {
		return netfacts.TakeProcess(h, h.Self(), nil)
	}))
	t = t.Plus(lower.TableTopic(Sockets(), "net sockets", func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
		return scan(h, v, func(*sockdiag.Socket) bool { return true })
	}))
	t = t.Plus(lower.TableTopic(Listeners(), "net", func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
		return scan(h, v, (*sockdiag.Socket).IsListener)
	}))
	return t.Plus(lower.TableTopic(Use(), "net", func(h *inspect.Host, v *lower.View[netfacts.SocketUse]) (explain.Rows[netfacts.SocketUse], []int32, error) {
		s, err := netfacts.TakeSockets(h, netfacts.SocketQuery{Dir: netfacts.OwnDir(h), States: sockdiag.Every, Owners: true})
		if err != nil {
			return nil, nil, err
		}
		rows := s.Use()
		return rows, v.Order(rows), nil
	}))
}

// scan lists the sockets that keep of kwhy's own network namespace, with their
// owners where these are shown.
func scan(h *inspect.Host, v *lower.View[row], keep func(*sockdiag.Socket) bool) (explain.Rows[row], []int32, error) {
	return v.Scan(func(inspect.Sources) (explain.Scan[row], error) {
		s, err := netfacts.TakeSockets(h, netfacts.SocketQuery{Dir: netfacts.OwnDir(h), States: sockdiag.Every, Owners: v.Needs().Has(inspect.PIDFd)})
		if err != nil {
			return nil, err
		}
		return s.Only(keep), nil
	})
}
