package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
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
	Owners   []OwnerRange   // that have the owner name; nil: any
	Self     Self           // what the owner name has to do with the client
	Types    []rr.Type      // nil: any
	Pos      finding.Position
}

// OwnerRange are the owner names at a name, below it, or both.
type OwnerRange struct {
	Name      dname.Name
	At, Below bool
}

// Self says which owner names a client may change because they are its own.
type Self string

// The values of Self.
const (
	SelfNone    Self = ""            // the client is irrelevant
	SelfKey     Self = "key"         // the name of its key
	SelfSubtree Self = "key-subtree" // and names below that
	SelfAddress Self = "address"     // that of its address, over TCP
)

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
		v.warnOpen(&r)
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
		field{"name", func(v value) {
			v.oneOrMore(func(v value) {
				switch n := v.name(); {
				case n == nil:
				case n.IsWildcard():
					r.Owners = append(r.Owners, OwnerRange{n.Parent(), false, true})
				default:
					r.Owners = append(r.Owners, OwnerRange{n, true, false})
				}
			})
		}},
		field{"subtree", func(v value) {
			v.oneOrMore(func(v value) {
				if n := v.name(); n != nil {
					r.Owners = append(r.Owners, OwnerRange{n, true, true})
				}
			})
		}},
		field{"self", func(v value) { r.Self = Self(v.oneOf(string(SelfKey), string(SelfSubtree), string(SelfAddress))) }},
		field{"types", func(v value) {
			v.oneOrMore(func(v value) {
				if t, ok := v.rrType(); ok {
					r.Types = append(r.Types, t)
				}
			})
		}},
	)
	if !v.hasKey("key") && !v.hasKey("from") && !v.hasKey("self") {
		v.fail("the rule allows every client to change the zone; give `key` or `from`")
	}
	v.warnOpen(&r)
	return r
}

// warnOpen warns about a rule that lets every client change names that are not its own.
func (v value) warnOpen(r *UpdateRule) {
	if r.Key != nil || r.Self != SelfNone {
		return
	}
	if i := slices.IndexFunc(r.From, func(p netip.Prefix) bool { return p.Bits() == 0 }); i >= 0 {
		v.warn(&rule.Checks{}, "open-update", "every client in %v may change the zone without a key, and the address of a UDP packet is easily forged; give `key`, or the prefixes of the clients as `from`", r.From[i])
	}
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
		for _, key := range []string{"file", "hosts", "ptr", "records", "delegate", "synth", "derive"} {
			if v.hasKey(key) {
				v.fail("zone %s is `dynamic`: its only sources are updates and `seed`, so that `%s` has no effect; remove one of the two", z.title(), key)
			}
		}
		if z.Explicit.SynthTransfer && z.SynthTransfer != TransferOmit {
			v.fail("zone %s is `dynamic`: updates make its content, to which names of ranges cannot be added, so that `synth_transfer` is always omit; remove it", z.title())
		}
		if len(z.Apexes) > 1 && len(z.Files) > 0 {
			v.fail("%v is %d zones, and a `seed` has the SOA of one; configure each zone with its own seed, or remove `seed`", z.Prefix, len(z.Apexes))
		}
	}
	v.reportUseless(z.ZoneOptions)
	for _, r := range z.Update.Rules {
		for _, o := range r.Owners {
			if !slices.ContainsFunc(z.Apexes, func(apex dname.Name) bool {
				return o.Name.IsAtOrBelow(apex) || o.Below && apex.IsAtOrBelow(o.Name)
			}) {
				v.doc.report(r.Pos, v.path+".update", "%v is not in the zone %v, so that the rule allows nothing; correct the name, or move the rule to its zone", o.Name, z.title())
			}
		}
		for _, p := range r.Prefixes {
			if z.Prefix.IsValid() && !z.Prefix.Overlaps(p) {
				v.doc.report(r.Pos, v.path+".update", "%v has no address in common with the zone of %v, so that the rule allows nothing; correct the prefix, or move the rule to its zone", p, z.Prefix)
			}
		}
	}
}
