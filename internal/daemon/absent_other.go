//go:build !linux

package daemon

import (
	"context"
	"errors"
)

// addressChanges says that this system is not asked.
func addressChanges(context.Context, chan<- struct{}) error { return errors.ErrUnsupported }
