package zone

import (
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Recheck returns what a [Builder] would report of z that c brought in, where z is what
// [Zone.Apply] made of c: all Errors, and the Warnings that are such because the zone is
// another server's ([Builder.SetVerbatim]). It looks at the names that c adds records
// to, and at the apex. pause is called every few microseconds; it may be nil.
func (z *Zone) Recheck(c *Changeset, pause func()) (findings []finding.Finding) {
	p := pauser{pause: pause}
	if _, ok := z.Get(z.apex, rr.TypeNS); !ok {
		f := finding.Finding{Severity: finding.Error, Rule: "no-ns", Text: fmt.Sprintf(noNS, z.apex)}
		if z.verbatim && z.stats.Records > 1 {
			f.Severity = finding.Warning
		}
		findings = append(findings, f)
	}
	var k key
	var last dname.Name
	for i := range c.Added {
		p.step()
		r := &c.Added[i]
		if isOfNSEC3(r) {
			findings = z.recheckNSEC3(findings, r)
			continue
		}
		if string(r.Owner) == string(last) || r.Type == rr.TypeRRSIG && !z.verbatim {
			continue
		}
		last = r.Owner
		z.fill(&k, r.Owner)
		f := z.find(&k, false)
		if f.status != foundName || f.value[0] != formSets {
			continue // a lone record has no other to be at odds with
		}
		sets := z.content(f.value)
		for j := range sets {
			s := &sets[j]
			if len(s.data) == 0 {
				findings = append(findings, finding.Finding{Rule: "signature-without-rrset", Owner: r.Owner, Type: rr.TypeRRSIG, Text: fmt.Sprintf(noRRset+"; sign the zone again", s.typ)})
				continue
			}
			s.faults(sets, z.apex, func() dname.Name { return r.Owner }, k.n == 0, func(code string, _ bool, text string) {
				findings = append(findings, finding.Finding{Severity: severityOf(code, z.verbatim), Rule: code, Owner: r.Owner, Type: s.typ, Text: text})
			})
		}
	}
	return findings
}

// recheckNSEC3 appends what is odd about an NSEC3 or a signature over one. Apply takes
// neither of a zone that is not verbatim.
func (z *Zone) recheckNSEC3(findings []finding.Finding, r *Record) []finding.Finding {
	if _, ok := z.nsec3Hash(r.Owner); !ok {
		findings = append(findings, finding.Finding{Rule: "nsec3-owner", Owner: r.Owner, Type: r.Type, Text: nsec3Owner + "; sign the zone again"})
	}
	if reason := oddRData(r.Type, r.Data); reason != "" {
		findings = append(findings, finding.Finding{Rule: "odd-rdata", Owner: r.Owner, Type: r.Type, Text: reason})
	}
	return findings
}
