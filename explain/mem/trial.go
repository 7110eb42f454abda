package mem

import (
	"strconv"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

// trials check the arithmetic of rows: what the kernel computes for each zone, and sums
// that it prints for each process.
func trials() []explain.Trial {
	return []explain.Trial{
		{
			Key: "min", Command: "mem", Rows: "zones", Formula: "min_free × managed / Σ managed + boost",
			Unit: bytes, Concept: "watermarks", Try: watermarks("min"),
		},
		{
			Key: "low", Command: "mem", Rows: "zones",
			Formula: "min + max(min / 4, managed × scale / 10000)", Unit: bytes, Concept: "watermarks",
			Try: watermarks("low"),
		},
		{
			Key: "high", Command: "mem", Rows: "zones",
			Formula: "min + 2 × max(min / 4, managed × scale / 10000)", Unit: bytes,
			Concept: "watermarks", Try: watermarks("high"),
		},
		{
			Key: "promo", Command: "mem", Rows: "zones",
			Formula: "min + 3 × max(min / 4, managed × scale / 10000)", Unit: bytes,
			Concept: "watermarks", Try: watermarks("promo"),
		},
		{Key: "vm_rss", Command: "mem", Rows: "processes", Formula: "anon + file + shmem", Unit: bytes, Concept: "rss", Try: sums},
	}
}

// wmarkSlack is by how many pages watermarks computed from what zones manage
// now may differ from those that were set at boot.
const wmarkSlack = 2

// watermarks recomputes one watermark of every zone that has memory.
func watermarks(name string) func(*inspect.Host) ([]explain.Tried, error) {
	return func(h *inspect.Host) (out []explain.Tried, err error) {
		wanted := inspect.Of(inspect.Meminfo, inspect.Zoneinfo, inspect.Vmstat, inspect.VMMinFreeKbytes, inspect.VMWatermarkScaleFactor)
		m, err := memfacts.Take(h, wanted)
		if err != nil {
			return nil, err
		}
		keep, ok := m.Number(inspect.VMMinFreeKbytes)
		scale, ok2 := m.Number(inspect.VMWatermarkScaleFactor)
		if !ok || !ok2 || m.Vmstat["balloon_inflate"] > 0 {
			return nil, nil // a balloon takes pages from a zone, and its watermarks stay
		}
		for _, z := range Populated(m) {
			if t, ok := watermark(m, &z, name, keep<<10, scale); ok {
				out = append(out, t)
			}
		}
		return out, nil
	}
}

// capped reports whether a zone has a min of its own, and no share of min_free_kbytes:
// highmem, and since some version after 6.1 movable zones. Their min shows it, because
// the cap is 32 to 128 pages, and an empty zone has 32 where it would have none.
func capped(z *memfacts.Zone) bool {
	least := z.Pages["min"] - z.Pages["boost"]
	return z.Name == "HighMem" || z.Name == "Movable" && least >= 32 && least <= 128
}

// lowmem is how many pages the zones that share min_free_kbytes manage.
func lowmem(m mem) (pages int64) {
	for i := range m.Zones {
		if z := &m.Zones[i]; !capped(z) {
			pages += int64(z.Pages["managed"])
		}
	}
	return pages
}

func watermark(m mem, z *memfacts.Zone, name string, keep, scale int64) (explain.Tried, bool) {
	page := int64(m.Host.PageSize)
	managed, ok := z.Pages["managed"]
	reported, hasIt := z.Pages[name]
	if !ok || !hasIt || page == 0 {
		return explain.Tried{}, false
	}
	least, low, high, promo := kernel.Watermarks(keep/page, int64(managed), lowmem(m), scale, capped(z))
	boost := int64(z.Pages["boost"])
	if name != "min" && !capped(z) { // the others are computed from the kernel's own min, whenever that was set
		if own := int64(z.Pages["min"]) - boost; own > 0 {
			least, low, high, promo = kernel.Watermarks(own, int64(managed), int64(managed), scale, false)
		}
	}
	result := map[string]int64{"min": least, "low": low, "high": high, "promo": promo}[name] + boost
	var w explain.Working
	w.Take("min_free", explain.I(keep), bytes, inspect.VMMinFreeKbytes, "vm.min_free_kbytes")
	w.Take("scale", explain.I(scale), explain.Count, inspect.VMWatermarkScaleFactor, "vm.watermark_scale_factor")
	w.Take("managed", explain.I(int64(managed)*page), bytes, inspect.Zoneinfo, "managed")
	w.Take("Σ managed", explain.I(lowmem(m)*page), bytes, inspect.Zoneinfo, "managed of all zones")
	w.Take("boost", explain.I(boost*page), bytes, inspect.Zoneinfo, "boost")
	d := w.Done("", bytes, explain.I(result*page))
	d.Reported, d.Slack = explain.I(int64(reported)*page), uint64(wmarkSlack*page)
	d.Cause = "the kernel sets them at boot and when a setting or the memory changes, from what the zones managed then"
	return explain.Tried{Row: "zone " + z.Name + " of node " + strconv.Itoa(z.Node), Derivation: d}, true
}

// sums adds up the parts of VmRSS of every process: one file, but lines that the
// kernel reads one after the other while the process runs.
func sums(h *inspect.Host) (out []explain.Tried, err error) {
	want := inspect.Of(inspect.PIDStat, inspect.PIDStatus)
	ps, err := procfacts.Scan(h, want)
	if err != nil {
		return nil, err
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.VmRSS == inspect.Unset || p.RssAnon == inspect.Unset || p.RssFile == inspect.Unset || p.RssShmem == inspect.Unset {
			continue
		}
		var w explain.Working
		for _, part := range []struct {
			name, line string
			n          inspect.Num
		}{{"anon", "RssAnon", p.RssAnon}, {"file", "RssFile", p.RssFile}, {"shmem", "RssShmem", p.RssShmem}} {
			w.Take(part.name, explain.I(int64(part.n)), bytes, inspect.PIDStatus, part.line)
		}
		d := w.Done("", bytes, explain.I(int64(p.RssAnon+p.RssFile+p.RssShmem)))
		d.Reported, d.Cause = explain.I(int64(p.VmRSS)), "the process changed while the kernel wrote its file"
		out = append(out, explain.Tried{Row: "process " + strconv.Itoa(int(p.PID)) + " (" + p.Comm + ")", Derivation: d})
	}
	return out, nil
}
