package assemble

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// seconds returns a TTL, or the other where the first one is not given.
func seconds(ttl, otherwise time.Duration) uint32 {
	if ttl < 0 {
		ttl = otherwise
	}
	return uint32(ttl / time.Second)
}

// classlessPart returns the part of a /24 that the item's only zone stands for
// (RFC 2317); ok is false for all other items.
func classlessPart(item *config.Zone) (p netip.Prefix, ok bool) {
	return item.Prefix.Masked(), dname.IsClassless(item.Prefix)
}

// classlessOwner returns the owner name that stands for an address of a /24 in the
// classless zone at apex: its last octet in front.
func classlessOwner(a netip.Addr, apex dname.Name) (dname.Name, error) {
	b := a.As4()
	return apex.Prepend(strconv.AppendUint(nil, uint64(b[3]), 10))
}

// ownerOf returns the owner name of an address in the item's zones; ok is false
// for an address outside of them. Unlike [config.Zone.Owner] it serves zones
// above the reverse trees as well, which have no prefix.
func ownerOf(item *config.Zone, a netip.Addr) (owner dname.Name, ok bool) {
	if _, classless := classlessPart(item); classless {
		owner, _, ok = item.Owner(a)
		return owner, ok
	}
	owner = dname.FromAddr(a)
	return owner, route(item, owner) >= 0
}

// route returns the index of the item's zone that a record at owner belongs to,
// the one with the longest apex; -1 if it lies in none of them.
func route(item *config.Zone, owner dname.Name) int {
	best := -1
	for i, apex := range item.Apexes {
		if owner.IsAtOrBelow(apex) && (best < 0 || len(apex) > len(item.Apexes[best])) {
			best = i
		}
	}
	return best
}

// tagOf returns the tag of a position in the config.
func tagOf(t *source.Table, p source.Position) zone.Tag {
	return t.Add(p.File).Tag(p.Line, p.Col)
}

// inline emits the records that the config itself holds: the PTRs by address and
// those in presentation form.
func inline(item *config.Zone, t *source.Table, fs *findings, emit func(zone.Record)) {
	for i := range item.PTR {
		p := &item.PTR[i]
		owner, _, ok := item.Owner(p.Addr)
		if !ok {
			panic(fmt.Sprintf("assemble: %s.ptr has %v, which is not in %s", item.Path, p.Addr, itemName(item)))
		}
		for _, target := range p.Targets {
			emit(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: seconds(p.TTL, item.TTL), Data: target, Tag: tagOf(t, p.Pos)})
		}
	}
	for i := range item.Records {
		r := &item.Records[i]
		rec, ok := present(item, r.Owner, r.Type, r.Data, r.Pos, fs, t)
		if ok {
			rec.TTL = seconds(r.TTL, item.TTL)
			emit(rec)
		}
	}
}

// itemName returns what a person calls the item: its prefix or its name.
func itemName(item *config.Zone) string {
	if item.Prefix.IsValid() {
		return item.Prefix.String()
	}
	return item.Apexes[0].String()
}

// present reads one record in presentation form, with the reader of master files,
// so that everything is understood and remarked upon that is in a file.
func present(item *config.Zone, owner dname.Name, typ, data string, pos source.Position, fs *findings, t *source.Table) (rec zone.Record, ok bool) {
	var table source.Table
	tag := tagOf(t, pos)
	if fault := unquoted(typ, data); fault != "" {
		f := zone.Finding{Severity: zone.Error, Code: "bare-text", Tag: tag, Owner: owner, Text: fault}
		f.Type, _ = rr.ParseType(typ)
		fs.add(Finding{Finding: f, Pos: pos})
		return rec, false
	}
	res := zonefile.ReadBytes("record", fmt.Appendf(nil, "%v 0 IN %s %s\n", owner, typ, data), zonefile.Options{
		Origin: item.Origin,
		Table:  &table,
		Apexes: item.Apexes,
	}, func(r zone.Record) {
		rec = zone.Record{Owner: r.Owner.Clone(), Type: r.Type, Data: append([]byte(nil), r.Data...), Tag: tag}
	})
	for _, f := range res.Findings {
		f.Tag = tag
		fs.add(Finding{Finding: f, Pos: pos})
	}
	return rec, res.OK()
}
