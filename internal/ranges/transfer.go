package ranges

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Lacks returns what secondaries of the zone of the configuration at apex lack of its names of
// ranges, with the remedy, and the place of the first range; empty: nothing, or there are no
// secondaries.
func (r *Ranges) Lacks(apex dname.Name, limits *config.Limits) (text string, pos finding.Position) {
	key := apex.Key()
	list := slices.Concat(r.Of(apex), r.dynamic[key])
	if len(list) == 0 {
		return "", pos
	}
	item := r.items[key]
	who := secondaries(item)
	if who == "" || r.IsMaterialized(apex) {
		return "", pos
	}
	names := fmt.Sprintf("the names of %v (%s)", list[0].Prefix, list[0].Template)
	switch n := len(list) - 1; {
	case n == 1:
		names += " and of one more range"
	case n > 1:
		names += fmt.Sprintf(" and of %d more ranges", n)
	}
	if other := r.materialized(apex, list); other != nil {
		names += fmt.Sprintf(", although zone %v has records of them", other)
	}
	count := r.Count(apex)
	remedy := fmt.Sprintf("write `synth_transfer: materialize` (%v records)", count)
	if item.SynthTransfer == config.TransferOmit {
		remedy += ", or `rule` for secondaries that run ptrd"
	}
	if !count.IsInt64() || count.Int64() > int64(limits.Materialize) {
		remedy = fmt.Sprintf("let all secondaries run ptrd, with `synth_transfer: rule`: %v names are too many for `materialize` (limits.materialize is %d)", count, limits.Materialize)
	}
	switch {
	case item.Dynamic:
		text = fmt.Sprintf("no secondary of zone %v (%s) has %s: updates make what is transferred; move these names to a zone with `synth_transfer: materialize`", apex, who, names)
	case item.SynthTransfer == config.TransferOmit:
		text = fmt.Sprintf("no secondary of zone %v (%s) has %s: `synth_transfer` is omit; %s", apex, who, names, remedy)
	default:
		text = fmt.Sprintf("secondaries of zone %v (%s) that do not run ptrd lack %s: they are transferred as rules; %s", apex, who, names, remedy)
	}
	return text + "; if this is intended, set the check range-transfer to off", list[0].Pos
}

// materialized returns a zone at the other end of ranges, that of their addresses or names, that has
// records of them; nil if none does.
func (r *Ranges) materialized(apex dname.Name, list []*Range) dname.Name {
	for _, one := range list {
		for _, other := range one.zones {
			if other.IsForward() != apex.IsForward() && r.IsMaterialized(other) {
				return other
			}
		}
	}
	return nil
}

// secondaries describes the secondaries that the configuration of a zone names: servers that are
// notified, clients that may transfer it, and name servers, of which this server is one; empty: no
// client may transfer the zone.
func secondaries(item *config.Zone) string {
	if len(item.Transfer.Allow) == 0 {
		return ""
	}
	var kinds []string
	add := func(kind string, list []string) {
		const most = 4
		if n := len(list) - most; n > 1 {
			list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", n))
		}
		if len(list) > 0 {
			kinds = append(kinds, kind+" "+strings.Join(list, ", "))
		}
	}
	var notified, clients, servers []string
	for _, n := range item.Transfer.Notify {
		notified = append(notified, n.Address.String())
	}
	for _, p := range item.Transfer.Allow {
		who := "any address"
		if p.Prefix.IsValid() {
			who = p.Prefix.String()
		}
		if p.Key != nil {
			who += " with key " + p.Key.String()
		}
		clients = append(clients, who)
	}
	if item.Transfer.NameServers {
		for _, ns := range item.NameServers {
			servers = append(servers, ns.Name.String())
		}
	}
	add("NOTIFY to", notified)
	add("transfers to", clients)
	add("name servers", servers)
	return strings.Join(kinds, "; ")
}
