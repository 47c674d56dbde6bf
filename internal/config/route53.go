package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// ListenAPI is the listener of an API of AWS.
type ListenAPI struct {
	Address netip.AddrPort
	TLS     *ListenTLS // nil: plain HTTP, on a loopback address only
	Pos     finding.Position
}

// Route53 configures hosted zones and the API that changes them.
type Route53 struct {
	AccessKeys     []AccessKey
	Anonymous      bool // requests need no signature; on a loopback address only
	Throttle       int  // requests per second of one access key; 0: any number
	DelegationSets [][]NameServer
	Contact        dname.Name // nil: hostmaster in the domain of the first name server
	SOA            SOA
	SOATTL         time.Duration
	NSTTL          time.Duration
	Transfer       Transfer
	History        History
	Access         *Access       // nil: only the global one
	List, Change   []ZoneRange   // zones of `zones` that the API lists, and dynamic ones that it changes
	KeepReferences time.Duration // how long the CallerReference of a removed zone cannot be used again
}

// AccessKey is a key that requests to the API are signed with, and what it may do.
type AccessKey struct {
	Path         string // key path, `route53.access_keys[3]`
	ID           string
	Secret       string // never printed; empty: File has it and was not read yet
	File         File   // with the secret; without a path: the configuration has it
	SessionToken string // that requests must have; empty: none
	ReadOnly     bool
	Names        []dname.Name   // zones at or below these; with Prefixes nil: all
	Prefixes     []netip.Prefix // zones of these addresses
	Operations   []string       // names, perhaps ending in *; nil: all
	Pos          finding.Position
}

// String has no secret.
func (k AccessKey) String() string { return "access key " + k.ID }

// GoString has no secret.
func (k AccessKey) GoString() string { return k.String() }

// Allows reports whether the key may act on a zone.
func (k *AccessKey) Allows(apex dname.Name) bool {
	if k.Names == nil && k.Prefixes == nil {
		return true
	}
	if slices.ContainsFunc(k.Names, apex.IsAtOrBelow) {
		return true
	}
	p, ok := dname.ToPrefix(apex)
	if !ok {
		p, ok = dname.ToClassless(apex)
	}
	return ok && slices.ContainsFunc(k.Prefixes, func(own netip.Prefix) bool { return contains(own, p) })
}

// Permits reports whether the key may call an operation, which reads or changes.
func (k *AccessKey) Permits(operation string, changes bool) bool {
	if k.ReadOnly && changes {
		return false
	}
	return k.Operations == nil || slices.ContainsFunc(k.Operations, func(o string) bool {
		if p, any := strings.CutSuffix(o, "*"); any {
			return strings.HasPrefix(operation, p)
		}
		return operation == o
	})
}

// defaultRoute53 has the values that a new hosted zone has at AWS.
func defaultRoute53() Route53 {
	return Route53{
		SOA:            SOA{Refresh: 2 * time.Hour, Retry: 15 * time.Minute, Expire: 14 * 24 * time.Hour, Minimum: 24 * time.Hour},
		SOATTL:         15 * time.Minute,
		NSTTL:          48 * time.Hour,
		KeepReferences: 30 * 24 * time.Hour,
	}
}

// listenAPI reads `listen.route53` or `listen.ec2`: an address, or a mapping with a certificate.
func (v value) listenAPI(port uint16, once func(value, netip.AddrPort)) *ListenAPI {
	if s, ok := v.node.Value, !v.isMapping(); ok && s == "" {
		return nil
	}
	l := &ListenAPI{Pos: v.pos()}
	before := v.doc.errors()
	if !v.isMapping() {
		l.Address = v.addrPort(port)
	} else {
		t := &ListenTLS{Path: v.path}
		v.mapping(
			field{"address", func(v value) { l.Address = v.addrPort(443) }},
			field{"cert_file", func(v value) { t.Cert = v.file() }},
			field{"key_file", func(v value) { t.Key = v.file() }},
		)
		switch {
		case !v.hasKey("address"):
			v.fail("there is no listen address; give `address`, such as \"127.0.0.1:%d\"", port)
		case v.hasKey("cert_file") != v.hasKey("key_file"):
			v.fail("TLS needs a certificate and its key; give both `cert_file` and `key_file`, or none of them on a loopback address")
		case v.hasKey("cert_file"):
			l.TLS = t
		}
	}
	if v.doc.errors() > before {
		return nil
	}
	once(v, l.Address)
	if l.TLS == nil && !l.Address.Addr().IsLoopback() {
		v.fail("%v is not a loopback address, and without TLS others can read and replay requests; give `{address: %q, cert_file: …, key_file: …}`, or listen on 127.0.0.1", l.Address, l.Address.String())
		return nil
	}
	return l
}

