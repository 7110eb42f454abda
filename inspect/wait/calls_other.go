//go:build !amd64 && !arm64

package wait

// Other machines' numbers have no names here.
const syscalls = ""
