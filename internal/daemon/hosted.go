package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ec2"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/route53"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

func (d *Daemon) newHosted() *hosted.Store {
	return hosted.New(hosted.Options{
		Writer: d.zones, Journal: d.journal, Owners: owners{d}, Log: d.log, Restore: d.restoreZone, Guard: d.contain, Yield: d.pacer.Yield,
		LastSerial: func(apex dname.Name) (zone.Serial, bool, error) {
			e, ok, err := d.journal.Last(apex)
			if err != nil {
				return 0, false, err
			}
			floor, has, err := d.journal.Floor(apex)
			if has && (!ok || e.Serial.Before(floor)) {
				return floor, true, err
			}
			return e.Serial, ok, err
		},
	})
}

func (d *Daemon) newRoute53() *route53.Server {
	return route53.New(route53.Options{
		Store: d.hosted, Log: d.log, Guard: d.contain, Counts: &d.apiCounts, View: func() *answer.View { return d.views.Load() },
		Policy:      func() *awsapi.Policy { return d.apiPolicy.Load() },
		Certificate: d.certificate(func(l *config.Listen) *config.ListenAPI { return l.Route53 }),
		Addresses: func() (list []string) {
			for _, a := range d.server.Addrs()[server.DNS] {
				list = append(list, a.String())
			}
			return list
		},
	})
}

// certificate returns a function that returns the certificate of an API; nil: it has none.
func (d *Daemon) certificate(of func(*config.Listen) *config.ListenAPI) func() *tls.Certificate {
	return func() *tls.Certificate {
		if l := of(d.apiListen.Load()); l != nil && l.TLS != nil {
			return l.TLS.Certificate
		}
		return nil
	}
}

func (d *Daemon) newElastic() *ec2.Store {
	return ec2.NewStore(ec2.StoreOptions{
		Journal: d.journal, Set: d.zones.Set, Change: d.updater.Change, Log: d.log,
		IsHosted: func(apex dname.Name) bool { return isHosted(d.registry.Load().Get(apex)) },
	})
}

func (d *Daemon) newEC2() *ec2.Server {
	return ec2.New(ec2.Options{
		Store: d.elastic, Log: d.log, Guard: d.contain, Counts: &d.apiCounts, Policy: func() *awsapi.Policy { return d.apiPolicy.Load() },
		Certificate: d.certificate(func(l *config.Listen) *config.ListenAPI { return l.EC2 }),
	})
}

// setHosted activates what a configuration has for hosted zones and the API.
func (d *Daemon) setHosted(cfg *config.Config) {
	r := &cfg.Route53
	seconds := func(t time.Duration) uint32 { return uint32(t / time.Second) }
	s := &hosted.Settings{
		Contact: r.Contact, MName: r.SOA.MName, SOATTL: seconds(r.SOATTL), NSTTL: seconds(r.NSTTL), KeepRefs: r.KeepReferences,
		Timers: [4]uint32{seconds(r.SOA.Refresh), seconds(r.SOA.Retry), seconds(r.SOA.Expire), seconds(r.SOA.Minimum)},
	}
	for _, set := range r.DelegationSets {
		var names []dname.Name
		for _, ns := range set {
			names = append(names, ns.Name)
		}
		s.Sets = append(s.Sets, names)
	}
	d.hosted.SetSettings(s)
	d.elastic.SetSettings(&ec2.Settings{Prefixes: cfg.EC2.Prefixes, Resolvers: cfg.EC2.Resolvers, TTL: seconds(cfg.EC2.TTL)})
	p := &awsapi.Policy{Keys: map[string]*awsapi.Key{}, Anonymous: r.Anonymous, Throttle: r.Throttle}
	for i := range r.AccessKeys {
		k := &r.AccessKeys[i]
		p.Keys[k.ID] = &awsapi.Key{
			Key:     sigv4.Key{ID: k.ID, Secret: k.Secret, SessionToken: k.SessionToken},
			Permits: k.Permits, Allows: k.Allows,
		}
	}
	d.apiPolicy.Store(p)
	var listed []hosted.Listed
	for _, z := range cfg.Listed() {
		listed = append(listed, hosted.Listed{Apex: z.Apex, From: fmt.Sprintf("%v: %s", z.Item.Pos, z.Item.Path), Writable: z.Changes})
	}
	d.hosted.SetListed(listed)
}

// checkHosted returns an error if a configuration has a zone that is hosted: a zone has one
// owner.
func (d *Daemon) checkHosted(configured *registry.Zones) error {
	for _, apex := range d.hosted.Apexes() {
		if one := configured.Get(apex); one != nil {
			return fmt.Errorf("%s: zone %v is a hosted zone of the Route 53 API, with the id %s; remove it here, or delete it there (`aws route53 delete-hosted-zone --id %[3]s`)",
				place(one), apex, d.hosted.Has(apex))
		}
	}
	return nil
}

