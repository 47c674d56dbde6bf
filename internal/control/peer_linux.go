package control

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// mayConnect checks the user of the peer (unix(7), SO_PEERCRED).
func mayConnect(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	if err := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || cred == nil {
		return false
	}
	return isAllowed(cred.Uid, uint32(os.Geteuid()))
}

// private sets the mode of the socket before it is bound to a name, so that other users
// can never open it.
func private(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); e != nil {
		return e
	}
	return err
}
