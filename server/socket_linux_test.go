package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func allowBroadcast(raw syscall.RawConn) (err error) {
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	})
	if err == nil {
		err = controlErr
	}
	return err
}
