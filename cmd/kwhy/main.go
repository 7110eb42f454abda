// Kwhy shows what a Linux host's /proc and /sys say, and why.
package main

import (
	"os"

	"kwhy/cmd"
)

func main() {
	os.Exit(cmd.System().Run(os.Args[1:]))
}
