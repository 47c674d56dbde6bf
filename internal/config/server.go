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

	"github.com/ptrd/ptrd/zone/source"
)

// defaultConfig returns what an empty file would mean; config.example.yaml shows
// the same values to people, with their reasons.
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
			Answers: 200, NoData: 200, NXDomains: 200, Referrals: 200, // NSD's limit too
			Errors: 50, // no resolver needs many of them
			All:    1000,
			Window: 5 * time.Second,                   // lets a mail server's burst pass
			Slip:   2, IPv4Prefix: 24, IPv6Prefix: 56, // as BIND has them
			TableSize: 1 << 17, // 1 MiB
		},
		Log: Log{Level: "info", Format: "text"},
		Reload: Reload{
			Quiet:       5 * time.Second,     // generators pause while they write; see watch.DefaultQuiet
			KeepRemoved: 30 * 24 * time.Hour, // as long as history, and longer than a holiday
			MaxShrink:   defaultShrink,
		},
		Defaults: Defaults{
			TTL:   time.Hour,
			NSTTL: 24 * time.Hour,
			// RIPE-203, but for a negative TTL by RFC 2308 §5: a PTR just added is
			// asked for at once, by the mail server that just refused a mail.
			SOA:      SOA{Refresh: 24 * time.Hour, Retry: 2 * time.Hour, Expire: 1000 * time.Hour, Minimum: time.Hour},
			Transfer: Transfer{NameServers: true}, // RFC 1996 §2
			// About a million changes of one PTR; and longer than a secondary is away
			// before it has to take the whole zone anew.
			History:   History{MaxSize: 64 << 20, MaxAge: 30 * 24 * time.Hour},
			MaxShrink: defaultShrink,
		},
	}
}

// config reads the whole file.
func (v value) config() *Config {
	c := defaultConfig()
	c.File, c.Dir = v.doc.file, v.doc.dir
	hasZones := false
	v.mapping(
		field{"listen", func(v value) { v.listen(&c.Listen) }},
		field{"state_dir", func(v value) { c.StateDir = v.filePath() }},
		field{"user", func(v value) { c.User = v.userName() }},
		field{"identity", func(v value) { v.identity(&c.Identity) }},
		field{"access", func(v value) { v.access(&c.Access) }},
		field{"limits", func(v value) { v.limits(&c.Limits) }},
		field{"cookies", func(v value) { v.cookies(&c.Cookies) }},
		field{"rate_limit", func(v value) { v.rateLimit(&c.RateLimit) }},
		field{"log", func(v value) { v.log(c) }},
		field{"metrics", func(v value) {
			v.mapping(field{"per_zone", func(v value) { c.Metrics.PerZone = v.truth() }})
		}},
		field{"reload", func(v value) { v.reload(&c.Reload) }},
		field{"keys", func(v value) { c.Keys = v.keys() }},
		field{"defaults", func(v value) { v.defaults(&c.Defaults) }},
		field{"zones", func(v value) {
			hasZones = !v.isNull()
			c.Zones = make([]Zone, len(v.node.Content)) // where it is no list, it is refused
			z, i := newItem(), 0
			v.list(func(v value) {
				c.Zones[i] = v.zone(z, &c.Defaults)
				i++
			})
		}},
		field{"catalogs", func(v value) {
			v.list(func(v value) { c.Catalogs = append(c.Catalogs, v.catalog(&c.Defaults)) })
		}},
	)
	if !hasZones && v.isMapping() {
		v.fail("`zones` is missing, so that nothing would be served; list a zone, or write `zones: []` if that is meant")
	}
	v.doc.across(c.Zones)
	v.doc.acrossCatalogs(c.Catalogs, c.Zones)
	return c
}

