// Package emit writes what the neighbours of a ptrd need in their own
// configuration so that they know its zones: secondaries (BIND, NSD, Knot DNS,
// PowerDNS), resolvers (unbound, BIND, dnsmasq, systemd-resolved, PowerDNS Recursor)
// and DHCP servers that update it (Kea, ISC dhcpd).
//
// One file a program. Each text begins with comments in the program's own style that
// say what it is, which file it goes into, and what the program needs beside it. A
// TSIG key appears by its name; its secret is in a file of its own that the text
// includes, and of which the comments show the form.
package emit
