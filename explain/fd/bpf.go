package fd

import (
	"fmt"
	"strconv"
	"strings"

	fdfacts "kwhy/inspect/fd"
)

// The types of BPF maps and programs by number, which is the same on every kernel
// (include/uapi/linux/bpf.h, enum bpf_map_type and bpf_prog_type); names are the
// kernel's in small letters.
var mapTypes = [...]string{
	"unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array", "stack_trace",
	"cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps", "hash_of_maps", "devmap",
	"sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage", "reuseport_sockarray", "percpu_cgroup_storage",
	"queue", "stack", "sk_storage", "devmap_hash", "struct_ops", "ringbuf", "inode_storage", "task_storage",
	"bloom_filter", "user_ringbuf", "cgrp_storage", "arena", "insn_array",
}

var progTypes = [...]string{
	"unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event",
	"cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device",
	"sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport",
	"flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops",
	"ext", "lsm", "sk_lookup", "syscall", "netfilter",
}

// typeName names a type, or gives its number where it is of a later kernel.
func typeName(number string, names []string) string {
	if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < len(names) {
		return names[n]
	}
	return number
}

// bpf describes a map, a program or a link. Which of their names the kernel has,
// fdinfo does not say: the id is what bpftool takes.
func bpf(f *fdfacts.Descriptor) string {
	id := func(name string) string {
		if n := line(f, name); n != "" {
			return " (id " + n + ")"
		}
		return ""
	}
	switch {
	case line(f, "map_type") != "":
		return fmt.Sprintf("a BPF map%s of type %s: keys of %s bytes, values of %s, %s at most%s",
			id("map_id"), typeName(line(f, "map_type"), mapTypes[:]),
			line(f, "key_size"), line(f, "value_size"), entries(line(f, "max_entries")), sized(line(f, "memlock")))
	case line(f, "prog_type") != "":
		return fmt.Sprintf("a BPF program%s of type %s, tag %s", id("prog_id"),
			typeName(line(f, "prog_type"), progTypes[:]), line(f, "prog_tag"))
	case line(f, "link_type") != "":
		return "a BPF link" + id("link_id") + " of type " +
			line(f, "link_type") + strings.Replace(id("prog_id"), "(id", "to a program (id", 1)
	}
	return "a BPF object"
}

func entries(n string) string {
	if n == "1" {
		return "1 entry"
	}
	return n + " entries"
}
