package handover

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Owner is a party that delegates zones: a registry, or a provider.
type Owner struct {
	Key  string // as in `ptrd handover --for KEY`
	Name string

	// Consequence is what follows from a finding that the owner refuses.
	Consequence string

	set      owners
	template string
	refuses  func(*Zone) string // returns why the owner delegates no such zone, and the remedy; empty: it does
	notes    func(*Zone) string // returns what is special about such a zone; empty: nothing
}

// owners is a set of owners.
type owners uint8

// The owners, and those that test the same.
const (
	ripe owners = 1 << iota
	arin
	apnic
	lacnic
	afrinic
	jpnic
	isp

	all = 1<<iota - 1
)

const noDelegation = "a delegation would not work"

// Owners returns the parties that this package knows, in the order of the documentation.
//
// What they delegate and refuse is from their documentation: RIPE NCC runs Zonemaster and rejects
// each error; JPNIC tests daily over both address families that a server answers on UDP port 53
// with an authoritative SOA; the others test the same less often.
func Owners() []Owner {
	return []Owner{
		{Key: "ripe", Name: "RIPE NCC", Consequence: "the object is rejected", set: ripe, template: "rpsl", refuses: ripeRefuses},
		{Key: "arin", Name: "ARIN", Consequence: "the name server can be removed from the delegation", set: arin, template: "arin", refuses: classlessRefused},
		{Key: "apnic", Name: "APNIC", Consequence: "the name server is disabled after 15 days of tests and 45 days of notice", set: apnic, template: "rpsl", refuses: classlessRefused},
		{Key: "lacnic", Name: "LACNIC", Consequence: "the delegation is refused, or later reported as lame and removed", set: lacnic, template: "lacnic", refuses: classlessRefused, notes: lacnicNotes},
		{Key: "afrinic", Name: "AFRINIC", Consequence: "the name server is removed after 30 days", set: afrinic, template: "rpsl", notes: afrinicNotes},
		{Key: "jpnic", Name: "JPNIC", Consequence: "a warning with the application and after 15 days; after 45 days the delegation is stopped", set: jpnic, template: "jpnic", refuses: classlessRefused},
		{Key: "isp", Name: "a provider", Consequence: noDelegation, set: isp, template: "mail-en"},
		{Key: "isp-ja", Name: "a provider, in Japanese", Consequence: noDelegation, set: isp, template: "mail-ja"},
		{Key: "parent", Name: "the parent zone, as lines of a master file", Consequence: noDelegation, set: isp, template: "parent"},
	}
}

// Refuses returns why the owner delegates no such zone whatever its servers do, and the remedy;
// empty: it does.
func (o *Owner) Refuses(z *Zone) string {
	switch {
	case o.set == isp:
		return ""
	case !z.Prefix.IsValid():
		return fmt.Sprintf("%s delegates reverse zones only; use --for isp or --for parent", o.Name)
	case o.refuses == nil:
		return ""
	}
	return o.refuses(z)
}

// classlessRefused: only prefixes up to /24 are delegated.
func classlessRefused(z *Zone) string {
	if !z.IsClassless() {
		return ""
	}
	return fmt.Sprintf("IPv4 zones end at octets and /24 is the longest, the prefix is %v; ask the holder of %v for a delegation by RFC 2317 (--for isp)",
		z.Prefix, dname.Boundary(z.Prefix))
}

// ripeRefuses: of classless names, RIPE NCC accepts a range in the fourth octet.
func ripeRefuses(z *Zone) string {
	if !z.IsClassless() {
		return ""
	}
	want := dname.FromClassless(z.Prefix, dname.Range)
	if z.Apex.Equal(want) {
		return ""
	}
	return fmt.Sprintf("a zone for a part of a /24 must have a range as its first label, the name is %v; use %v (style range)", z.Apex, want)
}

func lacnicNotes(z *Zone) string {
	if z.Prefix.Addr().Is4() && z.Prefix.Bits() < 24 {
		return "LACNIC delegates and tests each /24 of the block, so that each must be a zone of its own"
	}
	return ""
}

func afrinicNotes(z *Zone) string {
	if z.IsClassless() {
		return "AFRINIC delegates a part of a /24 only if it is provider-independent space"
	}
	return ""
}

// OwnerOf returns the owner with the key.
func OwnerOf(key string) (Owner, error) {
	var keys []string
	for _, o := range Owners() {
		if o.Key == key {
			return o, nil
		}
		keys = append(keys, o.Key)
	}
	return Owner{}, fmt.Errorf("there is no owner %q; use one of %s", key, strings.Join(keys, ", "))
}
