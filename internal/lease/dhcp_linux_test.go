package lease

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/peertest"
)

// insideEnv marks the process that runs in a network namespace of its own.
const insideEnv = "PTRD_LEASE_NAMESPACE"

// TestServers runs DHCP servers in a network namespace without a way out.
func TestServers(t *testing.T) {
	peertest.RequireRoot(t, "to make a network namespace")
	for _, p := range []string{"ip", "dhcpd", "dnsmasq", "kea-dhcp6"} {
		t.Run(p, func(t *testing.T) { peertest.Require(t, p) })
	}
	if t.Failed() {
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		peertest.Missing(t, "no network namespace can be made: "+err.Error())
	case err != nil || !strings.Contains(string(out), "--- PASS: TestInside"):
		t.Errorf("%s", out)
	}
}

// client is a DHCP client that does not wait for replies: it requests an address until the server
// has leased it.
type client struct {
	t  *testing.T
	fd int
	to unix.SockaddrLinklayer
}

func newClient(t *testing.T, link string) *client {
	t.Helper()
	ifi, err := net.InterfaceByName(link)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &client{t, fd, unix.SockaddrLinklayer{Ifindex: ifi.Index}}
}

func sum(b []byte, s uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// send sends a datagram from a client, which has the hardware address 52:54:00:00:00:n.
func (c *client) send(n byte, from, to netip.AddrPort, mac []byte, payload []byte) {
	c.t.Helper()
	be := binary.BigEndian
	frame := slices.Concat(mac, []byte{0x52, 0x54, 0, 0, 0, n})
	udp := be.AppendUint16(be.AppendUint16(nil, from.Port()), to.Port())
	udp = be.AppendUint16(be.AppendUint16(udp, uint16(8+len(payload))), 0)
	udp = append(udp, payload...)
	src, dst := from.Addr().AsSlice(), to.Addr().AsSlice()
	pseudo := sum(udp, sum(dst, sum(src, unix.IPPROTO_UDP+uint32(len(udp)))))
	be.PutUint16(udp[6:], fold(pseudo))
	if from.Addr().Is4() {
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
		be.PutUint16(ip[2:], uint16(20+len(udp)))
		ip = slices.Concat(ip, src, dst)
		be.PutUint16(ip[10:], fold(sum(ip, 0)))
		frame = slices.Concat(frame, []byte{8, 0}, ip, udp)
	} else {
		ip := []byte{0x60, 0, 0, 0, 0, 0, unix.IPPROTO_UDP, 64}
		be.PutUint16(ip[4:], uint16(len(udp)))
		frame = slices.Concat(frame, []byte{0x86, 0xdd}, ip, src, dst, udp)
	}
	if err := unix.Sendto(c.fd, frame, 0, &c.to); err != nil {
		c.t.Fatal(err)
	}
}

const (
	discover = 1
	request  = 3
	release  = 7
)

var server4 = netip.MustParseAddr("10.9.0.1")

// send4 sends a message of DHCP (RFC 2131, RFC 2132).
func (c *client) send4(kind, n byte, addr netip.Addr, host string) {
	c.t.Helper()
	m := make([]byte, 236)
	copy(m, []byte{1, 1, 6, 0, 0x11, 0x22, 0x33, n})
	from, mac, to := netip.IPv4Unspecified(), []byte{255, 255, 255, 255, 255, 255}, netip.MustParseAddr("255.255.255.255")
	m[10] = 0x80 // replies by broadcast
	if kind == release {
		copy(m[12:], addr.AsSlice())
		from = addr
	}
	copy(m[28:], []byte{0x52, 0x54, 0, 0, 0, n})
	m = append(m, 99, 130, 83, 99, 53, 1, kind)
	option := func(code byte, value []byte) { m = append(append(m, code, byte(len(value))), value...) }
	if kind != discover {
		option(54, server4.AsSlice())
	}
	if kind != release {
		option(50, addr.AsSlice())
		option(12, []byte(host))
	}
	m = append(m, 255)
	m = append(m, make([]byte, max(0, 300-len(m)))...)
	c.send(n, netip.AddrPortFrom(from, 68), netip.AddrPortFrom(to, 67), mac, m)
}

// Messages and options of DHCPv6 (RFC 8415 §7.3, §21; RFC 4704 §4).
const (
	solicit6 = 1
	request6 = 3
	release6 = 8
	decline6 = 9

	optionClientID    = 1
	optionServerID    = 2
	optionIANA        = 3
	optionIAAddr      = 5
	optionElapsed     = 8
	optionRapidCommit = 14
	optionIAPD        = 25
	optionIAPrefix    = 26
	optionFQDN        = 39
)

// duid6 is the DUID that servers get.
var duid6 = []byte{0, 3, 0, 1, 0x52, 0x54, 0, 0, 1, 1}

func option6(code uint16, value ...[]byte) []byte {
	v := slices.Concat(value...)
	return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, code), uint16(len(v))), v...)
}

