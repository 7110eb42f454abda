// Package concepts holds the essays: one Markdown file a concept, embedded.
//
// An essay begins with a few lines of YAML that tests check: its title, its
// chapter, one sentence, the kernel sources and man pages behind it, and the
// concepts to read next. This package parses them and nothing else.
package concepts

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed *.md
var files embed.FS

// Essay is one concept.
type Essay struct {
	Name    string   `yaml:"-"`
	Title   string   `yaml:"title"`
	Chapter string   `yaml:"chapter"`
	Gist    string   `yaml:"gist"`
	Source  []string `yaml:"source"` // files of the kernel tree, with a function behind a colon
	Man     []string `yaml:"man"`
	See     []string `yaml:"see"`
	Also    []string `yaml:"also"` // other names that people know it by
	Live    []string `yaml:"live"` // values that it shows of a host besides those that rest on it: key, or table.key
	Body    string   `yaml:"-"`    // Markdown: headings, paragraphs, lists, fenced blocks, code spans
}

// Chapter is essays in the order in which they are read.
type Chapter struct {
	Name, Title string
	Essays      []string
}

// Chapters returns the chapters of the book, in the order in which they are read.
func Chapters() []Chapter {
	in := strings.Fields
	return []Chapter{
		{"user and kernel space", "User space and kernel space", in("user-and-kernel system-call vdso interrupts running-a-program")},
		{
			"processes",
			"Processes",
			in(
				"process threads task-struct process-state fork-and-exec context-switch signals zombie wait-channel " +
					"kernel-thread session-and-terminal resource-limits ptrace",
			),
		},
		{
			"scheduler",
			"The scheduler",
			in(
				"scheduler run-queue nice vruntime eevdf cfs preemption real-time deadline sched-ext autogroup cpu-bandwidth " +
					"affinity pelt cpu-time steal-time load-average pressure",
			),
		},
		{
			"memory",
			"Memory",
			in(`ram free-memory available-memory virtual-memory address-space mmap page-tables tlb demand-paging page-fault copy-on-write
			anonymous-memory page-cache readahead dirty-pages rss pss shared-memory lru working-set
			reclaim watermarks swap swappiness compressed-swap
			overcommit mlock memory-cgroup slab kernel-stack vmalloc per-cpu direct-map untracked-memory zones numa fragmentation compaction gfp-mask
			huge-pages transparent-huge-pages ksm`),
		},
		{"oom", "The OOM killer", in("oom-killer oom-score oom-score-adj oom-policy oom-report")},
		{
			"files",
			"Files and the VFS",
			in(
				"everything-is-a-file file-descriptor struct-file vfs inode dentry superblock-and-mount deleted-files " +
					"file-locks pipe epoll special-descriptors inotify-fanotify io-uring",
			),
		},
		{
			"network",
			"The network stack",
			in(
				"packet-path network-interface softirq-napi qdisc neighbour-table ip-layer netfilter conntrack socket socket-buffers tcp-states " +
					"accept-queue flow-control congestion-control keepalive tcp-memory ephemeral-ports udp unix-socket",
			),
		},
		{"isolation", "Isolation", in("container namespaces pid-namespace user-namespace cgroups credentials capabilities seccomp lsm")},
		{"proc and sys", "/proc and /sys", in(
			"procfs sysfs sysctl proc-permissions debugfs kernel-log kernel-stalls failing-hardware kernel-arithmetic use-method",
		)},
	}
}

// Names returns the names of all concepts, in alphabetical order.
func Names() []string {
	entries, _ := fs.ReadDir(files, ".") // an embedded root is always there
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = strings.TrimSuffix(e.Name(), ".md")
	}
	return out
}

// Read returns the essay of that name; the error is fs.ErrNotExist where there
// is none.
func Read(name string) (Essay, error) {
	b, err := files.ReadFile(name + ".md")
	if err != nil {
		return Essay{}, fmt.Errorf("concept %q: %w", name, fs.ErrNotExist)
	}
	e, err := parse(b)
	e.Name = name
	if err != nil {
		return e, fmt.Errorf("concept %q: %w", name, err)
	}
	return e, nil
}

func parse(b []byte) (e Essay, err error) {
	rest, ok := bytes.CutPrefix(b, []byte("---\n"))
	head, body, ok2 := bytes.Cut(rest, []byte("\n---\n"))
	if !ok || !ok2 {
		return e, fmt.Errorf("it does not begin with its metadata between lines of ---")
	}
	d := yaml.NewDecoder(bytes.NewReader(head))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("metadata: %w", err)
	}
	e.Body = string(bytes.TrimSpace(body)) + "\n"
	return e, nil
}
