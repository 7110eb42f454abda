package net

import "kwhy/explain"

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() explain.Topic { return hostTopic() }
