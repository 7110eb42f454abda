package inspect_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

type version = inspect.Version

func TestRecordedHostSaysWhoItIs(t *testing.T) {
	releases := map[string]version{
		"debian-5.10-idle": {5, 10, 0}, "debian-5.10-swap": {5, 10, 0}, "debian-6.1-eased": {6, 1, 0}, "debian-6.12-eased": {6, 12, 117},
		"debian-6.18-swap": {6, 18, 15}, "debian-7.3-swap": {7, 3, 4}, "debian-7.3-idle": {7, 3, 4},
		"debian-5.10-oom": {5, 10, 0}, "debian-6.12-oom": {6, 12, 118}, "debian-7.3-oom": {7, 3, 4},
		"debian-5.10-sched": {5, 10, 0}, "debian-6.1-sched": {6, 1, 0}, "debian-6.12-sched": {6, 12, 118}, "debian-7.3-sched": {7, 3, 4},
		"linux-6.18-lossy-net": {6, 18, 44},
		"linux-6.18-files":     {6, 18, 44},
		"linux-6.18-net":       {6, 18, 44},
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(releases)), inspecttest.AllHosts(t)); diff != "" {
		t.Errorf("recorded hosts, -want +got:\n%s", diff)
	}
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		h := inspecttest.Open(t, dir)
		_, name, _ := strings.Cut(t.Name(), "/")
		if h.Kernel != inspect.KernelOf(releases[name]) {
			t.Errorf("kernel %v of %q, want %v", h.Kernel, h.Release, releases[name])
		}
		if h.Name != "web-1" || h.CPUs != 2 || h.Live || h.BootID != "00000000-0000-0000-0000-000000000000" {
			t.Errorf("host %q, %d CPUs, live %v, boot %q", h.Name, h.CPUs, h.Live, h.BootID)
		}
		if arch := "x86_64"; h.Arch != arch && (h.Arch != "" || h.Kernel.Oldest.AtLeast(6, 1)) {
			t.Errorf("arch %q, want %q, or none before 6.1", h.Arch, arch)
		}
	})
}

func TestPageSizeOfARecordedHostIsFound(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		if got := inspecttest.Open(t, dir).PageSize; got != 4096 {
			t.Errorf("page size %d, want 4096", got)
		}
	})
}

// TestPageSizeIsFoundFromWhatBothFilesCount edits a host as if its pages were larger: vmstat
// counts pages, meminfo kB.
func TestPageSizeIsFoundFromWhatBothFilesCount(t *testing.T) {
	for _, size := range []int{4096, 16384, 65536} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			inspecttest.OnEach(t, func(t *testing.T, dir string) {
				setPages(t, dir, size)
				h := inspecttest.Open(t, dir)
				if !h.PageSizeKnown || h.PageSize != uint64(size) {
					t.Errorf("page size %d, known %v; want %d", h.PageSize, h.PageSizeKnown, size)
				}
			})
		})
	}
}

// setPages writes meminfo as it is where the same pages have size bytes each. AnonPages is far
// off, as on kernels that count huge pages there and not in nr_anon_pages.
func setPages(t *testing.T, dir string, size int) {
	name := filepath.Join(dir, "proc/meminfo")
	var out strings.Builder
	for line := range strings.Lines(inspecttest.Read(t, name)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "kB" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			if kb = kb * size / 4096; f[0] == "AnonPages:" {
				kb *= 32
			}
			line = fmt.Sprintf("%s %d kB\n", f[0], kb)
		}
		out.WriteString(line)
	}
	if err := os.WriteFile(name, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What meminfo and vmstat don't tell of a copy is this host's, and is said to be.
func TestPageSizeOfACopyThatDoesNotShowIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if h := inspecttest.Open(t, dir); h.PageSizeKnown || h.PageSize != uint64(os.Getpagesize()) {
		t.Errorf("page size %d, known %v", h.PageSize, h.PageSizeKnown)
	}
}

func TestOpenFailsOnlyWithoutAProcDirectory(t *testing.T) {
	dir := inspecttest.UnpackText(t, "-- proc/version --\nLinux\n")
	if h := inspecttest.Open(t, dir); h.Kernel != (inspect.Kernel{}) || h.CPUs != 0 || h.Arch != "" {
		t.Errorf("an empty tree has kernel %v, %d CPUs, arch %q", h.Kernel, h.CPUs, h.Arch)
	}
	for _, p := range []string{filepath.Join(dir, "nowhere"), filepath.Join(dir, "proc/version")} {
		if h, err := inspect.Open(p, dir, inspecttest.AtNoon); err == nil || !strings.Contains(err.Error(), "--proc-root") {
			t.Errorf("Open(%s) = %v, %v; want an error that names the flag", p, h, err)
		}
	}
}

// Each source has a row in the table: one without a path has no name.
func TestEverySourceHasItsRow(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range inspect.Every() {
		if s.String() == "" || seen[s.String()] {
			t.Errorf("source %d: path %q", s, s)
		}
		seen[s.String()] = true
	}
}

// The clock that runs since boot says the same as /proc/stat, which has whole seconds; of a
// copy it would be this machine's.
func TestBootedByClock(t *testing.T) {
	h := inspecttest.LiveHost(t)
	stat, clock := h.Born(0), inspect.BootedByClock(h)
	if d := clock.Sub(stat).Abs(); stat.IsZero() || d > 2*time.Second || h.Booted() != stat {
		t.Errorf("by /proc/stat %v, by the clock %v, taken %v", stat, clock, h.Booted())
	}
	if saved := inspecttest.Open(t, inspecttest.Recorded(t, "debian-7.3-swap")); !inspect.BootedByClock(saved).IsZero() {
		t.Error("a copy was started by this machine's clock")
	}
}