// ia6 is an IA_NA with an address, and the valid lifetime that the client wants for it; 0: any.
func ia6(n byte, addr netip.Addr, valid byte) []byte {
	return option6(optionIANA, []byte{0, 0, 0, n}, make([]byte, 8), option6(optionIAAddr, addr.AsSlice(), make([]byte, 7), []byte{valid}))
}

// fqdn6 is a name without a domain.
func fqdn6(host string) []byte {
	return option6(optionFQDN, []byte{1, byte(len(host))}, []byte(host))
}

// send6 sends a message of DHCPv6. A Solicit is one of Rapid Commit, so that the server leases at once.
func (c *client) send6(kind, n byte, options ...[]byte) {
	c.t.Helper()
	extra := option6(optionServerID, duid6)
	if kind == solicit6 {
		extra = option6(optionRapidCommit)
	}
	m := slices.Concat([]byte{kind, 1, 2, n}, extra, option6(optionClientID, []byte{0, 3, 0, 1, 0x52, 0x54, 0, 0, 0, n}),
		slices.Concat(options...), option6(optionElapsed, []byte{0, 0}))
	from := netip.AddrFrom16([16]byte{0xfe, 0x80, 15: n + 1})
	c.send(n, netip.AddrPortFrom(from, 546), netip.MustParseAddrPort("[ff02::1:2]:547"), []byte{0x33, 0x33, 0, 1, 0, 2}, m)
}

// leaser is a DHCP server: how it is started with the path of its leases.
type leaser struct {
	name, format string
	start        func(t *testing.T, dir, path string) (output func() string)
}

// leases are those of a server that runs.
type leases struct {
	*Source
	t      *testing.T
	path   string
	output func() string
}

func startLeaser(t *testing.T, l leaser) *leases {
	t.Helper()
	dir := t.TempDir()
	f := &leases{t: t, path: filepath.Join(dir, "leases")}
	f.output = l.start(t, dir, f.path)
	await(t, "the server makes its file", func() bool { _, err := os.Stat(f.path); return err == nil })
	f.Source = prepare(t, New(Options{Quiet: 100 * time.Millisecond, Empty: 100 * time.Millisecond}), neighbour(l.format, f.path))
	return f
}

