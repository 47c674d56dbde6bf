// Package platform reads limits, clocks and events of the operating system. On a system where one of
// them is not supported, its function reports that. To add one, write it for each system with the
// same signature.
package platform

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FreeSpace returns how many octets the user of this process may still write to the file system of a
// directory; ok is false if that is not known.
func FreeSpace(dir string) (octets int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:unconvert // Bsize has 32 bits on some systems
}

// Memory returns how many octets of memory the machine has, or the control groups of this process if
// they allow less; 0: not known.
func Memory() int64 {
	least := int64(0)
	limit := func(text string, unit int64) {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n > 0 && (least == 0 || n*unit < least) {
			least = n * unit
		}
	}
	info, _ := os.ReadFile("/proc/meminfo")
	if _, after, ok := bytes.Cut(info, []byte("MemTotal:")); ok {
		text, _, _ := bytes.Cut(after, []byte("kB"))
		limit(string(text), 1<<10)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::") // of version 2
		for ok {
			text, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, "memory.max")) // `max`: none
			limit(string(text), 1)
			ok = path != "/"
			path = filepath.Dir(path)
		}
	}
	return least
}

// Monotonic returns the time of CLOCK_MONOTONIC, which service managers use; ok is false if it is not
// known.
func Monotonic() (d time.Duration, ok bool) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}

// AddressChanges sends to changed, which has capacity one, when an address or interface is added or
// removed, until ctx ends. It returns [errors.ErrUnsupported] where the system does not report this.
func AddressChanges(ctx context.Context, changed chan<- struct{}) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{
		Family: unix.AF_NETLINK,
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	buf := make([]byte, 1<<16) // the content of messages is not used
	for {
		_, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS): // messages were lost, so something changed
			return err
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}
