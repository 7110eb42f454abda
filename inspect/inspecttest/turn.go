package inspecttest

import (
	"os"
	"strconv"
)

// AllTurns reports whether all is to be tried, whatever time that takes, and not what has its turn.
func AllTurns() bool { return os.Getenv("KWHY_TEST_ALL") != "" }

// Turn numbers the commit as .ci/run counts them; it is 0 of a run by hand.
func Turn() int {
	turn, _ := strconv.Atoi(os.Getenv("KWHY_TEST_TURN"))
	return max(turn, 0)
}

// HasTurn reports whether the one of many that is number i is tried now: each third is, by turns
// that change with each commit, and with KWHY_TEST_ALL all are.
func HasTurn(i int) bool { return AllTurns() || i%3 == Turn()%3 }
