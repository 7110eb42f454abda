package inspect

import "time"

// ParseChoice is what the tests, which are outside of the package because inspecttest
// imports it, need of its inside.
var ParseChoice = parseChoice

// MayHang lists the files of a process that may not answer.
var MayHang = mayHang

// BootedByClock is when the kernel was started where /proc/stat can't be read.
func BootedByClock(h *Host) time.Time { return h.bootedByClock() }

// InDirOfNet is inDirOfNet.
var InDirOfNet = inDirOfNet

// BareRoot is a root that lacks every capability.
func BareRoot() Rights { return Rights{root: true} }
