package sock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetFreebind lets fd be bound to an address that no interface has yet.
func SetFreebind(fd uintptr, is6 bool) error {
	level, name := unix.IPPROTO_IP, unix.IP_FREEBIND
	if is6 {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	if err := unix.SetsockoptInt(int(fd), level, name, 1); err != nil {
		return fmt.Errorf("socket option for freebind: %w", err)
	}
	return nil
}
