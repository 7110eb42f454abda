// Kwhy shows what a Linux host's /proc and /sys say, and why.
package main

import (
	"os"

	"kwhy/cmd"
)

// The linker sets these for a release: -X main.version=v1.2.3 and the like. Without,
// kwhy version has what Go noted of the checkout.
var version, commit, date string //nolint:gochecknoglobals // -X sets variables and nothing else

func main() {
	app := cmd.System()
	app.Build = cmd.NewBuild(version, commit, date)
	os.Exit(app.Run(os.Args[1:]))
}
