//go:build race

package cmd

// raceRoom is how many times more room a child takes that is built with the race
// detector.
const raceRoom = 4

// spoilEvery is of how many files one is spoiled: how goroutines share what they read
// does not hang on which file is garbage, and the detector makes all of them expensive.
const spoilEvery = 11
