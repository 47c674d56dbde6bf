package assemble

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// seconds returns a TTL in seconds, or fallback where ttl is negative.
func seconds(ttl, fallback time.Duration) uint32 {
	if ttl < 0 {
		ttl = fallback
	}
	return uint32(ttl / time.Second)
}

// classlessPart returns the part of a /24 whose classless zone is the item's only zone (RFC 2317);
// ok is false for all other items.
func classlessPart(item *config.Zone) (p netip.Prefix, ok bool) {
	return item.Prefix.Masked(), dname.IsClassless(item.Prefix)
}

// classlessOwner returns the owner name of an address of a /24 in the classless zone at apex: its
// last octet below the apex.
func classlessOwner(a netip.Addr, apex dname.Name) (dname.Name, error) {
	b := a.As4()
	return apex.Prepend(strconv.AppendUint(nil, uint64(b[3]), 10))
}

// ownerOf returns the owner name of an address in the item's zones; ok is false for an address
// outside of them. Unlike [config.Zone.Owner] it also works for zones above the reverse trees,
// which have no prefix.
func ownerOf(item *config.Zone, a netip.Addr) (owner dname.Name, ok bool) {
	if _, classless := classlessPart(item); classless {
		owner, _, ok = item.Owner(a)
		return owner, ok
	}
	owner = dname.FromAddr(a)
	return owner, zoneIndex(item, owner) >= 0
}

// zoneIndex returns the index of the item's zone that a record at owner belongs to, the one with
// the longest apex; -1 if there is none.
func zoneIndex(item *config.Zone, owner dname.Name) int {
	best := -1
	for i, apex := range item.Apexes {
		if owner.IsAtOrBelow(apex) && (best < 0 || len(apex) > len(item.Apexes[best])) {
			best = i
		}
	}
	return best
}

// tagOf returns the tag of a position in the configuration.
func tagOf(t *source.Table, p finding.Position) zone.Tag {
	return t.Add(p.File).Tag(p.Line, p.Col)
}

// emitInline emits the records in the configuration itself: the PTRs by address and those in
// presentation form.
func emitInline(item *config.Zone, t *source.Table, fs *findings, emit func(zone.Record)) {
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
		if rec, ok := parseRecord(item, r.Owner, r.Type, r.Data, r.Pos, fs, t); ok {
			rec.TTL = seconds(r.TTL, item.TTL)
			emit(rec)
		}
	}
}

// itemName returns the prefix or the name of an item.
func itemName(item *config.Zone) string {
	if item.Prefix.IsValid() {
		return item.Prefix.String()
	}
	return item.Apexes[0].String()
}

// parseRecord parses one record in presentation form, with the parser of master files, so that the
// same syntax is valid and gets the same findings.
func parseRecord(item *config.Zone, owner dname.Name, typ, data string, pos finding.Position, fs *findings, t *source.Table) (rec zone.Record, ok bool) {
	var table source.Table
	tag := tagOf(t, pos)
	if fault := checkQuotes(typ, data); fault != "" {
		f := finding.Finding{Severity: finding.Error, Position: pos, Rule: "bare-text", Tag: tag, Owner: owner, Text: fault}
		f.Type, _ = rr.ParseType(typ)
		fs.add(f)
		return rec, false
	}
	res := zonefile.ReadBytes("record", fmt.Appendf(nil, "%v 0 IN %s %s\n", owner, typ, data), zonefile.Options{
		Origin: item.Origin,
		Table:  &table,
		Apexes: item.Apexes,
		Checks: item.Checks,
	}, func(r zone.Record) {
		rec = zone.Record{Owner: r.Owner.Clone(), Type: r.Type, Data: append([]byte(nil), r.Data...), Tag: tag}
	})
	for _, f := range res.Findings {
		f.Position, f.Tag = pos, tag
		fs.add(f)
	}
	return rec, res.OK()
}
