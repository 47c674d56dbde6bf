package main

import "golang.org/x/sys/unix"

// bindLate makes binding to port 0 leave the choice of the port to connect.
func bindLate(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}
