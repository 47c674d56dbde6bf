// Package emit writes the configuration of other programs that work with ptrd: secondaries
// (BIND, NSD, Knot DNS, PowerDNS), resolvers (Unbound, BIND, dnsmasq, systemd-resolved,
// PowerDNS Recursor) and DHCP servers that send updates (Kea, ISC dhcpd).
//
// request.go selects zones, addresses and keys from the configuration of ptrd. targets.go
// lists the programs. Each has a template in templates/; emit.go and special.go have the
// functions that templates call. A new program is an entry in targets.go and a template.
//
// Each text begins with comments in the syntax of the program: its purpose, the file that it
// belongs into, and what else is needed. TSIG keys appear by name; their secrets are in a
// separate file, which the text includes. The comments show its form.
package emit
