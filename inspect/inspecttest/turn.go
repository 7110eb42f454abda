package inspecttest

import (
	"os"
	"strconv"
)

// HasTurn reports whether the one of many that is number i is tried now: each third is, by turns
// that change with each commit, as .ci/run counts them, and with KWHY_TEST_ALL all are.
func HasTurn(i int) bool {
	turn, _ := strconv.Atoi(os.Getenv("KWHY_TEST_TURN")) // 0 of a run by hand
	return os.Getenv("KWHY_TEST_ALL") != "" || i%3 == max(turn, 0)%3
}
