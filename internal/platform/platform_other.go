//go:build !linux

// Package platform reads limits, clocks and events of the operating system.
package platform

import (
	"context"
	"errors"
	"time"
)

// Memory reports that the memory of the machine is not known.
func Memory() int64 { return 0 }

// Monotonic reports that there is no clock of a service manager: only Linux has them.
func Monotonic() (time.Duration, bool) { return 0, false }

// AddressChanges reports that changes of addresses are not known.
func AddressChanges(context.Context, chan<- struct{}) error { return errors.ErrUnsupported }

// FreeSpace reports that the free space of a directory is not known.
func FreeSpace(string) (octets int64, ok bool) { return 0, false }
