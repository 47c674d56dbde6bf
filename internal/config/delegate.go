package config

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// delegations reads the zone cuts of a zone.
func (v value) delegations(z *item) {
	var owners []value
	v.list(func(v value) {
		for _, d := range v.delegation(z) {
			z.Delegate = append(z.Delegate, d)
			owners = append(owners, v)
		}
	})
	z.reportOverlaps(owners)
}

func (v value) delegation(z *item) []Delegation {
	d := Delegation{TTL: zoneTTL, Pos: v.pos()}
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `prefix` and `nameservers`", v.describe())
		return nil
	}
	var as naming
	var prefix, target, ds *value
	v.mapping(append(as.fields(),
		field{"prefix", func(v value) { prefix = &v }},
		field{"nameservers", func(v value) { d.NameServers = v.nameServers() }},
		field{"dname", func(v value) { target = &v; d.DName = v.name() }},
		field{"ds", func(v value) { ds = &v; d.DS = v.ds() }},
		field{"ttl", func(v value) { d.TTL = v.seconds(0) }},
	)...)
	switch {
	case target == nil && !v.hasKey("nameservers"):
		v.fail("the delegation has no `nameservers`; give them, or a `dname` that its names are redirected to")
	case target != nil && (d.NameServers != nil || ds != nil):
		target.fail("a redirection to another name has no name servers and no DS; remove `dname`, or `nameservers` and `ds`")
		d.DName = nil
	}
	switch {
	case prefix != nil:
		if d.Prefix = prefix.prefix(true); !d.Prefix.IsValid() {
			return nil
		}
		list := prefix.delegatePrefix(z, d, &as)
		if len(list) > 1 && ds != nil {
			ds.fail("%v is delegated as %d zones, each with its own DS records; delegate them one by one", d.Prefix, len(list))
		}
		for _, part := range list {
			target.redirects(&part)
		}
		return list
	case as.name == nil:
		v.fail("the delegation has neither `prefix` nor `name`; give the part of %s to delegate", z.title())
		return nil
	}
	as.refuseLabels("the delegation has a complete `name`; remove the key, or give `prefix` instead of `name`")
	if d.Name = as.name.zoneName(); d.Name == nil {
		return nil
	}
	if apex := z.Apex(d.Name); apex == nil || apex.Equal(d.Name) {
		as.name.fail("%v is not below the apex of zone %s; correct the name, which must be complete", d.Name, z.title())
		return nil
	}
	if p, ok := z.AddressesOf(d.Name); ok {
		d.Prefix = p
	}
	target.redirects(&d)
	return []Delegation{d}
}

// redirects reports a redirection that leads to itself.
func (v *value) redirects(d *Delegation) {
	switch {
	case d.DName == nil:
	case d.Prefix.IsSingleIP():
		v.fail("%v is one address, and a DNAME redirects only the names below its own (RFC 6672 §2.3); write a CNAME under `records` instead", d.Prefix)
	case d.DName.IsAtOrBelow(d.Name):
		v.fail("%v is at or below %v, so that it leads to itself; give a name of another zone", d.DName, d.Name)
	}
}

// delegatePrefix returns the delegations for the parts of d.Prefix.
func (v value) delegatePrefix(z *item, d Delegation, as *naming) []Delegation {
	switch {
	case !z.Prefix.IsValid():
		v.fail("zone %s has no prefix, so that %v cannot be a part of it; delegate by `name`, or %s", z.title(), d.Prefix, z.prefixRemedy())
		return nil
	case d.Prefix == z.Prefix:
		v.fail("%v is the whole zone, must be a part of it; remove the delegation, or correct the prefix", d.Prefix)
		return nil
	case !contains(z.Prefix, d.Prefix):
		v.fail("%v is not a part of %v; move it to the zone that contains it, or correct the prefix", d.Prefix, z.Prefix)
		return nil
	case dname.IsClassless(d.Prefix):
		base := z.Name
		if !dname.IsClassless(z.Prefix) {
			base, _ = dname.FromPrefix(dname.Boundary(d.Prefix))
		}
		if d.Name = as.classless(v, d.Prefix, base); d.Name == nil {
			return nil
		}
		return []Delegation{d}
	}
	as.refuseLabels(ownName, d.Prefix)
	var list []Delegation
	for _, p := range dname.Split(d.Prefix) {
		part := d
		part.Prefix = p
		part.Name, _ = dname.FromPrefix(p)
		if p.IsSingleIP() {
			part.Name, _, _ = z.Owner(p.Addr())
		}
		if d.DName != nil && !p.IsSingleIP() && p != d.Prefix {
			var err error
			if part.DName, err = d.DName.Prepend(part.Name.Label()); err != nil {
				v.syntax(d.DName.String(), err)
				return nil
			}
		}
		if part.Name.Equal(z.Apex(part.Name)) {
			v.fail("%v is one or more whole zones of this item; remove it from the prefix %v instead", d.Prefix, z.Prefix)
			return nil
		}
		list = append(list, part)
	}
	if as.name != nil {
		n := as.name.zoneName()
		switch {
		case n == nil:
		case len(list) > 1:
			as.name.fail("%v is delegated as %d zones, so that it has no single name; remove `name`", d.Prefix, len(list))
		case !n.Equal(list[0].Name):
			as.name.fail("%v is not the name of %v here, which is %v; remove `name`, or `prefix` if the name is right", n, d.Prefix, list[0].Name)
		}
	}
	return list
}

