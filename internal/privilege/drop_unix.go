//go:build unix && !linux

package privilege

import (
	"fmt"
	"syscall"
)

// Drop makes the process run as the account. These systems have no capabilities, so
// kept is false: ports below 1024 cannot be bound afterwards.
func Drop(a Account) (kept bool, err error) {
	if err := syscall.Setgroups(a.Groups); err != nil {
		return false, fmt.Errorf("setting the groups of user %q: %w", a.Name, err)
	}
	if err := syscall.Setgid(a.GID); err != nil {
		return false, fmt.Errorf("setting the group of user %q: %w", a.Name, err)
	}
	if err := syscall.Setuid(a.UID); err != nil {
		return false, fmt.Errorf("becoming user %q: %w", a.Name, err)
	}
	return false, nil
}

// IsRoot reports whether the process runs as root.
func IsRoot() bool { return syscall.Geteuid() == 0 }
