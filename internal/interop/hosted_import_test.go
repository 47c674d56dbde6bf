package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/hosted"
)

// importer has zones imported, which are then emptied by a batch, and deleted.
type importer struct{ zones []*importedZone }

// importedZone is a zone in one of the states that it may have.
type importedZone struct {
	name, id string
	may      []importState
}

type importState string

const (
	zoneAbsent importState = "absent"
	zoneWhole  importState = "whole"
	zoneEmpty  importState = "empty"
)

// sets returns the record sets that are imported into a zone, and the alias among them.
func (z *importedZone) sets() (list []apiSet) {
	for i := range 20 {
		list = append(list, apiSet{Name: fmt.Sprintf("h%d.%s", i, z.name), Type: "A", TTL: 300, Values: []string{fmt.Sprintf("192.0.2.%d", i), "192.0.2.99"}})
	}
	return append(list, apiSet{Name: "www." + z.name, Type: "A", Alias: "h7." + z.name})
}

// page returns the JSON that the AWS CLI would list of the zone.
func (z *importedZone) page() string {
	ttl := uint32(900)
	list := []hosted.ListedSet{{Name: z.name, Type: "SOA", TTL: &ttl, ResourceRecords: []hosted.ListedText{{Value: "ns. hostmaster. 1 7200 900 1209600 86400"}}}}
	for _, s := range z.sets() {
		one := hosted.ListedSet{Name: s.Name, Type: s.Type}
		if s.Alias != "" {
			one.AliasTarget = &hosted.ListedAlias{HostedZoneID: "Z1", DNSName: s.Alias}
		} else {
			one.TTL = &s.TTL
		}
		for _, v := range s.Values {
			one.ResourceRecords = append(one.ResourceRecords, hosted.ListedText{Value: v})
		}
		list = append(list, one)
	}
	b, err := json.Marshal(map[string]any{"ResourceRecordSets": list})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// next brings a zone into its next state.
func (m *importer) next(h *hostedCrash, rng *rand.Rand) error {
	const most = 3 // whose names are used again
	if len(m.zones) < most {
		m.zones = append(m.zones, &importedZone{name: fmt.Sprintf("i%d.example.", len(m.zones)), may: []importState{zoneAbsent}})
	}
	z := m.zones[rng.IntN(len(m.zones))]
	if len(z.may) > 1 {
		return errAgain // until verify settles it
	}
	was := z.may[0]
	var to importState
	var err error
	switch was {
	case zoneAbsent:
		to, z.may = zoneWhole, []importState{zoneAbsent, zoneWhole}
		var made daemon.Imported
		if err = h.server.call(daemon.VerbImport, url.Values{"page": {z.page()}}, &made); err == nil {
			z.id = made.ID
		}
	case zoneWhole:
		to, z.may = zoneEmpty, []importState{zoneWhole, zoneEmpty}
		var edits []apiEdit
		for _, s := range z.sets() {
			edits = append(edits, apiEdit{"DELETE", s})
		}
		_, err = h.api.change(z.id, edits)
	case zoneEmpty:
		to, z.may = zoneAbsent, []importState{zoneEmpty, zoneAbsent}
		err = h.api.call("DELETE", "hostedzone/"+z.id, "", nil)
	}
	bad := (*apiError)(nil)
	switch {
	case err == nil:
		z.may = []importState{to}
		return nil
	case !errors.As(err, &bad):
		return err
	case bad.Code != "ServiceUnavailable" || h.server.volume == nil:
		return &broken{fmt.Errorf("%s, which is %s: %w", z.name, was, err)}
	}
	z.may = []importState{was}
	h.refused.Add(1)
	return errAgain
}

// verify compares the zones with the list of all, and returns how many there are.
func (m *importer) verify(h *hostedCrash, all map[string]apiZone) (count int) {
	h.t.Helper()
	for _, z := range m.zones {
		is := zoneAbsent
		for _, one := range all {
			if one.Name != z.name {
				continue
			}
			count++
			z.id = one.ID
			sets, err := h.api.list(z.id)
			if err != nil {
				h.t.Fatalf("%s: %v\n%s", z.name, err, h.server.log())
			}
			h.compare(z.name, 0, sets)
			got := []string{}
			for _, s := range sets {
				if s.Name != z.name {
					got = append(got, fmt.Sprint(s))
				}
			}
			want := []string{}
			for _, s := range z.sets() {
				want = append(want, fmt.Sprint(s))
			}
			slices.Sort(want)
			slices.Sort(got)
			switch {
			case len(got) == 0:
				is = zoneEmpty
			case slices.Equal(got, want):
				is = zoneWhole
			default:
				h.t.Errorf("%s was imported in part:\n%s", z.name, strings.Join(got, "\n"))
			}
		}
		if !slices.Contains(z.may, is) {
			h.t.Errorf("%s is %s, may be %v", z.name, is, z.may)
		}
		z.may = []importState{is}
		h.checkServed(z.name, all)
	}
	return count
}
