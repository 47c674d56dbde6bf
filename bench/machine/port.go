package machine

import (
	"errors"
	"net"
	"net/netip"
)

// FreePort returns an address on loopback that is free for TCP and for UDP.
func FreePort() (netip.AddrPort, error) {
	for range 16 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return netip.AddrPort{}, err
		}
		p, err := net.ListenPacket("udp4", l.Addr().String())
		l.Close()
		if err == nil {
			p.Close()
			return l.Addr().(*net.TCPAddr).AddrPort(), nil
		}
	}
	return netip.AddrPort{}, errors.New("no port is free for both TCP and UDP")
}
