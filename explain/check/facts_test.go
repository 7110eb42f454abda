package check_test

import (
	"slices"
	"testing"

	"kwhy/explain/check"
	"kwhy/explain/lower"
)

// The domains are the topics with a page that check looks at, no fewer and no more.
func TestNamesAreOfTopicsThatAreChecked(t *testing.T) {
	for _, topic := range check.Topics() {
		if _, looked := lower.DomainOf(&topic); looked != slices.Contains(check.Names(), topic.Name) {
			t.Errorf("%s: check looks at it: %v; its names are %v", topic.Name, looked, check.Names())
		}
	}
}
