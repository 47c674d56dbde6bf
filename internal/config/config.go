// Package config reads ptrd's YAML file into plain data. It knows YAML,
// addresses, names and durations; it does not know what zones contain.
package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Config is a whole configuration, defaults filled in.
type Config struct {
	File      string // as given
	Dir       string // directory that relative paths start at
	Listen    Listen
	StateDir  string // absolute or relative to the working directory: already joined with Dir
	User      string // to drop to when started as root; empty: none
	Identity  Identity
	Access    Access
	Limits    Limits
	Cookies   Cookies
	RateLimit RateLimit
	Log       Log
	Metrics   Metrics
	Reload    Reload
	Keys      []Key
	Defaults  Defaults
	Zones     []Zone
	Catalogs  []Catalog

	Exposed []Problem // warnings of files with secrets that every user of the host can read
}

// Listen are the sockets.
type Listen struct {
	DNS   []netip.AddrPort // UDP and TCP each
	TLS   *ListenTLS       // nil: none
	Admin netip.AddrPort   // zero: none
	Hosts []string         // names that requests may call the admin listener by, in lower case, without a final dot
	Pprof bool             // on the admin listener

	Freebind bool // bind addresses that no interface has yet (Linux)
}

// Identity is what the server tells about itself.
type Identity struct {
	NSID    []byte // RFC 5001; nil: none
	Version string // answer to version.bind CH TXT; empty: refused
	Server  string // answer to id.server and hostname.bind; empty: refused
}

// Access says who may query.
type Access struct {
	Allow []netip.Prefix // nil: everybody
	Deny  []netip.Prefix // goes before Allow
}

// Cookies are DNS cookies (RFC 7873, RFC 9018).
type Cookies struct {
	Enabled bool
	Require string   // of UDP clients that send a cookie, a good one: never, limited (when their answer is over a rate limit), always
	Secrets [][]byte // 16 octets each, the first makes cookies, the others are accepted as well; nil: a random one, kept in the state directory
	Files   []File   // that Load read further secrets from, one a line; to be watched
}

// Log says what is logged and how.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Metrics says what is counted beside the totals.
type Metrics struct {
	PerZone bool
}

// Reload says when and how changes of files are taken over.
type Reload struct {
	Quiet time.Duration // that a file is unchanged before it counts as complete, unless it was closed or renamed

	KeepRemoved time.Duration // how long the data of a zone are kept that is served no longer
	MaxShrink   Shrink        // of the zones of the configuration, and of those of each catalog
}

// NameServer is a name server of a zone or of a delegation.
type NameServer struct {
	Name      dname.Name
	Addresses []netip.Addr
	Pos       source.Position
}

// SOA are the timers of a generated SOA.
type SOA struct {
	Refresh, Retry, Expire, Minimum time.Duration
	MName                           dname.Name // nil: the first name server
}

// Defaults are what zones have that do not say otherwise.
type Defaults struct {
	NameServers []NameServer
	Contact     dname.Name // RNAME; nil: hostmaster at the first name server's parent
	TTL         time.Duration
	NSTTL       time.Duration
	SOA         SOA
	Transfer    Transfer
	History     History
	MaxShrink   Shrink // of the records of a zone
}

// History bounds what is remembered of a zone's changes.
type History struct {
	MaxSize int           // octets
	MaxAge  time.Duration // of a change
}

// Zone is one item of `zones`, the defaults filled in. No two items make the same
// apex; two may share a classless prefix under different names, of which the first
// is the one for a parent to point to.
type Zone struct {
	Path        string          // key path, `zones[3]`
	Pos         source.Position // of the item
	Prefix      netip.Prefix    // invalid: given by name alone
	Name        dname.Name      // as given, or of the prefix where that is one zone; nil: the prefix makes several
	Apexes      []dname.Name    // the zones this item makes, at least one, in ascending order of their prefixes
	Origin      dname.Name      // what relative names in files and records start at: Name, or the enclosing octet's or nibble's
	Files       []File          // master files, paths joined with Dir
	Hosts       []File          // hosts(5) files
	HostsDomain dname.Name      // completes names without a dot in them; nil: they are an error
	PTR         []PTR
	Records     []Record // any type at any owner
	Delegate    []Delegation
	Defaults    // name servers, contact, TTLs, SOA of this zone; Contact is nil only without name servers
	Explicit    Explicit
	Access      *Access // nil: the global one alone
	Update      Update
	Dynamic     bool       // no source but updates; Files has what it begins with, or nothing
	Secondary   *Secondary // nil: the zone is ours; else the fields from Files to Delegate are empty
}

// Explicit says which of a zone's Defaults its own item gave; SOA: any of its
// timers or the MNAME, TTL: `ttl`, not `ns_ttl`.
type Explicit struct{ NameServers, Contact, SOA, TTL, MaxShrink bool }

// File is a path and where it was named.
type File struct {
	Path string
	Pos  source.Position
}

// PTR are the names of one address.
type PTR struct {
	Addr    netip.Addr
	Targets []dname.Name
	TTL     time.Duration // negative: the zone's
	Pos     source.Position
}

// Record is a record in presentation form.
type Record struct {
	Owner dname.Name
	Type  string
	Data  string        // RDATA as a master file has it; relative names start at the zone's Origin
	TTL   time.Duration // negative: the zone's
	Pos   source.Position
}

// Delegation is a part of a zone that others serve. An item whose prefix is not
// on an octet or nibble boundary makes several.
type Delegation struct {
	Prefix      netip.Prefix // invalid: the name given is not of a prefix; /25 to /31: CNAMEs lead to Name (RFC 2317)
	Name        dname.Name   // apex of the child, below one of the zone's apexes
	NameServers []NameServer
	DS          []string      // RDATA in presentation form
	TTL         time.Duration // negative: the zone's NSTTL
	Pos         source.Position
}
