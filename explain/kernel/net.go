package kernel

// TCPMemLow is the first number of tcp_mem, computed from the second, by default
// (in pages; net/ipv4/tcp.c, tcp_init_mem; net/ipv4/udp.c, udp_init does the
// same for udp_mem).
func TCPMemLow(pressure int64) int64 { return pressure / 4 * 3 }

// TCPMemHigh is the third number of tcp_mem, computed from the second, in pages.
func TCPMemHigh(pressure int64) int64 { return TCPMemLow(pressure) * 2 }

// TCPMemPressure is the second number of tcp_mem: a sixteenth of the pages that were
// free for buffers at boot, nr_free_buffer_pages, 128 at least.
func TCPMemPressure(free int64) int64 { return max(128, free/16) }

// TCPMemPressureOfUDP is the same from the second number of udp_mem, which is an
// eighth of the same pages: half of it, which integer division keeps exact.
func TCPMemPressureOfUDP(udp int64) int64 { return max(128, udp/2) }

// TCPMaxOrphans is half the buckets of the hash table of connections, and so is
// tcp_max_tw_buckets (net/ipv4/tcp.c, tcp_init; net/ipv4/tcp_ipv4.c,
// tcp_set_hashinfo).
func TCPMaxOrphans(ehash int64) int64 { return ehash / 2 }

// TCPMaxSynBacklog is a 128th of the buckets, and 128 at least (the same).
func TCPMaxSynBacklog(ehash int64) int64 { return max(128, ehash/128) }

// ConntrackMax is nf_conntrack_max by default, computed from the buckets
// of its hash table: as many since 5.15, four times as many before
// (net/netfilter/nf_conntrack_core.c, nf_conntrack_init_start).
func ConntrackMax(buckets, factor int64) int64 { return buckets * factor }
