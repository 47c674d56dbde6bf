package privilege

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drop makes every thread of the process run as the account, with
// CAP_NET_BIND_SERVICE as its only capability, and forbids it to gain any other.
// kept is false if the capability could not be kept, as in a binary that links C
// code, whose threads the Go runtime does not know.
func Drop(a Account) (kept bool, err error) {
	kept = true
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0); errors.Is(err, syscall.ENOTSUP) {
		kept = false
	} else if err != nil {
		return false, fmt.Errorf("keeping capabilities over the change of user: %w", err)
	}
	if err := syscall.Setgroups(a.Groups); err != nil {
		return false, fmt.Errorf("setting the groups of user %q: %w", a.Name, err)
	}
	if err := syscall.Setresgid(a.GID, a.GID, a.GID); err != nil {
		return false, fmt.Errorf("setting the group of user %q: %w", a.Name, err)
	}
	if err := syscall.Setresuid(a.UID, a.UID, a.UID); err != nil {
		return false, fmt.Errorf("becoming user %q: %w", a.Name, err)
	}
	if kept {
		if err := limit(); err != nil {
			return false, err
		}
	}
	if syscall.Geteuid() != a.UID || syscall.Getegid() != a.GID {
		return false, fmt.Errorf("becoming user %q: the kernel did not change the user", a.Name)
	}
	return kept, nil
}

// limit drops all capabilities but CAP_NET_BIND_SERVICE in every thread.
func limit() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	// Version 3 has two words of each set; the capability is in the first.
	var data [2]unix.CapUserData
	data[0].Effective = 1 << unix.CAP_NET_BIND_SERVICE
	data[0].Permitted = 1 << unix.CAP_NET_BIND_SERVICE
	if err := allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0); err != nil {
		return fmt.Errorf("dropping all capabilities but CAP_NET_BIND_SERVICE: %w", err)
	}
	if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0, 0); err != nil {
		return fmt.Errorf("resetting PR_SET_KEEPCAPS: %w", err)
	}
	if err := allThreads6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("forbidding new privileges: %w", err)
	}
	return nil
}

func allThreads(trap, a1, a2, a3 uintptr) error {
	if _, _, e := syscall.AllThreadsSyscall(trap, a1, a2, a3); e != 0 {
		return e
	}
	return nil
}

// allThreads6 is for calls whose unused arguments must be zero.
func allThreads6(trap, a1, a2 uintptr) error {
	if _, _, e := syscall.AllThreadsSyscall6(trap, a1, a2, 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// IsRoot reports whether the process runs as root.
func IsRoot() bool { return syscall.Geteuid() == 0 }
