package server

import "net/netip"

// Policy is who may ask what, how the server presents itself, and the limits
// that belong to answers. It is immutable once in a View.
type Policy struct {
	Access     ACL
	ZoneAccess map[string]*ACL // by dname.Name.Key of the apex; nil where no zone has one
	NSID       []byte          // RFC 5001; nil: none
	Version    string          // version.bind CH TXT; empty: refused
	Server     string          // id.server and hostname.bind CH TXT; empty: refused
	UDPSize    int             // octets, largest UDP response
	Cookies    *Cookies        // nil: off
}

// ACL is an access list by prefix; the zero value lets everybody in.
type ACL struct{}

// NewACL returns the list that refuses the addresses in deny and then lets those
// in allow in, or everybody where allow is empty.
func NewACL(allow, deny []netip.Prefix) ACL { panic("stub") }

// Cookies makes and checks DNS server cookies (RFC 7873, RFC 9018).
type Cookies struct{}

// NewCookies returns Cookies that makes them with the first secret and takes
// those of all; each secret is 16 octets.
func NewCookies(secrets [][]byte) (*Cookies, error) { panic("stub") }
