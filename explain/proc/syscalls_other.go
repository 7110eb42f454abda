//go:build !amd64 && !arm64

package proc

// Other machines' numbers have no names here.
const syscalls = ""
