// Package kernel is the kernel's arithmetic as pure functions of plain numbers.
//
// Each function names the kernel source that it repeats and the versions for
// which it does. Sizes are in pages of the host's own size unless a parameter
// says otherwise; integer divisions round as in the kernel. Nothing here
// reads a file or uses a type of another package of kwhy.
package kernel
