package registry

import (
	"net/netip"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/journal"
)

// CheckFunc checks a transferred zone, see [Options].
type CheckFunc func(of *config.Follow, limit config.Shrink, old, next *zone.Zone) error

// FileReader reads the certificates of connections to primaries.
type FileReader = *infile.Files

// Settings are the compiled settings of a zone. Zones that are configured alike share them.
type Settings struct {
	Notify    *notify.Zone       // servers that are notified of changes; nil: none
	Update    *update.ZonePolicy // nil: no updates
	History   *journal.Limits    // nil: those of all zones
	Secondary *secondary.Zone    // without its apex; nil: ptrd is primary

	access    *answer.ACL
	transfers answer.Peers
	policy    *answer.ZonePolicy // of the two
}

// Transfers returns the clients that may transfer the zone.
func (s *Settings) Transfers() answer.Peers { return s.transfers }

// of returns the secondary zone with these settings at apex.
func (s *Settings) of(apex dname.Name) secondary.Zone {
	z := *s.Secondary
	z.Apex = apex
	return z
}

// isAlike reports whether an item has the settings of the one before, as most have:
// all are from `defaults`.
func (z *Zones) isAlike(item, last *config.Zone) bool {
	return item.Access == nil && last.Access == nil && len(item.Update.Rules)+len(last.Update.Rules) == 0 &&
		item.Secondary == nil && last.Secondary == nil && item.History == last.History &&
		sameSlice(item.Transfer.Allow, last.Transfer.Allow) && sameSlice(item.Transfer.Notify, last.Transfer.Notify) &&
		item.Transfer.NameServers == last.Transfer.NameServers && sameSlice(item.NameServers, last.NameServers) &&
		!z.o.Config.EC2.Opens(item) && !z.o.Config.EC2.Opens(last)
}

// sameSlice reports whether two slices have the same memory.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (z *Zones) itemSettings(item *config.Zone) *Settings {
	s := z.settings(&item.Transfer, item.Access, item.Secondary, nil, item.MaxShrink)
	s.Notify = z.notify(&item.Transfer, item.NameServers)
	s.Update = z.updatePolicy(item)
	if item.History != z.o.Config.Defaults.History {
		limits := z.limits(item.History)
		s.History = &limits
	}
	return s
}

func (z *Zones) memberSettings(m *config.MemberZones) *Settings {
	s := z.settings(&m.Transfer, m.Access, m.Secondary, nil, 0)
	s.Notify = z.notify(&m.Transfer, nil)
	return s
}

// hostedSettings returns the settings of hosted zones.
func (z *Zones) hostedSettings(r *config.Route53) *Settings {
	s := z.settings(&r.Transfer, r.Access, nil, nil, 0)
	var servers []config.NameServer
	for _, set := range r.DelegationSets {
		servers = append(servers, set...)
	}
	s.Notify = z.notify(&r.Transfer, servers)
	if r.History != z.o.Config.Defaults.History {
		limits := z.limits(r.History)
		s.History = &limits
	}
	return s
}

// catalogSettings returns the settings of a catalog. Only clients that may transfer it may
// query it (RFC 9432 §6).
func (z *Zones) catalogSettings(c *config.Catalog) *Settings {
	transfer, access := c.Transfer, config.Access{}
	transfer.NameServers = false // a catalog has the name server `invalid.`
	all := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	for _, p := range transfer.Allow {
		switch {
		case p.Key != nil: // the server allows queries that are signed with it
		case p.Prefix.IsValid():
			access.Allow = append(access.Allow, p.Prefix)
		default:
			access.Allow = append(access.Allow, all...)
		}
	}
	if len(access.Allow) == 0 {
		access.Deny = all
	}
	var primaries *config.Secondary
	if c.Follow != nil {
		primaries = c.Follow.Secondary
	}
	s := z.settings(&transfer, &access, primaries, c.Follow, z.o.Config.Reload.MaxShrink)
	s.Notify = z.notify(&transfer, nil)
	return s
}

// settings compiles what items, catalogs and members have in common. of is the catalog
// that the zone is; nil: none.
func (z *Zones) settings(transfer *config.Transfer, access *config.Access, from *config.Secondary, of *config.Follow, limit config.Shrink) *Settings {
	s := &Settings{}
	if access != nil {
		acl := answer.NewACL(access.Allow, access.Deny)
		s.access = &acl
	}
	if len(transfer.Allow) > 0 {
		s.transfers = peers(transfer.Allow)
	}
	if s.access != nil || s.transfers != nil {
		s.policy = &answer.ZonePolicy{Access: s.access, Transfers: s.transfers}
	}
	if from == nil {
		return s
	}
	s.Secondary = &secondary.Zone{Notifiers: peers(from.Notify), MaxOctets: from.MaxSize}
	if check := z.o.Check; check != nil && (of != nil || limit > 0) {
		s.Secondary.Check = func(old, next *zone.Zone) error { return check(of, limit, old, next) }
	}
	for _, p := range from.Primaries {
		primary := secondary.Primary{Address: p.Address, Source: p.Source}
		if p.Key != nil {
			primary.Key = z.keys.Get(p.Key)
		}
		if t := p.TLS; t != nil {
			primary.TLS = &secondary.TLS{ServerName: t.ServerName, CAFile: t.CA.Path, CertFile: t.Cert.Path, KeyFile: t.Key.Path, Files: z.o.Files}
		}
		s.Secondary.Primaries = append(s.Secondary.Primaries, primary)
	}
	return s
}

