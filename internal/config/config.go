// Package config reads the YAML configuration of ptrd, checks it and returns it as plain
// data with all defaults applied. It depends on YAML, addresses, names and durations, and
// not on zone contents or sockets.
//
//	config.go     the data: Config, Zone and their parts
//	load.go       file → YAML tree; loader.go reads again only what changed
//	value.go      reading a YAML node: mappings, lists, scalars (scalar.go), names (names.go)
//	server.go     the top level and global sections; listen.go, limits.go, ratelimit.go, keys.go, tls.go
//	zone.go       an item of zones; defaults.go, ptr.go, records.go, delegate.go, derive.go, transfer.go, secondary.go, update.go
//	route53.go    the Route 53 API and its access keys; ec2.go: Elastic IP addresses
//	catalog.go    an item of catalogs; follow.go for those of other servers
//	checkzones.go checks between items
//
// A new limit is a field, a default and a key in limits.go. Any other new key is a field
// of a struct in config.go and a field{} in the function that reads its mapping; its
// default is in defaultConfig, and config.example.yaml shows it. Every error has a
// position, a key path and a remedy; testdata/errors has them all, and
// go test ./internal/config -update rewrites it.
package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
)

// Config is a configuration with its defaults applied.
type Config struct {
	File      string // path as given
	Dir       string // relative paths are relative to it
	Listen    Listen
	StateDir  string // joined with Dir
	User      string // to change to after starting as root; empty: none
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
	Zones     []Zone // of `zones`, and of the files that `zones_from` selects
	ZonesFrom []ZonesFrom
	Catalogs  []Catalog
	Route53   Route53
	EC2       EC2
	Audit     Audit

	// Warnings are about names of zones, files with secrets that every user of the host can read,
	// and files of ZonesFrom that are not used. The latter are errors.
	Warnings []finding.Finding
}

// Identity is what the server reveals about itself.
type Identity struct {
	NSID    []byte // RFC 5001; nil: none
	Version string // answer to version.bind CH TXT; empty: refused
	Server  string // answer to id.server and hostname.bind; empty: refused
}

// Access lists the clients that may query.
type Access struct {
	Allow []netip.Prefix // nil: every client
	Deny  []netip.Prefix // takes precedence over Allow
}

// Cookies are DNS cookies (RFC 7873, RFC 9018).
type Cookies struct {
	Enabled bool
	Require string           // when UDP clients need a valid cookie: never, limited (if their answer is over a rate limit), always
	Secrets [][]byte         // 16 octets each; the first creates cookies, all are accepted; nil: a random one in the state directory
	Pos     finding.Position // of Secrets; zero: the configuration has none
	Files   []File           // with further secrets, one a line
}

// Log configures logging.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Metrics configures what is counted in addition to the totals.
type Metrics struct {
	PerZone bool
}

// Reload configures when and how changed files are loaded.
type Reload struct {
	Quiet time.Duration // a file that was not closed or renamed is complete after this time without a change

	KeepRemoved time.Duration // how long the data of a removed zone are retained
	MaxShrink   Shrink        // of the zones of the configuration, and of each catalog
}

// Audit configures the confirmation of reverse names.
type Audit struct {
	Interval  time.Duration    // between the beginnings of two passes
	Rate      int              // questions to resolvers in a second
	Resolvers []netip.AddrPort // for names of zones that are not served here
}

// NameServer is a name server of a zone or of a delegation.
type NameServer struct {
	Name      dname.Name
	Addresses []netip.Addr
	Pos       finding.Position
}

// SOA are the timers of a generated SOA.
type SOA struct {
	Refresh, Retry, Expire, Minimum time.Duration
	MName                           dname.Name // nil: the first name server
}

// Defaults are the settings of zones that have none of their own.
type Defaults struct {
	NameServers   []NameServer
	Contact       dname.Name // RNAME; nil: hostmaster in the domain of the first name server
	TTL           time.Duration
	NSTTL         time.Duration
	SOA           SOA
	Transfer      Transfer
	History       History
	MaxShrink     Shrink // of the records of a zone
	Checks        rule.Checks
	Audit         bool    // reverse names are confirmed in the background
	Derive        *Derive // nil: no names are derived; nor in zones without prefix, secondary and dynamic zones
	SynthTransfer SynthTransfer
}

// History bounds the journal of a zone.
type History struct {
	MaxSize int           // octets
	MaxAge  time.Duration // of a change
}

// Zone is one item of `zones` with its defaults applied. No two items have the same apex;
// two may share a classless prefix under different names, of which the first is the one
// that CNAMEs in the parent point to.
type Zone struct {
	Path   string           // key path, `zones[3]`
	Pos    finding.Position // of the item, or the file that is the zone
	From   *ZonesFrom       // whose file it is; nil: it is an item
	Prefix netip.Prefix     // invalid: given by name alone
	Name   dname.Name       // as given, or of the prefix if that is one zone; nil: the prefix is several zones
	Apexes []dname.Name     // of the zones of this item, at least one, in ascending order of their prefixes
	Origin dname.Name       // relative names in files and records are relative to it: Name, or the name of the enclosing octet or nibble
	Files  []File           // master files, paths joined with Dir
	*ZoneOptions
}

// ZoneOptions are what an item of `zones` has in addition to its name and its files, or has
// from `defaults`. Items without keys of their own share them, so that many cost little.
type ZoneOptions struct {
	Hosts       []File     // hosts(5) files
	HostsDomain dname.Name // appended to names without a dot; nil: those are an error
	PTR         []PTR
	Records     []Record // any type at any owner
	Delegate    []Delegation
	Synth       []Synth
	Defaults    // name servers, contact, TTLs, SOA of this zone; Contact is nil only without name servers
	Explicit    Explicit
	Access      *Access // nil: only the global one
	Update      Update
	Dynamic     bool       // no source but updates; Files has at most the seed
	Secondary   *Secondary // nil: ptrd is primary; otherwise the fields from Files to Delegate are empty
}

// Explicit records which of a zone's Defaults are set in its own item. SOA: any timer or
// the MNAME; TTL: `ttl`, not `ns_ttl`.
type Explicit struct{ NameServers, Contact, SOA, TTL, MaxShrink, Derive, SynthTransfer bool }

// File is a path and the position of its key.
type File struct {
	Path string
	Pos  finding.Position
}

// PTR are the names of one address.
type PTR struct {
	Addr    netip.Addr
	Targets []dname.Name
	TTL     time.Duration // negative: that of the zone
	Pos     finding.Position
}

// Record is a record in presentation form.
type Record struct {
	Owner dname.Name
	Type  string
	Data  string        // RDATA as in a master file; relative names are relative to the Origin of the zone
	TTL   time.Duration // negative: that of the zone
	Pos   finding.Position
}

// Delegation is a zone cut. An item of `delegate` whose prefix is not on an octet or
// nibble boundary becomes several.
type Delegation struct {
	Prefix      netip.Prefix  // invalid: the name is not that of a prefix; /25 to /31: CNAMEs point to Name (RFC 2317)
	Name        dname.Name    // apex of the child, below one of the zone's apexes
	NameServers []NameServer  // nil: DName is set
	DName       dname.Name    // to which the names below Name are redirected (RFC 6672), in place of a zone cut; nil: none
	DS          []string      // RDATA in presentation form
	TTL         time.Duration // negative: that of the zone NSTTL
	Pos         finding.Position
}
