// Package emit writes configuration for the neighbours of a ptrd so that they know its
// zones: secondaries (BIND, NSD, Knot DNS, PowerDNS), resolvers (Unbound, BIND, dnsmasq,
// systemd-resolved, PowerDNS Recursor) and DHCP servers that update it (Kea, ISC dhcpd).
//
// targets.go lists the programs; each has a template in templates/. Each text begins with
// comments in the program's own style: what it is, which file it goes into, and what else
// the program needs. A TSIG key appears by its name; its secret is in a separate file that
// the text includes and whose form the comments show.
package emit
