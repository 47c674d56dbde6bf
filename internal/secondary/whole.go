package secondary

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// beginWhole begins with a zone that comes record by record, after its SOA.
func (r *Receiver) beginWhole() {
	r.state = inWhole
	r.builder = zone.NewBuilder(r.a.Apex)
	r.builder.SetPause(r.a.Pause)
	r.builder.SetVerbatim()
	r.builder.SetMaxBytes(MemoryFactor * r.a.MaxOctets)
	r.builder.Add(zone.Record{Owner: r.a.Apex, Type: rr.TypeSOA, TTL: r.soa.ttl, Data: r.soa.data})
}

// endWhole makes the zone.
func (r *Receiver) endWhole() error {
	z, findings := r.builder.Build()
	r.builder = nil
	if z == nil {
		return unfit(findings)
	}
	r.out.Zone = z
	r.warn(findings...)
	r.state = atEnd
	return nil
}

// maxTold is how many errors of a zone a message has: the primary's operator has to
// correct them all, and sees them there.
const maxTold = 3

// unfit is the error for a zone that cannot be served as it came.
func unfit(findings []zone.Finding) error {
	var texts []string
	more := 0
	for _, f := range findings {
		switch {
		case f.Severity != zone.Error:
		case len(texts) < maxTold:
			texts = append(texts, f.String())
		default:
			more++
		}
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("%d more errors", more))
	}
	return fmt.Errorf("the zone cannot be served: %s", strings.Join(texts, "; "))
}
