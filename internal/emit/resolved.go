package emit

import "strings"

var resolved = Target{
	Name: "systemd-resolved", Program: "systemd-resolved", Roles: []Role{Resolver}, HasLink: true,
	text: func(p *printer) error {
		var servers, domains, anchors []string
		for _, s := range p.Servers {
			servers = append(servers, withColon(s))
		}
		for _, z := range p.Zones {
			domains = append(domains, "~"+bare(z.Apex))
		}
		if p.Unsigned { // it knows by itself of the special ones
			for _, z := range p.Zones {
				anchors = append(anchors, bare(z.Apex))
			}
		}
		if p.Link != "" {
			p.head("#", "systemd-resolved of systemd 246 and later", "Goes into a drop-in of the .network file that configures "+p.Link+", such as /etc/systemd/network/10-"+p.Link+".network.d/ptrd.conf; `networkctl reload`.")
			p.note("#", "Only names in these zones are asked for there, if the link has no other DNS servers: those of one link are asked for all of its domains.")
			p.line("\n[Network]")
		} else {
			p.head("#", "systemd-resolved of systemd 258 and later", "Goes into /etc/systemd/dns-delegate.d/ptrd.dns-delegate; `systemctl reload systemd-resolved`.")
			p.note("#", "For older versions, `ptrd emit systemd-resolved --link INTERFACE` writes a drop-in for systemd-networkd.")
			if len(anchors) > 0 {
				p.note("#", "Where it validates, these go into /etc/dnssec-trust-anchors.d/ptrd.negative, one a line: %s", strings.Join(anchors, " "))
			}
			p.line("\n[Delegate]")
		}
		for _, s := range servers {
			p.line("DNS=%s", s)
		}
		for i, d := range domains {
			p.zoneNote("#", p.Zones[i])
			p.line("Domains=%s", d)
		}
		if p.Link != "" {
			p.line("DNSDefaultRoute=no")
			for _, a := range anchors {
				p.line("DNSSECNegativeTrustAnchors=%s", a)
			}
		} else {
			p.line("DefaultRoute=no")
		}
		return nil
	},
}
