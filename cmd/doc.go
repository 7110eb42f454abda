// Package cmd is the command line: flags and settings, one file a subcommand,
// errors and exit statuses.
//
// Each command parses its command line into options, then package inspect reads,
// package explain explains and package output prints. Nothing here knows a kernel fact
// or a layout. Streams, the environment and the clock come from App, so that tests can
// replace them.
package cmd
