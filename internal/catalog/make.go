package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// What a catalog's SOA says (RFC 9432 appendix A). Changes are announced by NOTIFY, and
// a lost one delays them by the refresh at most. A catalog that is too old is
// better than none: it is not to expire.
const (
	refresh = 3600
	retry   = 600
	expire  = 1<<31 - 2
)

// maxPrefix is how many octets a catalog's name leaves to the labels before it: the
// longest names are those of the property `group`.
const maxPrefix = len("\x05group") + 1 + labelLen + len("\x05zones")

// labelLen is the length of a member's label: 128 bits of a hash, which no two zones
// of one server share by chance.
const labelLen = 26

var labelEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// Label returns the label that a zone has in every catalog that we make.
func Label(apex dname.Name) string {
	sum := sha256.Sum256([]byte(apex.Key()))
	return strings.ToLower(labelEncoding.EncodeToString(sum[:16]))
}

// Fits reports whether a catalog of this name has room for its members' names.
func Fits(name dname.Name) bool { return len(name)+maxPrefix <= dname.MaxWire }

// ownRecords is how many records a catalog without members has: SOA, NS and version.
const ownRecords = 3

// build returns the catalog zone with this name that lists the members, their
// Labels aside, which are ours to make. The name fits, see Fits. pause is that of
// [zone.Builder.SetPause].
func build(name dname.Name, members []Member, serial zone.Serial, pause func()) *zone.Zone {
	b := zone.NewBuilder(name)
	b.SetPause(pause)
	add := func(owner dname.Name, t rr.Type, data []byte) {
		b.Add(zone.Record{Owner: owner, Type: t, Data: data})
	}
	nobody := dname.MustParse("invalid.") // §4: no address is asked for
	soa := append(bytes.Clone(nobody), nobody...)
	for _, n := range [...]uint32{uint32(serial), refresh, retry, expire, 0} {
		soa = binary.BigEndian.AppendUint32(soa, n)
	}
	add(name, rr.TypeSOA, soa)
	add(name, rr.TypeNS, nobody)
	add(below(name, labelVersion), rr.TypeTXT, versionData)
	for i := range members {
		for _, r := range members[i].records(name) {
			b.Add(r)
		}
	}
	z, findings := b.Build()
	if z == nil {
		panic(fmt.Sprintf("catalog: %v cannot be built: %v", name, findings))
	}
	return z
}

// below returns the name with a label added, which fits into the names of a catalog.
func below(n dname.Name, label []byte) dname.Name {
	longer, err := n.Prepend(label)
	if err != nil {
		panic(fmt.Sprintf("catalog: %q does not fit below %v: %v", label, n, err))
	}
	return longer
}

// node returns the node of a member in the catalog with this name.
func node(name, apex dname.Name) dname.Name {
	return below(below(name, labelZones), []byte(Label(apex)))
}

// records returns the records of a member in the catalog with this name.
func (m *Member) records(name dname.Name) []zone.Record {
	node := node(name, m.Apex)
	list := []zone.Record{{Owner: node, Type: rr.TypePTR, Data: m.Apex}}
	for _, g := range m.Groups {
		list = append(list, zone.Record{Owner: below(node, labelGroup), Type: rr.TypeTXT, Data: append([]byte{byte(len(g))}, g...)})
	}
	if m.Owner != nil {
		list = append(list, zone.Record{Owner: below(node, labelCoo), Type: rr.TypePTR, Data: m.Owner})
	}
	return list
}
