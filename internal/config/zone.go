package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// item is an item of `zones` while it is read. All items of a file use the same one in
// turn, so that its fields are made once and not a hundred thousand times.
type item struct {
	Zone
	own       ZoneOptions  // of the item
	common    *ZoneOptions // of items without keys of their own; nil: none was read yet
	delegated prefixIndex[*Delegation]
	keys      []field
	named     naming

	// These values are read last, because they depend on the name of the zone. They have
	// no node if they are missing.
	prefix, domain, ptr, records, delegate, synth value
}

func newItem() *item {
	z := new(item)
	into := func(to *value) func(value) { return func(v value) { *to = v } }
	z.keys = append(append([]field{{"prefix", into(&z.prefix)}}, z.named.fields()...), append(z.own.fields(),
		field{"file", func(v value) { z.Files = v.files() }},
		field{"dynamic", func(v value) { v.dynamic(&z.Zone) }},
		field{"hosts", func(v value) { z.Hosts = v.files() }},
		field{"hosts_domain", func(v value) { z.domain, z.HostsDomain = v, v.zoneName() }},
		field{"ptr", into(&z.ptr)},
		field{"records", into(&z.records)},
		field{"delegate", into(&z.delegate)},
		field{"synth", into(&z.synth)},
		field{"secondary", func(v value) { z.Secondary = v.secondary() }},
	)...)
	return z
}

// fields returns the keys for settings that do not depend on the name of a zone.
func (o *ZoneOptions) fields() []field {
	return append(o.Defaults.fields(&o.Explicit),
		field{"access", func(v value) {
			if !v.isNull() {
				o.Access = &Access{}
				v.access(o.Access)
			}
		}},
		field{"update", func(v value) { o.Update.Rules = v.updateRules() }},
		field{"dynamic_lifetime", func(v value) { o.Update.Lifetime = v.seconds(time.Minute) }},
		field{"follow_classless", func(v value) { o.Update.FollowClassless = v.boolean() }},
	)
}

// zone reads one item of `zones` by means of z.
func (v value) zone(z *item, defaults *Defaults) Zone {
	*z = item{Zone: Zone{Path: v.path, Pos: v.pos()}, own: ZoneOptions{Defaults: *defaults}, keys: z.keys, common: z.common}
	z.ZoneOptions = &z.own
	before := v.doc.errors()
	v.item(z)
	v.doc.checkHosts(&z.own.Checks)
	if v.doc.errors() > before {
		v.doc.broken[z.Pos] = true
	}
	out, hasOptions := z.Zone, v.hasOptions()
	// Zones without a prefix do not have the `derive` of defaults.
	isOther := z.common != nil && z.common.Derive != z.own.Derive
	if out.ZoneOptions = z.common; z.common == nil || hasOptions || isOther {
		own := z.own
		out.ZoneOptions = &own
	}
	if !hasOptions && !isOther {
		z.common = out.ZoneOptions
	}
	return out
}

// hasOptions reports whether an item has keys whose values are ZoneOptions, or decide about
// them.
func (v value) hasOptions() bool {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		switch v.node.Content[i].Value {
		case "prefix", "name", "style", "label", "file":
		default:
			return true
		}
	}
	return false
}

func (v value) item(z *item) {
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `prefix` or `name`, such as `- prefix: 192.0.2.0/24`", v.describe())
		return
	}
	before := v.doc.errors()
	v.mapping(z.keys...)
	isBroken := v.doc.errors() > before || v.doc.isFaulty

	switch {
	case z.prefix.node != nil:
		if z.Prefix = z.prefix.prefix(false); z.Prefix.IsValid() {
			z.nameByPrefix(z.prefix, &z.named)
		}
	case z.named.name != nil:
		z.nameAlone(&z.named)
	default:
		v.fail("the zone has neither `prefix` nor `name`; give one of them")
	}
	if z.Apexes == nil {
		return // nothing below can be checked
	}
	if z.Secondary != nil {
		v.reportOwnContent()
		given := z.MaxShrink
		z.Defaults = Defaults{Transfer: z.Transfer, History: z.History, Audit: z.Audit}
		if z.Explicit.MaxShrink {
			z.MaxShrink = given // by default, a primary may remove any number of records
		}
		return
	}
	if len(z.NameServers) == 0 && len(z.Files) == 0 && !isBroken {
		v.fail("zone %s has no name server; give `nameservers` here or under `defaults`, or a `file` with the SOA and NS records", z.title())
	}
	v.completeContact(z.ZoneOptions, "zone "+z.title())
	if len(z.Hosts) > 0 && !z.Prefix.IsValid() {
		v.fail("zone %s has no prefix, and hosts files list addresses; %s", z.title(), z.prefixRemedy())
	}
	if len(z.Hosts) == 0 && z.domain.node != nil {
		z.domain.fail("`hosts_domain` completes the names of hosts files; add `hosts`, or remove `hosts_domain`")
	}
	v.updates(z)
	if z.delegate.node != nil {
		z.delegate.delegations(z)
	}
	if z.synth.node != nil {
		z.synth.synths(z)
	}
	v.derived(z)
	if z.ptr.node != nil {
		z.ptr.ptr(z)
	}
	if z.records.node != nil {
		z.records.records(z)
	}
}

