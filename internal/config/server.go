package config

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/finding"
	"gopkg.in/yaml.v3"
)

// defaultConfig returns the configuration of an empty file. config.example.yaml documents
// the same values.
func defaultConfig() *Config {
	return &Config{
		Listen: Listen{DNS: []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv4Unspecified(), 53),
			netip.AddrPortFrom(netip.IPv6Unspecified(), 53),
		}},
		StateDir: "/var/lib/ptrd",
		Limits:   defaultLimits(),
		Cookies:  Cookies{Enabled: true, Require: "limited"},
		RateLimit: RateLimit{
			Answers: 200, NoData: 200, NXDomains: 200, Referrals: 200, // as in NSD
			Errors: 50, // no resolver needs many
			All:    1000,
			Window: 5 * time.Second,                   // allows the burst of a mail server
			Slip:   2, IPv4Prefix: 24, IPv6Prefix: 56, // as in BIND
			TableSize: 1 << 17, // 1 MiB
		},
		Route53: defaultRoute53(),
		EC2:     EC2{TTL: 5 * time.Minute},                 // a name that was corrected is soon seen
		Audit:   Audit{Interval: 24 * time.Hour, Rate: 10}, // a /16 in two hours
		Log:     Log{Level: "info", Format: "text"},
		Reload: Reload{
			Quiet:       5 * time.Second,     // programs pause while they write a file; see watch.DefaultQuiet
			KeepRemoved: 30 * 24 * time.Hour, // as long as the history, and longer than a holiday
			MaxShrink:   defaultShrink,
		},
		Defaults: Defaults{
			TTL:   time.Hour,
			NSTTL: 24 * time.Hour,
			// RIPE-203, but with the negative TTL of RFC 2308 §5: a PTR just added is
			// queried soon, by the mail server that just rejected a mail.
			SOA:      SOA{Refresh: 24 * time.Hour, Retry: 2 * time.Hour, Expire: 1000 * time.Hour, Minimum: time.Hour},
			Transfer: Transfer{NameServers: true}, // RFC 1996 §2
			// Room for about a million changes of one PTR. Most outages of a secondary are
			// shorter; after a longer one it needs a full transfer.
			History:       History{MaxSize: 64 << 20, MaxAge: 30 * 24 * time.Hour},
			MaxShrink:     defaultShrink,
			SynthTransfer: TransferRule,
		},
	}
}

// config reads all files; the first is the main one.
func (all values) config() *Config {
	v := all[0]
	c := defaultConfig()
	c.File, c.Dir = v.doc.file, v.doc.dir
	hasZones := false
	var section value
	all.sections(
		shared("include", func(values) {}), // see withIncluded
		single("listen", func(v value) { v.listen(&c.Listen) }),
		single("state_dir", func(v value) { c.StateDir = v.filePath() }),
		single("directory", func(v value) {
			if s, ok := v.scalar(); ok && s != "" {
				v.doc.sources = v.filePath()
			}
		}),
		single("user", func(v value) { c.User = v.userName() }),
		single("identity", func(v value) { v.identity(&c.Identity) }),
		shared("keys", func(all values) { c.Keys = v.doc.readKeys(all) }),
		shared("acls", func(all values) { v.doc.readACLs(all) }),
		single("access", func(v value) { v.access(&c.Access) }),
		single("limits", func(v value) { v.limits(&c.Limits) }),
		single("cookies", func(v value) { v.cookies(&c.Cookies) }),
		single("rate_limit", func(v value) { v.rateLimit(&c.RateLimit) }),
		single("log", func(v value) { v.log(c) }),
		single("metrics", func(v value) {
			v.mapping(field{"per_zone", func(v value) { c.Metrics.PerZone = v.boolean() }})
		}),
		single("reload", func(v value) { v.reload(&c.Reload) }),
		single("defaults", func(v value) {
			before := v.doc.errors()
			v.defaults(&c.Defaults)
			v.doc.isFaulty = v.doc.errors() > before
		}),
		single("route53", func(v value) { section = v }),
		single("ec2", func(v value) { v.ec2(&c.EC2) }),
		single("audit", func(v value) { v.audit(&c.Audit) }),
		shared("zones", func(all values) {
			n := 0
			for _, v := range all {
				hasZones = hasZones || !v.isNull()
				n += len(v.node.Content) // list reports a value that is not a list
			}
			c.Zones = make([]Zone, 0, n)
			z := newItem()
			all.list(func(v value) { c.Zones = append(c.Zones, v.zone(z, &c.Defaults)) })
		}),
		shared("zones_from", func(all values) {
			hasZones = true
			all.list(func(v value) {
				if z, ok := v.zonesFrom(&c.Defaults); ok {
					c.ZonesFrom = append(c.ZonesFrom, z)
				}
			})
			v.doc.checkDirectories(c.ZonesFrom)
		}),
		shared("catalogs", func(all values) {
			all.list(func(v value) { c.Catalogs = append(c.Catalogs, v.catalog(&c.Defaults)) })
		}),
	)
	if !hasZones && v.isMapping() {
		v.fail("`zones` is missing, so that nothing would be served; add a zone, or write `zones: []` to serve none")
	}
	if section.node == nil {
		section = value{v.doc, &yaml.Node{Kind: yaml.MappingNode}, "route53"}
	}
	section.route53(&c.Route53, &c.Listen, &c.Defaults)
	v.doc.checkHosts(&c.Defaults.Checks)
	v.doc.checkRoute53(c)
	v.doc.checkZones(c.Zones)
	v.doc.checkSynth(c.Zones)
	v.doc.checkCatalogs(c)
	return c
}

func (v value) userName() string {
	s, ok := v.text()
	if ok && strings.ContainsAny(s, " \t\n:/") {
		v.fail("%q is not a user name; write only the name, its groups are used too", s)
		return ""
	}
	return s
}