// route53 reads the section `route53`.
func (v value) route53(r *Route53, listen *Listen, defaults *Defaults) {
	r.Transfer, r.History = defaults.Transfer, defaults.History
	r.Contact = defaults.Contact
	v.mapping(
		field{"access_keys", func(v value) { r.AccessKeys = v.accessKeys() }},
		field{"anonymous", func(v value) {
			r.Anonymous = v.boolean()
			for _, l := range []*ListenAPI{listen.Route53, listen.EC2} {
				if r.Anonymous && l != nil && !l.Address.Addr().IsLoopback() {
					v.fail("anyone who reaches %v could change zones; remove the key, or listen on a loopback address", l.Address)
				}
			}
		}},
		field{"throttle", number(&r.Throttle, 0, 1<<20, "requests per second")},
		field{"delegation_sets", func(v value) {
			v.list(func(v value) { r.DelegationSets = append(r.DelegationSets, v.nameServers()) })
		}},
		field{"contact", func(v value) { r.Contact = v.contact() }},
		field{"soa", func(v value) { v.soa(&r.SOA) }},
		field{"soa_ttl", func(v value) { r.SOATTL = v.seconds(0) }},
		field{"ns_ttl", func(v value) { r.NSTTL = v.seconds(0) }},
		field{"transfer", func(v value) { v.transfer(&r.Transfer) }},
		field{"history", func(v value) { v.history(&r.History) }},
		field{"access", func(v value) {
			r.Access = &Access{}
			v.access(r.Access)
		}},
		field{"list", func(v value) { r.List = v.zoneRanges() }},
		field{"change", func(v value) { r.Change = v.zoneRanges() }},
		field{"keep_references", duration(&r.KeepReferences, 0, maxSpan)},
	)
}

// zoneRanges reads prefixes and names, or `all`.
func (v value) zoneRanges() []ZoneRange {
	return distinct(v.each, func(v value) (r ZoneRange, key rangeKey, ok bool) {
		if v.node.Value == "all" {
			return r, rangeKey{}, true
		}
		r, ok = v.zoneRange()
		return r, r.key(), ok
	})
}

// ListedZone is a zone of an item that the API lists.
type ListedZone struct {
	Apex    dname.Name
	Item    *Zone
	Changes bool // the API changes it
}

// Listed returns the zones of the configuration that the API lists.
func (c *Config) Listed() (out []ListedZone) {
	list, change := indexOf(c.Route53.List), indexOf(c.Route53.Change)
	if len(c.Route53.List)+len(c.Route53.Change) == 0 {
		return nil
	}
	for i := range c.Zones {
		z := &c.Zones[i]
		for _, apex := range z.Apexes {
			changes := z.Dynamic && len(change.holding(apex, z.Prefix)) > 0
			if changes || len(list.holding(apex, z.Prefix)) > 0 {
				out = append(out, ListedZone{apex, z, changes})
			}
		}
	}
	return out
}

// checkRoute53 checks what depends on several sections.
func (d *document) checkRoute53(c *Config) {
	if c.Route53.DelegationSets == nil && len(c.Defaults.NameServers) > 0 {
		c.Route53.DelegationSets = [][]NameServer{c.Defaults.NameServers}
	}
	if l := c.Listen.Route53; l != nil {
		if len(c.Route53.DelegationSets) == 0 {
			d.report(l.Pos, "listen.route53", "hosted zones would have no name servers; give `route53: {delegation_sets: [[ns1.example.net, ns2.example.net]]}`, or `nameservers` under `defaults`")
		}
		d.checkKeys(c, l, "listen.route53")
	}
	if l := c.Listen.EC2; l != nil {
		if len(c.EC2.Prefixes) == 0 {
			d.report(l.Pos, "listen.ec2", "there would be no address to allocate; give `ec2: {prefixes: [203.0.113.64/26]}` with prefixes of your own")
		}
		d.checkKeys(c, l, "listen.ec2")
	}
	d.checkChanged(c)
}