// place returns where the configuration has a zone.
func place(one *registry.Zone) string {
	if one.Item != nil {
		return fmt.Sprintf("%v: %s", one.Item.Pos, one.Path())
	}
	return one.Path()
}

// hostedOwner is the Route 53 API as the owner of zones.
type hostedOwner struct{}

// Path implements [registry.Owner].
func (hostedOwner) Path() string { return "the Route 53 API" }

// Settings implements [registry.Owner].
func (hostedOwner) Settings(z *registry.Zones, _ dname.Name) *registry.Settings { return z.Hosted() }

// isHosted reports whether a zone, which may be nil, is a hosted zone.
func isHosted(z *registry.Zone) bool { return z != nil && z.Owner == hostedOwner{} }

// loadHosted returns the hosted zones of an earlier process, and reports what of them, and of
// Elastic IP addresses, cannot be read.
func (d *Daemon) loadHosted() ([]dname.Name, error) {
	damage, err := d.hosted.Load()
	known := len(d.damage)
	for _, m := range damage {
		one := Damage{Text: m.Text}
		if m.Apex != nil {
			one.Zone = m.Apex.String()
		}
		d.damage = append(d.damage, one)
	}
	addresses, lost := d.elastic.Load()
	for _, text := range addresses {
		d.damage = append(d.damage, Damage{Text: text})
	}
	err = errors.Join(err, lost)
	d.logDamage(d.damage[known:])
	return slices.Concat(d.hosted.Apexes(), d.hosted.Damaged()), err
}

// hostedZones returns hosted zones for the registry.
func hostedZones(apexes []dname.Name) (list []*registry.Zone) {
	for _, apex := range apexes {
		list = append(list, &registry.Zone{Apex: apex, Owner: hostedOwner{}})
	}
	return list
}

// attachRules is a [commit.Stage], which adds the rules of ranges to zones that come at run time; a reload
// has them.
func (d *Daemon) attachRules(_ *zone.Set, b *zone.Batch) error {
	if b.Source != assemble.Source {
		d.registry.Load().Ranges().Complete(b)
	}
	return nil
}

// attachRanges adds to the batch of a reload the rules of ranges in hosted zones.
func (d *Daemon) attachRanges(zones *registry.Zones, set *zone.Set, b *zone.Batch) {
	all := zones.Ranges()
	all.Complete(b)
	changed := map[string]bool{}
	for i := range b.Changes {
		changed[b.Changes[i].Apex.Key()] = true
	}
	for one := range zones.All {
		z := set.Get(one.Apex)
		if !isHosted(one) || z == nil || !z.IsAvailable() || changed[z.Key()] {
			continue
		}
		if next := all.Attach(z, true); next != z {
			b.Layers = append(b.Layers, zone.Change{Zone: next, Apex: one.Apex, Base: z})
		}
	}
}

// owners are the zones and what makes them, for package hosted.
type owners struct{ d *Daemon }

// Owner implements [hosted.Owners].
func (o owners) Owner(apex dname.Name) string {
	one := o.d.registry.Load().Get(apex)
	if one == nil {
		return ""
	}
	return place(one)
}

// With implements [hosted.Owners].
func (o owners) With(set *zone.Set, added, gone []dname.Name) (catalogs []zone.Change, show func(*zone.Set), err error) {
	now := o.d.registry.Load()
	next := now.With(hostedZones(added), gone, now)
	policy := *o.d.views.Load().Policy
	next.SetPolicies(&policy, nil)
	catalogs, err = relist(next, set, added, gone)
	return catalogs, func(set *zone.Set) { o.d.showWith(set, next, &policy) }, err
}

// Imported is a hosted zone that was made of a list of record sets.
type Imported struct {
	ID          string   `json:"id"`
	Zone        string   `json:"zone"`
	NameServers []string `json:"name_servers"`
	RecordSets  int      `json:"record_sets"`
	Left        []string `json:"left,omitempty"` // what was not imported, and why
}

// Print writes what was made.
func (i *Imported) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "hosted zone %s: %s with %d record sets, name servers %s\n", i.ID, i.Zone, i.RecordSets, strings.Join(i.NameServers, " "))
	return err
}

// importZone answers VerbImport.
func (d *Daemon) importZone(args url.Values) (any, error) {
	if d.state.Load().cfg.Listen.Route53 == nil {
		return nil, errors.New("listen.route53 is not configured, so that no client could change or delete the zone; configure it, or print a master file without --hosted")
	}
	l, err := hosted.ReadListing(args["page"])
	if err != nil {
		return nil, err
	}
	z, err := d.hosted.Import(l)
	var fault *hosted.Fault
	if errors.As(err, &fault) {
		return nil, fmt.Errorf("nothing was imported:\n  %s", strings.Join(fault.Texts, "\n  "))
	}
	if err != nil {
		return nil, fmt.Errorf("%w; whether the zone was imported is shown by `ptrd status` after a restart", err)
	}
	return &Imported{z.ID, z.Apex.String(), z.NameServers, d.hosted.Count(z), l.Left}, nil
}
