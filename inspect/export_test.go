package inspect

// ParseChoice is what the tests, which are outside of the package because inspecttest
// imports it, need of its inside.
var ParseChoice = parseChoice

// MayHang lists the files of a process that may not answer.
var MayHang = mayHang