// checkChanged reports the entries of `route53.change` that select no zone that the API can change.
func (d *document) checkChanged(c *Config) {
	list := c.Route53.Change
	x, other, used := indexOf(list), make([]*Zone, len(list)), make([]bool, len(list))
	for i := range c.Zones {
		z := &c.Zones[i]
		for _, apex := range z.Apexes {
			for _, j := range x.holding(apex, z.Prefix) {
				d.steps++
				used[j] = used[j] || z.Dynamic
				other[j] = cmp.Or(other[j], z)
			}
		}
	}
	for i := range list {
		switch r, z := &list[i], other[i]; {
		case used[i] || r.isAll():
		case z == nil:
			d.reportUnused(r)
		default:
			d.report(r.Pos, r.path, "the API changes only zones that are `dynamic`, and %s (%v) is not; make it dynamic, or move the entry to `list`, which is read-only", z.Path, z.Pos)
		}
	}
}

// checkKeys checks that some client can use an API.
func (d *document) checkKeys(c *Config, l *ListenAPI, path string) {
	if len(c.Route53.AccessKeys) == 0 && !c.Route53.Anonymous {
		d.report(l.Pos, path, "no client could sign a request; give `route53: {access_keys: [{id: …, secret_file: …}]}`")
	}
}

func (v value) accessKeys() []AccessKey {
	return distinct(v.list, func(v value) (k AccessKey, id string, ok bool) {
		k, ok = v.accessKey()
		return k, k.ID, ok
	})
}

func (v value) accessKey() (k AccessKey, ok bool) {
	k.Path, k.Pos = v.path, v.pos()
	before := v.doc.errors()
	v.mapping(
		field{"id", func(v value) {
			if k.ID, ok = v.text(); ok && (k.ID == "" || strings.ContainsAny(k.ID, " /,;=\t\n")) {
				v.fail("%q is not the id of an access key; write letters and digits, such as AKIALAB", k.ID)
			}
		}},
		field{"secret", func(v value) {
			if k.Secret, _ = v.text(); k.Secret == "" {
				v.fail("the secret is empty; give one of random characters, such as `openssl rand -base64 30` prints")
			}
		}},
		field{"secret_file", func(v value) { k.File = v.file() }},
		field{"session_token", func(v value) { k.SessionToken, _ = v.text() }},
		field{"read_only", func(v value) { k.ReadOnly = v.boolean() }},
		field{"zones", func(v value) { v.oneOrMore(func(v value) { v.keyZone(&k) }) }},
		field{"operations", func(v value) {
			v.oneOrMore(func(v value) {
				if s, ok := v.text(); ok {
					k.Operations = append(k.Operations, s)
				}
			})
		}},
	)
	switch {
	case v.doc.errors() > before:
		return k, false
	case k.ID == "":
		v.fail("the access key has no `id`; give it one, such as AKIALAB")
	case v.hasKey("secret") == v.hasKey("secret_file"):
		v.fail("access key %s needs either `secret` or `secret_file`", k.ID)
	}
	return k, v.doc.errors() == before
}

// keyZone reads a name or prefix that a key may act on.
func (v value) keyZone(k *AccessKey) {
	s, ok := v.scalar()
	if !ok {
		return
	}
	if strings.Contains(s, "/") {
		if p, ok := parsePrefix(s); ok {
			k.Prefixes = append(k.Prefixes, p)
			return
		}
	}
	if n := v.name(); n != nil {
		k.Names = append(k.Names, n)
	}
}

// readAccessKeys returns the keys with the secrets from their files.
func readAccessKeys(list []AccessKey, read reader) ([]AccessKey, error) {
	out := slices.Clone(list)
	var errs Errors
	for i := range out {
		k := &out[i]
		if k.File.Path == "" {
			continue
		}
		data, err := read(k.File.Path, maxKeyFile)
		if k.Secret = strings.TrimSpace(string(data)); err == nil && (k.Secret == "" || strings.ContainsAny(k.Secret, " \t\r\n")) {
			err = fmt.Errorf("%s: the file must have the secret alone, on one line", k.File.Path)
		}
		if err != nil {
			errs = append(errs, errorAt(k.File.Pos, k.Path+".secret_file", "%v", err))
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return out, nil
}