// notify returns the servers that are notified; nil: none. Name servers are notified only
// of zones that they could transfer.
func (z *Zones) notify(t *config.Transfer, servers []config.NameServer) *notify.Zone {
	names := t.NameServers && len(t.Allow) > 0
	if len(t.Notify) == 0 && !names {
		return nil
	}
	out := &notify.Zone{NameServers: names}
	for _, to := range t.Notify {
		target := notify.Target{Address: to.Address, Source: to.Source}
		if to.Key != nil {
			target.Key = z.keys.Get(to.Key)
		}
		out.Targets = append(out.Targets, target)
	}
	for _, ns := range servers {
		if len(ns.Addresses) > 0 {
			if out.Addresses == nil {
				out.Addresses = make(map[string][]netip.Addr)
			}
			out.Addresses[ns.Name.Key()] = ns.Addresses
		}
	}
	return out
}

// selves has what [update.Rule] has for the values of the configuration.
var selves = map[config.Self]update.Self{
	config.SelfNone: update.SelfNone, config.SelfKey: update.SelfKey, config.SelfSubtree: update.SelfSubtree, config.SelfAddress: update.SelfAddress,
}

// updatePolicy returns who may update the zones of an item; nil: no client, and not for an
// Elastic IP address either.
func (z *Zones) updatePolicy(item *config.Zone) *update.ZonePolicy {
	if !z.o.Config.TakesUpdates(item) {
		return nil
	}
	p := &update.ZonePolicy{
		Addresses:       func(owner dname.Name) (netip.Prefix, bool) { return item.AddressesOf(owner) },
		Lifetime:        item.Update.Lifetime,
		FollowClassless: item.Update.FollowClassless,
		Dynamic:         item.Dynamic,
	}
	for _, r := range item.Update.Rules {
		rule := update.Rule{From: r.From, Prefixes: r.Prefixes, Types: r.Types, Self: selves[r.Self]}
		for _, o := range r.Owners {
			rule.Owners = append(rule.Owners, update.Owners(o))
		}
		if r.Key != nil {
			rule.Key = r.Key.Key()
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

func (z *Zones) limits(h config.History) journal.Limits {
	return journal.Limits{MaxSize: int64(h.MaxSize), MaxAge: h.MaxAge, Grace: z.o.Config.Reload.KeepRemoved}
}

// Keys returns the keys of a configuration that requests are signed with.
func Keys(cfg *config.Config) *tsig.Keys {
	var list []*tsig.Key
	for i := range cfg.Keys {
		if k := cfg.Keys[i].TSIG; k != nil { // nil where the files were not read
			list = append(list, k)
		}
	}
	return tsig.NewKeys(list)
}

// peers returns the list as the server has it.
func peers(list []config.Peer) answer.Peers {
	out := make(answer.Peers, len(list))
	for i, p := range list {
		out[i] = answer.Peer{Prefix: p.Prefix, Key: string(p.Key)}
	}
	return out
}

// Updates returns who may update what.
func (z *Zones) Updates() *update.Policy {
	p := &update.Policy{Zones: map[string]*update.ZonePolicy{}}
	for one := range z.All {
		if one.Update != nil {
			p.Zones[one.Apex.Key()] = one.Update
		}
	}
	return p
}

// History returns how much history is kept of zones without settings of their own.
func (z *Zones) History() journal.Limits { return z.limits(z.o.Config.Defaults.History) }

// HistoryOf returns how much history is kept of the zone at apex; nil: see History.
func (z *Zones) HistoryOf(apex dname.Name) *journal.Limits {
	if one := z.Get(apex); one != nil {
		return one.History
	}
	return nil
}

// Notified returns the servers that are notified of changes of the zone at apex; nil: none.
func (z *Zones) Notified(apex dname.Name) *notify.Zone {
	if one := z.Get(apex); one != nil {
		return one.Notify
	}
	return nil
}

// Secondaries returns the secondary zones.
func (z *Zones) Secondaries() (list []secondary.Zone) {
	for one := range z.All {
		if one.Secondary != nil {
			list = append(list, one.of(one.Apex))
		}
	}
	return list
}

// SecondariesOf returns those in list that are secondary zones here.
func (z *Zones) SecondariesOf(list []*Zone) (out []secondary.Zone) {
	for _, one := range list {
		if one = z.Get(one.Apex); one != nil && one.Secondary != nil {
			out = append(out, one.of(one.Apex))
		}
	}
	return out
}

// IsPrimary reports whether there is a zone at apex for which ptrd is primary.
func (z *Zones) IsPrimary(apex dname.Name) bool {
	one := z.Get(apex)
	return one != nil && one.Secondary == nil
}