// mustHave calls ask from time to time until an address has a name, for about the time of a lease.
func (f *leases) mustHave(addr netip.Addr, want string, life time.Duration, ask func()) {
	f.t.Helper()
	got := ""
	for i, deadline := 0, time.Now().Add(patience); ; i++ {
		if i%20 == 0 { // each request changes the file
			ask()
		}
		f.look(context.Background())
		got = ""
		for _, l := range f.At(addr) {
			got = l.Name.String()
			if left := time.Until(l.End); got == want && (left < life-100*time.Second || left > life+time.Second) {
				f.t.Errorf("%v ends in %v", addr, left)
			}
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			file, _ := os.ReadFile(f.path)
			f.t.Fatalf("%v is %q, want %q\n%s\n%s", addr, got, want, f.output(), file)
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
}

// TestInside is a part of TestServers. The servers lease addresses to clients, which give them
// names, and get some back.
func TestInside(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("a part of TestServers")
	}
	write(t, "/proc/sys/net/ipv6/conf/all/accept_dad", "0")
	write(t, "/proc/sys/net/ipv6/conf/default/accept_dad", "0")
	for _, line := range []string{
		"link add serve type veth peer name ask", "addr add 10.9.0.1/24 dev serve", "addr add 2001:db8:9::1/64 dev serve nodad",
		"link set lo up", "link set serve up", "link set ask up",
	} {
		ip, _ := peertest.Find("ip")
		if out, err := exec.Command(ip, strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	c := newClient(t, "ask")
	dhcpd := func(family, config string) func(*testing.T, string, string) func() string {
		return func(t *testing.T, dir, path string) func() string {
			write(t, path, "")
			write(t, dir+"/conf", "default-lease-time 600;\nmax-lease-time 600;\nping-check false;\nddns-update-style none;\nauthoritative;\n"+config)
			return program(t, dir, peertest.Require(t, "dhcpd"), family, "-f", "-d", "-cf", dir+"/conf", "-lf", path, "-pf", dir+"/pid", "serve")
		}
	}
	for _, l := range []leaser{
		{"dhcpd", "dhcpd", dhcpd("-4", "subnet 10.9.0.0 netmask 255.255.255.0 { range 10.9.0.10 10.9.0.200; }\n")},
		{"dhcpd with local times", "dhcpd", dhcpd("-4", "db-time-format local;\nsubnet 10.9.0.0 netmask 255.255.255.0 { range 10.9.0.10 10.9.0.200; }\n")},
		{"dhcpd for IPv6", "dhcpd", dhcpd("-6", `server-duid ll ethernet 52:54:00:00:01:01;
subnet6 2001:db8:9::/64 { range6 2001:db8:9::10 2001:db8:9::200; }
on commit { set ddns-fwd-name = "six.example"; }
`)},
		{"dnsmasq", "dnsmasq", func(t *testing.T, dir, path string) func() string {
			return program(t, dir, peertest.Require(t, "dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=serve", "--log-facility=-",
				"--dhcp-range=10.9.0.10,10.9.0.200,10m", "--dhcp-range=2001:db8:9::10,2001:db8:9::200,10m", "--dhcp-leasefile="+path, "--no-ping", "--user=root", "--dhcp-authoritative", "--pid-file="+dir+"/pid")
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			s := startLeaser(t, l)
			mustHave := func(addr netip.Addr, want string, ask func()) {
				t.Helper()
				s.mustHave(addr, want, 10*time.Minute, ask)
			}
			addr := netip.MustParseAddr("2001:db8:9::77")
			switch {
			case l.name == "dhcpd for IPv6":
				mustHave(addr, "six.example.", func() { c.send6(request6, 7, ia6(7, addr, 0), fqdn6("")) })
				return
			case l.format == "dnsmasq":
				mustHave(addr, "six.lan.example.", func() { c.send6(solicit6, 7, ia6(7, addr, 0), fqdn6("six")) })
			}
			for n := range byte(5) {
				host := []string{"pc1", "pc2.lan.example", "o'brien", "tv", "pc5"}[n]
				want := []string{"pc1.lan.example.", "pc2.lan.example.", "o-brien.lan.example.", "tv.lan.example.", "pc5.lan.example."}[n]
				if l.format == "dnsmasq" { // it has its own rules for names
					host = fmt.Sprint("pc", n)
					want = host + ".lan.example."
				}
				addr := netip.AddrFrom4([4]byte{10, 9, 0, 100 + n})
				mustHave(addr, want, func() {
					c.send4(discover, n, addr, host)
					c.send4(request, n, addr, host)
				})
				if n%2 == 0 {
					mustHave(addr, "", func() { c.send4(release, n, addr, "") })
				}
			}
			if st := s.Status(); st.Skipped > 0 || st.Problem != "" {
				t.Errorf("%+v", st)
			}
		})
	}
	t.Run("kea-dhcp6", func(t *testing.T) { followKea6(t, c) })
}

// followKea6 has clients lease addresses of kea-dhcp6 and give them back in all ways, while it cleans up its files
// every second.
func followKea6(t *testing.T, c *client) {
	const short = 3 // seconds
	s := startLeaser(t, leaser{"kea-dhcp6", "kea", func(t *testing.T, dir, path string) func() string {
		write(t, dir+"/conf", fmt.Sprintf(`{"Dhcp6": {
  "interfaces-config": {"interfaces": ["serve"]},
  "server-id": {"type": "LL", "htype": 1, "identifier": "525400000101", "persist": false},
  "lease-database": {"type": "memfile", "name": %q, "lfc-interval": 1},
  "expired-leases-processing": {"reclaim-timer-wait-time": 1, "hold-reclaimed-time": 3600},
  "min-valid-lifetime": %d, "valid-lifetime": 600, "max-valid-lifetime": 600,
  "ddns-qualifying-suffix": "six.example.",
  "subnet6": [{"id": 1, "subnet": "2001:db8:9::/64", "interface": "serve", "rapid-commit": true,
    "pools": [{"pool": "2001:db8:9::10 - 2001:db8:9::200"}],
    "pd-pools": [{"prefix": "2001:db8:a::", "prefix-len": 48, "delegated-len": 56}]}],
  "loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}`, path, short))
		return program(t, dir, peertest.Require(t, "kea-dhcp6"), "-c", dir+"/conf")
	}})
	addr := func(n byte) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 9, 15: 0x70 + n})
	}
	lease := func(n byte, host string, valid byte) func() {
		return func() { c.send6(solicit6, n, ia6(n, addr(n), valid), fqdn6(host)) }
	}
	for n, host := range []string{"steady", "released", "declined", "moved"} {
		s.mustHave(addr(byte(n)), host+".six.example.", 10*time.Minute, lease(byte(n), host, 0))
	}
	s.mustHave(addr(4), "short.six.example.", short*time.Second, lease(4, "short", short))
	s.mustHave(addr(1), "", 0, func() { c.send6(release6, 1, ia6(1, addr(1), 0)) })
	s.mustHave(addr(2), "", 0, func() { c.send6(decline6, 2, ia6(2, addr(2), 0)) })
	s.mustHave(addr(3), "again.six.example.", 10*time.Minute, lease(3, "again", 0))
	s.mustHave(addr(4), "", 0, func() {})

	// The prefix of a router has no name, although the router has one.
	prefix := netip.MustParseAddr("2001:db8:a:100::")
	await(t, "the prefix is leased", func() bool {
		c.send6(solicit6, 5, option6(optionIAPD, []byte{0, 0, 0, 5}, make([]byte, 8), option6(optionIAPrefix, make([]byte, 8), []byte{56}, prefix.AsSlice())), fqdn6("router"))
		s.look(t.Context())
		file, _ := os.ReadFile(s.path)
		return strings.Contains(string(file), prefix.String()+",")
	})
	s.mustHave(addr(6), "after.six.example.", 10*time.Minute, lease(6, "after", 0))
	if list := s.At(prefix); len(list) > 0 {
		t.Errorf("the prefix has the names %v", list)
	}

	cleanups, last := 0, time.Time{}
	await(t, "Kea cleans up twice", func() bool {
		lease(7, "busy", 0)()
		s.look(t.Context())
		if len(s.At(addr(0))) != 1 || len(s.At(addr(4))) > 0 {
			t.Fatalf("steady has %v, short has %v", s.At(addr(0)), s.At(addr(4)))
		}
		if info, err := os.Stat(s.path + ".2"); err == nil && !info.ModTime().Equal(last) {
			cleanups, last = cleanups+1, info.ModTime()
		}
		return cleanups >= 2
	})
	want := []string{addr(0).String() + " steady.six.example.", addr(3).String() + " again.six.example.", addr(6).String() + " after.six.example.", addr(7).String() + " busy.six.example."}
	var got []string
	for l := range s.All() {
		got = append(got, fmt.Sprint(l.Addr, " ", l.Name))
	}
	slices.Sort(got)
	mustEqual(t, "in the end", got, want...)
	if st := s.Status(); st.Skipped > 0 || st.Problem != "" {
		t.Errorf("%+v\n%s", st, s.output())
	}
}
