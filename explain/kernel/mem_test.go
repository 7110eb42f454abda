package kernel_test

import (
	"testing"

	"kwhy/explain/kernel"
)

func TestPlaceholder(t *testing.T) { _ = kernel.UnusableIndex(0, 0) }
