package ranges

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
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
	names := fmt.Sprintf("the names of %v", list[0].Prefix)
	if n := len(list) - 1; n > 0 {
		names += " and " + spelling.Number(n, "more range")
	}
	if other := r.materialized(apex, list); other != nil {
		names += fmt.Sprintf(", of which zone %v has records", other)
	}
	count := r.Count(apex)
	isMany := !count.IsInt64() || count.Int64() > int64(limits.Materialize)
	var remedy string
	switch {
	case item.Dynamic:
		remedy = "updates alone change it: move the names to a zone with `synth_transfer: materialize`"
	case isMany && item.SynthTransfer == config.TransferOmit:
		remedy = fmt.Sprintf("let them run ptrd and write `synth_transfer: rule`, as %v names are more than limits.materialize (%d)", count, limits.Materialize)
	case isMany:
		remedy = fmt.Sprintf("let them run ptrd, as %v names are more than limits.materialize (%d)", count, limits.Materialize)
	default:
		remedy = fmt.Sprintf("write `synth_transfer: materialize` (%v records)", count)
		if item.SynthTransfer == config.TransferOmit {
			remedy += ", or `rule` if they run ptrd"
		}
	}
	which := ""
	if item.SynthTransfer == config.TransferRule && !item.Dynamic {
		which = " without ptrd"
	}
	return fmt.Sprintf("zone %v: secondaries%s (%s) lack %s; %s, or set the check range-transfer to off", apex, which, who, names, remedy), list[0].Pos
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
	var list []string
	for _, n := range item.Transfer.Notify {
		list = append(list, n.Address.String())
	}
	for _, p := range item.Transfer.Allow {
		list = append(list, p.String())
	}
	if item.Transfer.NameServers {
		for _, ns := range item.NameServers {
			list = append(list, ns.Name.String())
		}
	}
	return spelling.Some(list, maxSecondaries)
}

// maxSecondaries is how many secondaries a finding lists.
const maxSecondaries = 4
