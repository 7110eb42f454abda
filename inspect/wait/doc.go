// Package wait finds what a task waits for, and who could end that: the facts of which explain/edge
// makes sentences. A wait is an edge of the graph of who waits for whom.
package wait
