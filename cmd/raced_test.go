//go:build race

package cmd

// raceRoom is how many times more room a child takes that is built with the race
// detector.
const raceRoom = 4
