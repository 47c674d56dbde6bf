package config

import (
	"net/netip"
	"strings"
)

// Listen has the addresses of the listeners.
type Listen struct {
	DNS   []netip.AddrPort // each UDP and TCP
	TLS   *ListenTLS       // nil: none
	Admin netip.AddrPort   // zero: none
	Hosts []string         // Host headers that the admin listener accepts, in lower case, without a final dot
	Pprof bool             // on the admin listener

	Route53 *ListenAPI // nil: none
	EC2     *ListenAPI // nil: none

	Freebind bool // bind to addresses that no interface has yet (Linux)
}

func (v value) listen(l *Listen) {
	first := map[netip.AddrPort]value{}
	once := func(v value, ap netip.AddrPort) {
		if was, twice := first[ap]; twice && ap.Port() != 0 { // port 0 is a different port each time
			v.fail("%v is used by %s already; remove one of the two, or change its port", ap, was.path)
		}
		first[ap] = v
	}
	v.mapping(
		field{"dns", func(v value) {
			l.DNS = []netip.AddrPort{}
			v.each(func(v value) {
				ap := v.addrPort(53)
				once(v, ap)
				l.DNS = append(l.DNS, ap)
			})
		}},
		field{"tls", func(v value) { l.TLS = v.listenTLS(once) }},
		field{"admin", func(v value) {
			if s, ok := v.scalar(); ok && s != "" {
				l.Admin = v.addrPort(9153)
				once(v, l.Admin)
			}
		}},
		field{"route53", func(v value) { l.Route53 = v.listenAPI(4566, once) }},
		field{"ec2", func(v value) { l.EC2 = v.listenAPI(4567, once) }},
		field{"admin_hosts", func(v value) {
			v.each(func(v value) {
				if name := v.name(); name != nil {
					l.Hosts = append(l.Hosts, strings.ToLower(strings.TrimSuffix(name.String(), ".")))
				}
			})
		}},
		field{"freebind", func(v value) { l.Freebind = v.boolean() }},
		field{"pprof", func(v value) {
			if l.Pprof = v.boolean(); l.Pprof && !l.Admin.IsValid() {
				v.fail("profiles need the admin listener; give `listen.admin` an address")
			}
		}},
	)
}
