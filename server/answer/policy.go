package answer

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
)

// Policy has access lists, what the server reports about itself, and the limits of answers. It is
// immutable once it is in a View.
type Policy struct {
	Access         ACL
	Zones          *zone.Map[ZonePolicy] // zones that have no policy of their own are not in it
	HasZoneAccess  bool                  // one of Zones has Access
	CountsZones    bool                  // one of Zones has Queries
	NSID           []byte                // RFC 5001; nil: none
	Version        string                // version.bind CH TXT; empty: refused
	Server         string                // id.server and hostname.bind CH TXT; empty: refused
	UDPSize        int                   // octets, largest UDP response; 0: DefaultUDPSize
	Cookies        *Cookies              // nil: off
	RequireCookies CookieRequirement     // of UDP clients that send a cookie
	RateLimit      *RateLimit            // of UDP answers; nil: none
	Known          *Known                // nil: no client is, but those with a cookie
	Keys           *tsig.Keys            // that requests are signed with; nil: none
}

// ZonePolicy is the policy of one zone, or of several that have no counters of their own.
type ZonePolicy struct {
	Access    *ACL           // clients that may query the zone; nil: those of [Policy.Access]
	Transfers Peers          // clients that may transfer it
	Queries   *atomic.Uint64 // counts the queries that are answered from it; nil: they are not counted
	Expires   *atomic.Int64  // when the copy of a secondary zone expires, in Unix seconds; nil: ptrd is primary
}

// CookieRequirement is when UDP clients that send a cookie get BADCOOKIE until the cookie is
// valid (RFC 7873 §5.2.3). Clients that send none never get it.
type CookieRequirement uint8

// The requirements.
const (
	RequireNever   CookieRequirement = iota
	RequireLimited                   // if their answer is over a rate limit; the next one then is not limited
	RequireAlways
)

// DefaultUDPSize is the default size of the largest UDP response. With its headers it fits into
// the minimum MTU of IPv6, so that no answer is fragmented (RFC 9715 §3.1). Larger answers
// would be lost where fragments are dropped; a smaller limit only sends more clients to TCP.
const DefaultUDPSize = 1232

// udpSize returns the limit of UDP responses, at least the size that every client accepts.
func (p *Policy) udpSize() int {
	switch {
	case p.UDPSize == 0:
		return DefaultUDPSize
	case p.UDPSize < 512:
		return 512
	}
	return p.UDPSize
}

// maySee reports whether the client of q may ask for what is in zone z, beyond
// [Policy.Access].
func (p *Policy) maySee(z *zone.Zone, q *Request) bool {
	return !p.HasZoneAccess && q.Key == nil || p.zoneAllows(z, q)
}

// zoneAllows checks the lists of the zone, if it has any. A client that may transfer the zone by
// a key may query it: a secondary asks for the SOA first.
func (p *Policy) zoneAllows(z *zone.Zone, q *Request) bool {
	if q.Key != nil {
		if p.mayTransfer(z, q) {
			return true
		}
		if !p.Access.Allows(q.Client.Addr()) { // which Respond did not check
			return false
		}
	}
	own := p.Zones.Of(z)
	return own == nil || own.Access == nil || own.Access.Allows(q.Client.Addr())
}

// mayTransfer reports whether the client of q may transfer zone z.
func (p *Policy) mayTransfer(z *zone.Zone, q *Request) bool {
	own := p.Zones.Of(z)
	return own != nil && own.Transfers.Allow(q.Client.Addr(), q.Key)
}

// countQuery counts a query answered from zone z, if zones count queries.
func (p *Policy) countQuery(z *zone.Zone) {
	if p.CountsZones {
		p.countZone(z)
	}
}

func (p *Policy) countZone(z *zone.Zone) {
	if own := p.Zones.Of(z); own != nil && own.Queries != nil {
		own.Queries.Add(1)
	}
}