func (v value) listen(l *Listen) {
	first := map[netip.AddrPort]value{}
	once := func(v value, ap netip.AddrPort) {
		if was, twice := first[ap]; twice && ap.Port() != 0 { // port 0 is a new one each time
			v.fail("%v is taken by %s already; remove one of the two, or change its port", ap, was.path)
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
		field{"admin_hosts", func(v value) {
			v.each(func(v value) {
				if name := v.name(); name != nil {
					l.Hosts = append(l.Hosts, strings.ToLower(strings.TrimSuffix(name.String(), ".")))
				}
			})
		}},
		field{"freebind", func(v value) { l.Freebind = v.truth() }},
		field{"pprof", func(v value) {
			if l.Pprof = v.truth(); l.Pprof && !l.Admin.IsValid() {
				v.fail("profiles are shown on the admin listener, and there is none; give `listen.admin` an address")
			}
		}},
	)
}

func (v value) userName() string {
	s, ok := v.text()
	if ok && strings.ContainsAny(s, " \t\n:/") {
		v.fail("%q is not the name of a user; write the name alone, its groups come with it", s)
		return ""
	}
	return s
}

// Octets of an NSID and of a CHAOS text. The former goes into every answer that
// asks for it, the latter is a character-string (RFC 1035 §3.3).
const maxNSID, maxChaos = 128, 255

func (v value) identity(id *Identity) {
	chaos := func(v value) string {
		s, _ := v.scalar()
		if len(s) > maxChaos {
			v.fail("%d octets, at most %d are allowed; shorten it", len(s), maxChaos)
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
	everybody := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	v.mapping(
		field{"allow", func(v value) {
			a.Allow = prefixes(v.oneOrMore)
			if slices.Contains(a.Allow, everybody[0]) && slices.Contains(a.Allow, everybody[1]) {
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

func (v value) log(c *Config) {
	v.mapping(
		field{"level", func(v value) { c.Log.Level = v.oneOf("debug", "info", "warn", "error") }},
		field{"format", func(v value) { c.Log.Format = v.oneOf("text", "json") }},
		field{"queries", number(&c.Limits.LogQueries, 0, 1<<30, "queries")},
	)
}

// secretOctets is the length of the key of SipHash-2-4 (RFC 9018 §4.4).
const secretOctets = 16

// maxSecrets bounds the cookie secrets: each further one costs a hash for every
// query with a cookie of nobody's. Two take part in a rollover (RFC 9018 §5).
const maxSecrets = 8

func (v value) cookies(c *Cookies) {
	v.mapping(
		field{"enabled", func(v value) { c.Enabled = v.truth() }},
		field{"require", func(v value) {
			if c.Require = v.oneOf("never", "limited", "always"); c.Require == "always" && !c.Enabled {
				v.fail("cookies cannot be required where there are none; write `enabled: true`, or remove this")
			}
		}},
		field{"secrets", func(v value) {
			v.list(func(v value) {
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
				v.fail("%d secrets, at most %d are allowed; remove the oldest", len(c.Secrets), maxSecrets)
			}
		}},
		field{"secret_files", func(v value) {
			v.each(func(v value) { c.Files = append(c.Files, v.file()) })
		}},
	)
}

// parseSecret reads a cookie secret. The error does not repeat it: logs are read
// by more people than secrets are.
func parseSecret(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != secretOctets {
		return nil, fmt.Errorf("the secret is a text of %d characters, must be %d hexadecimal digits; make one with `openssl rand -hex %d`", len(s), 2*secretOctets, secretOctets)
	}
	return b, nil
}

// readFiles adds the secrets in the files, one a line, to those in the
// configuration; empty lines and lines that begin with # do not count.
func (c *Cookies) readFiles(read reader) error {
	var errs Errors
	for _, f := range c.Files {
		data, err := read(f.Path, maxKeyFile)
		if err != nil {
			errs = append(errs, Problem{f.Pos, "cookies.secret_files", err.Error()})
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
				errs = append(errs, Problem{Pos: source.Position{File: f.Path, Line: n}, Text: err.Error()})
			}
			count++
			c.Secrets = append(c.Secrets, b)
		}
		if count == 0 {
			errs = append(errs, Problem{f.Pos, "cookies.secret_files", fmt.Sprintf("%s holds no secret; make one with `openssl rand -hex %d`", f.Path, secretOctets)})
		}
	}
	if n := len(c.Secrets); n > maxSecrets && len(errs) == 0 {
		errs = append(errs, Problem{c.Files[0].Pos, "cookies.secret_files", fmt.Sprintf("%d secrets in all, at most %d are allowed; remove the oldest", n, maxSecrets)})
	}
	if len(errs) > 0 {
		errs.sort()
		return errs
	}
	return nil
}
