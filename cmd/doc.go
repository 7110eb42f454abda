// Package cmd is the command line: flags and settings, one file a subcommand,
// errors and exit statuses.
//
// Each command takes its options, has package inspect read, package explain
// lower and package output print. Nothing here knows a kernel fact or a
// layout. What lies outside the process (streams, the environment, the clock)
// comes in through App, so that a test can hand it another one.
package cmd
