package interop

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// buildSet makes the snapshot of a zone set from its master files.
func buildSet(t testing.TB, s *zoneSet) *zone.Set {
	t.Helper()
	var zones []*zone.Zone
	for _, z := range s.zones {
		apex, err := dname.Parse(dns.Fqdn(z.apex))
		if err != nil {
			t.Fatal(err)
		}
		var table source.Table
		b := zone.NewBuilder(apex)
		res := zonefile.ReadBytes(z.file, z.text, zonefile.Options{Origin: apex, Table: &table}, b.Add)
		for _, f := range res.Findings {
			if f.Severity == finding.Error {
				t.Fatalf("%s: %s", s.path, table.Locate(f))
			}
		}
		built, findings := b.Build()
		for _, f := range findings {
			if f.Severity == finding.Error {
				t.Fatalf("%s: %s", s.path, table.Locate(f))
			}
		}
		zones = append(zones, built)
	}
	return zone.NewSet().With(zones, nil)
}

// inProcess returns a maker of responders that call Respond directly.
func inProcess(t testing.TB, s *zoneSet) func() responder {
	// The peers' limit, so that all sizes are compared.
	view := &answer.View{Zones: buildSet(t, s), Policy: &answer.Policy{UDPSize: 4096}}
	return func() responder {
		return &door{view: view, r: answer.NewResponder(answer.ResponderOptions{}), buf: make([]byte, dns.MaxMsgSize)}
	}
}

// door asks by server.Respond.
type door struct {
	view *answer.View
	r    *answer.Responder
	buf  []byte
}

func (d *door) respond(query []byte, tcp bool) ([]byte, error) {
	q := &answer.Request{
		Client: netip.MustParseAddrPort("192.0.2.1:1053"),
		Local:  netip.MustParseAddrPort("192.0.2.2:53"),
	}
	if tcp {
		q.Transport = answer.TCP
	}
	n := copy(d.buf, query)
	n, v := d.r.Respond(d.view, q, d.buf, n)
	if v != answer.Answered {
		return nil, fmt.Errorf("verdict %d", v)
	}
	return d.buf[:n], nil
}
