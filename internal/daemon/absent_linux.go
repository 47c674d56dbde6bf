package daemon

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// addressChanges fills changed, which has room for one, when an address or interface comes
// or goes, until ctx ends.
func addressChanges(ctx context.Context, changed chan<- struct{}) error {
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
	buf := make([]byte, 1<<16) // what a message says does not matter
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
