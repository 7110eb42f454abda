package inspect

// ParseChoice is what the tests, which are outside of the package because inspecttest
// imports it, need of its inside.
var ParseChoice = parseChoice

// MayHang tells which files of a process may not answer.
var MayHang = mayHang
