package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Member is a zone that a catalog lists.
type Member struct {
	Apex   dname.Name
	Label  string     // of the member node, in lower case; with another one the data of the zone are discarded (RFC 9432 §5.4)
	Groups []string   // what the zone is to be treated as (§4.3.2)
	Owner  dname.Name // the catalog that may take the zone over (§4.3.1, `coo`); nil: none
}

// errNotCatalog says that a zone without data lists nothing.
var errNotCatalog = errors.New("the catalog zone has no data")

// The labels that RFC 9432 gives a meaning, in lower case.
var (
	labelVersion = []byte("version")
	labelZones   = []byte("zones")
	labelGroup   = []byte("group")
	labelCoo     = []byte("coo")
)

// versionData is the RDATA of the TXT record that says which schema a catalog has
// (§4.2.1): the only one there is.
var versionData = []byte{1, '2'}

// Read returns the members that a catalog zone lists, in the order of their labels.
// An error says why the catalog is invalid and must not be processed (RFC 9432 §5.1);
// a catalog with more than most members counts as invalid. Records without a meaning
// in RFC 9432 are ignored (§3).
func Read(z *zone.Zone, most int) (list []Member, err error) {
	if !z.IsAvailable() {
		return nil, errNotCatalog
	}
	labels := map[string]string{} // of members, by key of the apex
	for owner := range zone.Owners(z.All(), rr.TypePTR) {
		if !isNode(z, owner) {
			continue
		}
		m, err := readNode(z, owner)
		if err != nil {
			return nil, err
		}
		if len(list) == most {
			return nil, fmt.Errorf("the catalog lists more than %d zones; raise `max_members` if that is meant", most)
		}
		key := m.Apex.Key()
		if first, twice := labels[key]; twice {
			return nil, fmt.Errorf("zone %v is listed under the labels %q and %q, a catalog lists a zone once (RFC 9432 §4.1); remove one of them from the catalog", m.Apex, first, m.Label)
		}
		labels[key] = m.Label
		list = append(list, *m)
	}
	return list, checkVersion(z)
}

// isNode reports whether a name is that of a member node: two labels below the apex.
func isNode(z *zone.Zone, owner dname.Name) bool {
	depth := z.ApexLabels()
	return owner.Labels() == depth+2 && isZones(owner.Suffix(depth+1))
}

// isZones reports whether a name one label below the apex is that above the member nodes.
func isZones(n dname.Name) bool { return dname.CompareLabels(n.Label(), labelZones) == 0 }

// readNode returns the member whose node this is; nil if the node lists none.
func readNode(z *zone.Zone, node dname.Name) (*Member, error) {
	zones, err := onlyPTR(z, node, "a member node has one (RFC 9432 §4.1)")
	if zones == nil || err != nil {
		return nil, err
	}
	m := &Member{Apex: zones, Label: lower(node.Label())}
	if coo, err := node.Prepend(labelCoo); err == nil { // else the name is too long to be there
		if m.Owner, err = onlyPTR(z, coo, "a zone has one next owner (RFC 9432 §4.3.1)"); err != nil {
			return nil, err
		}
	}
	if group, err := node.Prepend(labelGroup); err == nil {
		for _, data := range values(z, group, rr.TypeTXT) {
			s, ok := text(data)
			if !ok { // transferred zones may have such RDATA
				return nil, fmt.Errorf("the TXT record at %v is malformed", group)
			}
			m.Groups = append(m.Groups, s)
		}
	}
	return m, nil
}

// onlyPTR returns the target of the only PTR record at a name, nil if there is none. rule is
// part of the error if there are several.
func onlyPTR(z *zone.Zone, owner dname.Name, rule string) (dname.Name, error) {
	list := values(z, owner, rr.TypePTR)
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return list[0], nil
	}
	return nil, fmt.Errorf("%v has more than one PTR record, %s", owner, rule)
}

// values returns the RDATA of an RRset.
func values(z *zone.Zone, owner dname.Name, t rr.Type) (list [][]byte) {
	if s, ok := z.Get(owner, t); ok {
		list = slices.Collect(s.Values())
	}
	return list
}

// checkVersion checks the version of the schema (§4.2.1).
func checkVersion(z *zone.Zone) error {
	owner, err := z.Apex().Prepend(labelVersion)
	if err != nil {
		return err
	}
	list := values(z, owner, rr.TypeTXT)
	switch {
	case len(list) == 0:
		return fmt.Errorf("there is no TXT record at version.%v, as every catalog zone has one (RFC 9432 §4.2.1)", z.Apex())
	case len(list) > 1:
		return fmt.Errorf("there are %d TXT records at version.%v, a catalog zone has one (RFC 9432 §4.2.1)", len(list), z.Apex())
	case !bytes.Equal(list[0], versionData):
		wrong, _ := text(list[0])
		return fmt.Errorf("the TXT record at version.%v is %q, must be \"2\" (RFC 9432 §4.2.1)", z.Apex(), wrong)
	}
	return nil
}

// text returns the character-strings of a TXT record's RDATA as one; ok is false if there
// are none, or the last one is not all there.
func text(data []byte) (s string, ok bool) {
	var b []byte
	ok = len(data) > 0
	for len(data) > 0 && ok {
		n := 1 + int(data[0])
		ok = n <= len(data)
		n = min(n, len(data))
		b = append(b, data[1:n]...)
		data = data[n:]
	}
	return string(b), ok
}

// lower returns a label in lower case.
func lower(label []byte) string {
	b := make([]byte, len(label))
	for i, c := range label {
		b[i] = dname.Lower(c)
	}
	return string(b)
}
