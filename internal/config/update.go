package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// Update says who may change a zone by UPDATE messages (RFC 2136).
type Update struct {
	Rules           []UpdateRule  // any of them is enough; nil: nobody may
	Lifetime        time.Duration // of records that updates add; 0: no end
	FollowClassless bool          // updates of names that are aliases into other zones of ours go there
}

// UpdateRule lets somebody change something; whatever it names must fit.
type UpdateRule struct {
	Key      dname.Name     // in lower case; nil: signed or not
	From     []netip.Prefix // that the client is in; nil: any
	Prefixes []netip.Prefix // that the owner stands for a part of; nil: any owner
	Types    []rr.Type      // nil: any
	Pos      source.Position
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
	prefixes := func(v value, list *[]netip.Prefix) {
		v.oneOrMore(func(v value) {
			if p := v.prefix(true); p.IsValid() {
				*list = append(*list, p)
			}
		})
	}
	if !v.isMapping() {
		prefixes(v, &r.From)
		return r
	}
	v.mapping(
		field{"key", func(v value) { r.Key = v.knownKey() }},
		field{"from", func(v value) { prefixes(v, &r.From) }},
		field{"prefix", func(v value) { prefixes(v, &r.Prefixes) }},
		field{"types", func(v value) {
			v.oneOrMore(func(v value) {
				if t, ok := v.rrType(); ok {
					r.Types = append(r.Types, t)
				}
			})
		}},
	)
	if !v.hasKey("key") && !v.hasKey("from") {
		v.fail("the rule lets everybody change the zone; give it a `key`, or say `from` where")
	}
	return r
}

// dynamic reads that a zone has no source but updates, and the file that its first
// content comes from.
func (v value) dynamic(z *Zone) {
	z.Dynamic = true
	if v.isNull() {
		return
	}
	v.mapping(field{"seed", func(v value) { z.Files = []File{v.file()} }})
}

// updates checks what the keys about updates say together.
func (v value) updates(z *item) {
	if z.Dynamic {
		for _, key := range []string{"file", "hosts", "ptr", "records", "delegate"} {
			if v.hasKey(key) {
				v.fail("zone %s is `dynamic`, which leaves it no source but updates and `seed`, so that `%s` would be without effect; remove one of the two", z.title(), key)
			}
		}
		if len(z.Apexes) > 1 && len(z.Files) > 0 {
			v.fail("%v makes %d zones, and a `seed` has the SOA of one; configure each zone with a seed of its own, or leave out `seed`", z.Prefix, len(z.Apexes))
		}
	}
	if len(z.Update.Rules) == 0 {
		for _, key := range []string{"dynamic_lifetime", "follow_classless"} {
			if v.hasKey(key) {
				v.fail("`%s` is about updates, and `update` lets nobody send any; add rules there, or remove `%s`", key, key)
			}
		}
	}
	for _, r := range z.Update.Rules {
		for _, p := range r.Prefixes {
			if z.Prefix.IsValid() && !z.Prefix.Overlaps(p) {
				v.doc.note(r.Pos, v.path+".update", "%v has no address in common with the zone of %v, so that the rule allows nothing; mend the prefix, or move the rule to its zone", p, z.Prefix)
			}
		}
	}
}
