package mem

import "kwhy/explain"

// zoneWords are the zones by name (include/linux/mmzone.h).
func zoneWords() (out []explain.Word) {
	for _, z := range [][2]string{
		{"DMA", "The lowest addresses, for old devices; the first 16 MiB on x86."},
		{"DMA32", "Memory below 4 GiB that is not in DMA, for devices with 32-bit addresses."},
		{"Normal", "Memory that the kernel can use for anything."}, {"HighMem", "RAM that a 32-bit kernel does not map permanently."},
		{"Movable", "Only movable pages, so that this RAM can be unplugged."},
		{"Device", "Memory on devices, such as persistent memory or a GPU."},
	} {
		out = append(out, explain.Word{Name: z[0], Gist: z[1], Concept: "zones"})
	}
	return out
}