// reportOverlaps reports delegations that contain other ones, by addresses or by names. It
// fills z.delegated.
func (z *item) reportOverlaps(owners []value) {
	order := make([]int, len(z.Delegate))
	for i := range order {
		order[i] = i
	}
	// the wider first; equal ones in the order of the file
	slices.SortStableFunc(order, func(a, b int) int {
		if c := z.Delegate[a].Prefix.Bits() - z.Delegate[b].Prefix.Bits(); c != 0 {
			return c
		}
		return z.Delegate[a].Name.Labels() - z.Delegate[b].Name.Labels()
	})
	names := map[string]*Delegation{} // by dname.Name.Key
	noted := map[string]bool{}        // by path: one report for all parts of a delegation
	for _, i := range order {
		d := &z.Delegate[i]
		var wider, above *Delegation
		if d.Prefix.IsValid() {
			if found := z.delegated.longest(d.Prefix); found != nil {
				wider = found[0]
			}
			z.delegated.add(d.Prefix, d)
		}
		for n := d.Name; above == nil && !n.IsRoot(); n = n.Parent() {
			above = names[n.Key()]
		}
		names[d.Name.Key()] = d
		v := owners[i]
		if wider == nil && above == nil || noted[v.path] {
			continue
		}
		noted[v.path] = true
		switch {
		case wider != nil && wider.Prefix == d.Prefix:
			v.fail("%v is delegated already (%v); remove one of the two", d.Prefix, wider.Pos)
		case wider != nil:
			v.fail("%v is a part of %v, which is delegated already (%v); remove one of the two", d.Prefix, wider.Prefix, wider.Pos)
		case above.Name.Equal(d.Name):
			v.fail("the name %v is delegated already (%v); remove one of the two, or give them different names", d.Name, above.Pos)
		default:
			v.fail("%v is below %v, which is delegated already (%v); remove one of the two", d.Name, above.Name, above.Pos)
		}
	}
}

// ds reads DS records in presentation form (RFC 4034 §5.3).
func (v value) ds() []string {
	return distinct(v.oneOrMore, func(v value) (s, key string, ok bool) {
		if s, ok = v.scalar(); !ok {
			return s, s, false
		}
		if fault := dsFault(s); fault != "" {
			v.fail("%s; write key tag, algorithm, digest type and digest, such as %q", fault, "60485 13 2 D4B7…")
			return s, s, false
		}
		return s, s, true
	})
}

// digestOctets has the digest lengths by digest type (IANA registry "DS RR Type Digest
// Algorithms").
var digestOctets = map[int]int{1: 20, 2: 32, 3: 32, 4: 48}

func dsFault(s string) string {
	f := strings.Fields(s)
	if len(f) < 4 {
		return strconv.Quote(s) + " is not a DS record: it has " + strconv.Itoa(len(f)) + " fields"
	}
	for i, most := range []int{65535, 255, 255} {
		if n, err := strconv.Atoi(f[i]); err != nil || n < 0 || n > most {
			return [...]string{"key tag ", "algorithm ", "digest type "}[i] + strconv.Quote(f[i]) + " is not a number from 0 to " + strconv.Itoa(most)
		}
	}
	digest, err := hex.DecodeString(strings.Join(f[3:], ""))
	if err != nil {
		return "the digest is not an even number of hexadecimal digits"
	}
	kind, _ := strconv.Atoi(f[2])
	if want, known := digestOctets[kind]; known && len(digest) != want {
		return "the digest has " + strconv.Itoa(2*len(digest)) + " hexadecimal digits, digest type " + f[2] + " has " + strconv.Itoa(2*want)
	}
	return ""
}
