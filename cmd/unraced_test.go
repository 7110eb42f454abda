//go:build !race

package cmd

// raceRoom is how many times more room a child takes that is built with the race
// detector: this one is not.
const raceRoom = 1

// spoilEvery is of how many files one is spoiled: here each is.
const spoilEvery = 1