// Maximum octets of an NSID, which increases every answer that has it, and of a CHAOS
// text, which is a character-string (RFC 1035 §3.3).
const maxNSID, maxChaos = 128, 255

func (v value) identity(id *Identity) {
	chaos := func(v value) string {
		s, _ := v.scalar()
		if len(s) > maxChaos {
			v.fail("%d octets, must be at most %d; shorten it", len(s), maxChaos)
			return ""
		}
		return s
	}
	v.mapping(
		field{"nsid", func(v value) { id.NSID = v.octets(maxNSID) }},
		field{"version", func(v value) { id.Version = chaos(v) }},
		field{"server", func(v value) { id.Server = chaos(v) }},
	)
}

func (v value) access(a *Access) {
	every := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	v.mapping(
		field{"allow", func(v value) {
			a.Allow = prefixes(v.oneOrMore)
			if slices.Contains(a.Allow, every[0]) && slices.Contains(a.Allow, every[1]) {
				a.Allow = nil
			}
		}},
		field{"deny", func(v value) { a.Deny = prefixes(v.each) }},
	)
}

func (v value) reload(r *Reload) {
	v.mapping(
		field{"keep_removed", duration(&r.KeepRemoved, 0, maxSpan)},
		field{"max_shrink", func(v value) { r.MaxShrink = v.shrink() }},
		field{"quiet", duration(&r.Quiet, 100*time.Millisecond, time.Hour)},
	)
}

// Bounds of the audit. A resolver answers thousands of questions in a second, and others ask it too.
const (
	minAuditInterval = time.Minute
	maxAuditRate     = 1000
)

func (v value) audit(a *Audit) {
	v.mapping(
		field{"interval", duration(&a.Interval, minAuditInterval, maxSpan)},
		field{"rate", number(&a.Rate, 1, maxAuditRate, "questions in a second")},
		field{"resolvers", func(v value) { a.Resolvers = v.resolvers() }},
	)
}

// resolvers reads addresses of resolvers.
func (v value) resolvers() []netip.AddrPort {
	return distinct(v.each, func(v value) (a netip.AddrPort, key netip.AddrPort, ok bool) {
		a = v.addrPort(53)
		return a, a, a.IsValid()
	})
}

func (v value) log(c *Config) {
	v.mapping(
		field{"level", func(v value) { c.Log.Level = v.oneOf("debug", "info", "warn", "error") }},
		field{"format", func(v value) { c.Log.Format = v.oneOf("text", "json") }},
		field{"queries", number(&c.Limits.LogQueries, 0, 1<<30, "queries")},
	)
}

// secretOctets is the length of the key of SipHash-2-4 (RFC 9018 §4.4).
const secretOctets = 16

// maxSecrets bounds the cookie secrets: each costs a hash for every query with an invalid
// cookie. A rollover needs two (RFC 9018 §5).
const maxSecrets = 8

func (v value) cookies(c *Cookies) {
	v.mapping(
		field{"enabled", func(v value) { c.Enabled = v.boolean() }},
		field{"require", func(v value) {
			if c.Require = v.oneOf("never", "limited", "always"); c.Require == "always" && !c.Enabled {
				v.fail("required cookies need `enabled: true`; set it, or remove the key")
			}
		}},
		field{"secrets", func(v value) {
			v.list(func(v value) {
				c.Pos = v.pos()
				s, ok := v.scalar()
				if !ok {
					return
				}
				b, err := parseSecret(s)
				if err != nil {
					v.fail("%v", err)
				}
				c.Secrets = append(c.Secrets, b)
			})
			if len(c.Secrets) > maxSecrets {
				v.fail("%d secrets, must be at most %d; remove the oldest", len(c.Secrets), maxSecrets)
			}
		}},
		field{"secret_files", func(v value) {
			v.each(func(v value) { c.Files = append(c.Files, v.file()) })
		}},
	)
}

// parseSecret reads a cookie secret. The error does not contain it, because errors are
// logged.
func parseSecret(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != secretOctets {
		return nil, fmt.Errorf("the secret has %d characters, must be %d hexadecimal digits; make one with `openssl rand -hex %d`", len(s), 2*secretOctets, secretOctets)
	}
	return b, nil
}

// readFiles adds the secrets in the files, one a line, to those in the configuration.
// Empty lines and lines that begin with # are ignored.
func (c *Cookies) readFiles(read reader) error {
	var errs Errors
	for _, f := range c.Files {
		data, err := read(f.Path, maxKeyFile)
		if err != nil {
			errs = append(errs, errorAt(f.Pos, "cookies.secret_files", "%v", err))
			continue
		}
		count := 0
		lines := bufio.NewScanner(bytes.NewReader(data))
		for n := 1; lines.Scan(); n++ {
			s := strings.TrimSpace(lines.Text())
			if s == "" || s[0] == '#' {
				continue
			}
			b, err := parseSecret(s)
			if err != nil {
				errs = append(errs, errorAt(finding.Position{File: f.Path, Line: n}, "", "%v", err))
			}
			count++
			c.Secrets = append(c.Secrets, b)
		}
		if count == 0 {
			errs = append(errs, errorAt(f.Pos, "cookies.secret_files", "%s has no secret; make one with `openssl rand -hex %d`", f.Path, secretOctets))
		}
	}
	if n := len(c.Secrets); n > maxSecrets && len(errs) == 0 {
		errs = append(errs, errorAt(c.Files[0].Pos, "cookies.secret_files", "%d secrets in total, must be at most %d; remove the oldest", n, maxSecrets))
	}
	if len(errs) > 0 {
		finding.Sort(errs)
		return errs
	}
	return nil
}