// completeContact sets the contact of a zone with name servers if it has none; what names the
// zone.
func (v value) completeContact(o *ZoneOptions, what string) {
	if o.Contact != nil || len(o.NameServers) == 0 {
		return
	}
	if o.Contact = contactOf(o.NameServers[0]); o.Contact == nil {
		v.fail("%s has no `contact`, and the default, hostmaster in the domain of %v, is longer than 255 octets; give `contact`", what, o.NameServers[0].Name)
	}
}

// setName sets the only apex of a zone, and its prefix if the name stands for one.
func (z *Zone) setName(n dname.Name) {
	z.Name, z.Origin = n, n
	z.Apexes = []dname.Name{n}
	if p, ok := dname.ToPrefix(n); ok {
		z.Prefix = p
	} else if p, ok := dname.ToClassless(n); ok {
		z.Prefix = p
	}
}

// setPrefix sets the apexes of a prefix; style is that of classless ones.
func (z *Zone) setPrefix(p netip.Prefix, style dname.Style) {
	z.Prefix = p
	if dname.IsClassless(p) {
		z.setName(dname.FromClassless(p, style))
		return
	}
	for _, part := range dname.Split(p) {
		n, _ := dname.FromPrefix(part)
		z.Apexes = append(z.Apexes, n)
	}
	z.Origin, _ = dname.FromPrefix(dname.Boundary(p))
	if len(z.Apexes) == 1 {
		z.Name = z.Apexes[0]
	}
}

// nameByPrefix sets the apexes of a zone that has a prefix.
func (z *Zone) nameByPrefix(prefix value, as *naming) {
	if dname.IsClassless(z.Prefix) {
		base, _ := dname.FromPrefix(dname.Boundary(z.Prefix))
		if z.Name = as.classless(prefix, z.Prefix, base); z.Name != nil {
			z.Apexes = []dname.Name{z.Name}
			z.Origin = z.Name
		}
		return
	}
	as.refuseLabels(ownName, z.Prefix)
	z.setPrefix(z.Prefix, dname.Range)
	if as.name == nil {
		return
	}
	given := as.name.zoneName()
	switch {
	case given == nil:
	case z.Name == nil:
		as.name.fail("%v is %d zones, %v to %v, so that it has no single name; remove `name`", z.Prefix, len(z.Apexes), z.Apexes[0], z.Apexes[len(z.Apexes)-1])
	case !given.Equal(z.Name):
		as.name.fail("%v is not the name of %v, which is %v; remove `name`, or `prefix` if the name is right", given, z.Prefix, z.Name)
	}
}

// nameAlone sets the apex as given, and its prefix if it has one.
func (z *Zone) nameAlone(as *naming) {
	as.refuseLabels("the zone has a complete `name`; remove the key, or give `prefix` instead of `name`")
	if z.Name = as.name.zoneName(); z.Name == nil {
		return
	}
	if slip := spelling.ReverseName(z.Name); slip.Text != "" {
		as.name.warn(&z.Checks, "reverse-name", "%v: %v", z.Name, slip)
	}
	z.setName(z.Name)
}

// title returns the name of the item for messages.
func (z *Zone) title() string {
	if z.Name != nil {
		return z.Name.String()
	}
	return z.Prefix.String()
}

// prefixRemedy returns the remedy for a zone whose name does not say which addresses it
// has.
func (z *Zone) prefixRemedy() string {
	if family, _, _ := dname.Tree(z.Name); family == dname.InAddr {
		return "give `prefix` in addition to `name`, such as 192.0.2.64/26"
	}
	return "move it to the zone of a prefix"
}

// Owner returns the owner name of an address in the zone and the apex above it; ok is
// false if the address is outside the prefix of the zone.
func (z *Zone) Owner(a netip.Addr) (owner, apex dname.Name, ok bool) {
	if !z.Prefix.Contains(a) {
		return nil, nil, false
	}
	owner = dname.FromAddr(a)
	if dname.IsClassless(z.Prefix) {
		n, err := z.Name.Prepend(owner.Label())
		return n, z.Name, err == nil // always: [naming.classless] checked the length
	}
	return owner, z.Apex(owner), true
}

// Apex returns the apex of the item's zone that contains a name, nil if none does.
func (z *Zone) Apex(name dname.Name) dname.Name {
	for _, apex := range z.Apexes {
		if name.IsAtOrBelow(apex) {
			return apex
		}
	}
	return nil
}

// AddressesOf returns the addresses that an owner name of the zone stands for, in a
// classless zone too; ok is false for a name that stands for none.
func (z *Zone) AddressesOf(n dname.Name) (p netip.Prefix, ok bool) {
	if !dname.IsClassless(z.Prefix) {
		if p, ok := dname.ToPrefix(n); ok {
			return p, true
		}
		return dname.ToClassless(n)
	}
	if n.IsRoot() || !n.Parent().Equal(z.Name) {
		return netip.Prefix{}, false
	}
	base, _ := dname.FromPrefix(dname.Boundary(z.Prefix))
	n, err := base.Prepend(n.Label())
	if err != nil {
		return netip.Prefix{}, false
	}
	if p, ok = dname.ToPrefix(n); !ok {
		p, ok = dname.ToClassless(n)
	}
	return p, ok && contains(z.Prefix, p) && p != z.Prefix
}

// contains reports whether p contains q or is equal to it.
func contains(p, q netip.Prefix) bool {
	return p.Bits() <= q.Bits() && p.Contains(q.Addr())
}

// files reads one or more paths.
func (v value) files() []File {
	return distinct(v.oneOrMore, func(v value) (file File, path string, ok bool) {
		file = v.source()
		return file, file.Path, file.Path != ""
	})
}
