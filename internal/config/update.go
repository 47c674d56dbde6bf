package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Update configures changes of a zone by UPDATE messages (RFC 2136).
type Update struct {
	Rules           []UpdateRule  // one that matches is enough; nil: no client may
	Lifetime        time.Duration // of records that updates add; 0: unlimited
	FollowClassless bool          // apply updates of names that are aliases (RFC 2317) to the zone of their target
}

// UpdateRule allows a change that matches all of its conditions.
type UpdateRule struct {
	Key      dname.Name     // in lower case; nil: signed or not
	From     []netip.Prefix // of the client; nil: any
	Prefixes []netip.Prefix // that contain the addresses of the owner name; nil: any owner
	Types    []rr.Type      // nil: any
	Pos      finding.Position
}

// updateRules reads a list of rules, or a single one.
func (v value) updateRules() []UpdateRule {
	list := []UpdateRule{}
	v.each(func(v value) { list = append(list, v.updateRule()) })
	return list
}

// updateRule reads an address or a prefix of clients, or a mapping.
func (v value) updateRule() UpdateRule {
	r := UpdateRule{Pos: v.pos()}
	if !v.isMapping() {
		r.From = prefixes(v.oneOrMore)
		return r
	}
	v.mapping(
		field{"key", func(v value) { r.Key = v.knownKey() }},
		field{"from", func(v value) { r.From = prefixes(v.oneOrMore) }},
		field{"prefix", func(v value) {
			v.oneOrMore(func(v value) {
				if p := v.prefix(true); p.IsValid() {
					r.Prefixes = append(r.Prefixes, p)
				}
			})
		}},
		field{"types", func(v value) {
			v.oneOrMore(func(v value) {
				if t, ok := v.rrType(); ok {
					r.Types = append(r.Types, t)
				}
			})
		}},
	)
	if !v.hasKey("key") && !v.hasKey("from") {
		v.fail("the rule allows every client to change the zone; give `key` or `from`")
	}
	return r
}

// dynamic reads the file with the first content of a zone that has no source but updates.
func (v value) dynamic(z *Zone) {
	z.Dynamic = true
	if v.isNull() {
		return
	}
	v.mapping(field{"seed", func(v value) { z.Files = []File{v.source()} }})
}

// reportUseless reports keys about updates where there are no rules.
func (v value) reportUseless(o *ZoneOptions) {
	if len(o.Update.Rules) > 0 {
		return
	}
	for _, key := range []string{"dynamic_lifetime", "follow_classless"} {
		if v.hasKey(key) {
			v.fail("`%s` has no effect without rules for updates; add them under `update`, or remove `%s`", key, key)
		}
	}
}

// updates checks the keys about updates against each other.
func (v value) updates(z *item) {
	if z.Dynamic {
		for _, key := range []string{"file", "hosts", "ptr", "records", "delegate"} {
			if v.hasKey(key) {
				v.fail("zone %s is `dynamic`: its only sources are updates and `seed`, so that `%s` has no effect; remove one of the two", z.title(), key)
			}
		}
		if len(z.Apexes) > 1 && len(z.Files) > 0 {
			v.fail("%v is %d zones, and a `seed` has the SOA of one; configure each zone with its own seed, or remove `seed`", z.Prefix, len(z.Apexes))
		}
	}
	v.reportUseless(z.ZoneOptions)
	for _, r := range z.Update.Rules {
		for _, p := range r.Prefixes {
			if z.Prefix.IsValid() && !z.Prefix.Overlaps(p) {
				v.doc.report(r.Pos, v.path+".update", "%v has no address in common with the zone of %v, so that the rule allows nothing; correct the prefix, or move the rule to its zone", p, z.Prefix)
			}
		}
	}
}
