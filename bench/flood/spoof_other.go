//go:build !linux

package flood

import (
	"net"
	"net/netip"

	"github.com/ptrd/ptrd/bench/machine"
)

// spoofSocket needs that all of 127.0.0.0/8 is this host, and a way to send from any
// of it.
type spoofSocket struct{ conn *net.UDPConn }

type forged struct{ query []byte }

func forge(query []byte, _ netip.Addr) forged { return forged{query} }

func newSpoofSocket(netip.AddrPort) (*spoofSocket, error) { return nil, machine.ErrSystem }

func (*spoofSocket) send([]forged) (int, error) { return 0, machine.ErrSystem }

func (*spoofSocket) recv() (n, octets uint64, err error) { return 0, 0, machine.ErrSystem }

func (*spoofSocket) lost() (uint64, error) { return 0, machine.ErrSystem }

func bindLate(uintptr) error { return machine.ErrSystem }

func twoProcessors() bool { return false }
