package sock

import (
	"fmt"
	"net/netip"
	"os/user"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// tcpListen is the state of a listening TCP socket in /proc/net/tcp.
const tcpListen = 10

// holder is the socket that keeps an address from being bound, and its program.
type holder struct {
	at   netip.AddrPort
	uid  uint64
	node uint64
	name string // of the program, at most 15 octets of it; empty: not known
	pid  int
}

// findHolder looks for the socket in the way of addr. Without root, and in a unit with
// ProtectProc=, programs of other users are not visible: then only the user is known.
func findHolder(transport string, addr netip.AddrPort) (h holder, ok bool) {
	// In a unit with ProcSubset=, /proc has no net.
	self, err := procfs.NewFS("/proc/self")
	if err != nil {
		return h, false
	}
	add := func(ip []byte, port, uid, node uint64) {
		a, isIP := netip.AddrFromSlice(ip)
		at := netip.AddrPortFrom(a.Unmap(), uint16(port))
		switch {
		case ok || !isIP || at.Port() != addr.Port():
		case at.Addr().Is4() && addr.Addr().Is6(): // IPv6 sockets do not receive IPv4
		case a.IsUnspecified() || addr.Addr().IsUnspecified() || at.Addr() == addr.Addr().WithZone(""):
			h, ok = holder{at: at, uid: uid, node: node}, true
		}
	}
	if transport == "udp" {
		v4, _ := self.NetUDP() // what cannot be read has no socket to be found
		v6, _ := self.NetUDP6()
		for _, s := range slices.Concat(v4, v6) {
			add(s.LocalAddr, s.LocalPort, s.UID, s.Inode)
		}
	} else {
		// procfs recommends netlink instead, which is another dependency for no other result.
		v4, _ := self.NetTCP()  //lint:ignore SA1019 see above
		v6, _ := self.NetTCP6() //lint:ignore SA1019 see above
		for _, s := range slices.Concat(v4, v6) {
			if s.St == tcpListen {
				add(s.LocalAddr, s.LocalPort, s.UID, s.Inode)
			}
		}
	}
	if !ok {
		return h, false
	}
	link := fmt.Sprintf("socket:[%d]", h.node)
	procs, _ := procfs.AllProcs()
	for _, p := range procs {
		if files, err := p.FileDescriptorTargets(); err == nil && slices.Contains(files, link) {
			h.name, _ = p.Comm()
			h.pid = p.PID
			break
		}
	}
	return h, true
}

// remedy describes the program, and what to do about it.
func (h holder) remedy(addr netip.AddrPort) string {
	name, who := h.name, fmt.Sprintf("%s (process %d)", h.name, h.pid)
	if name == "" {
		name = strconv.FormatUint(h.uid, 10)
		if u, err := user.LookupId(name); err == nil {
			name = u.Username
		}
		who = "a program of user " + name
	}
	stop := "stop it"
	switch name {
	case "systemd-resolve": // both the user and what fits of the program
		stop = "write `DNSStubListener=no` below [Resolve] in /etc/systemd/resolved.conf and restart systemd-resolved"
	case "dnsmasq":
		stop = "stop it, or give it `port=0` if it need not answer DNS"
	case "systemd":
		stop = "stop the socket unit that `systemctl list-sockets` shows"
	}
	other := "choose another address"
	if addr.Addr().IsUnspecified() && !h.at.Addr().IsUnspecified() {
		other = fmt.Sprintf("listen on addresses of this host in place of %v", addr.Addr())
	}
	return fmt.Sprintf("another server has it: %s at %v; %s, or %s", who, h.at, stop, other)
}
