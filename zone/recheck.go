package zone

import (
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Recheck returns what keeps z from being served that c brought in, where z is
// what [Zone.Apply] made of c: the Errors that a [Builder] would report. It looks at
// the names that c adds records to, and at the apex.
func (z *Zone) Recheck(c *Changeset) (findings []Finding) {
	if _, ok := z.Get(z.apex, rr.TypeNS); !ok {
		findings = append(findings, Finding{Severity: Error, Code: "no-ns", Text: fmt.Sprintf(noNS, z.apex)})
	}
	var k key
	var last dname.Name
	for i := range c.Added {
		r := &c.Added[i]
		if string(r.Owner) == string(last) || r.Type == rr.TypeNSEC3 || r.Type == rr.TypeRRSIG {
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
			s.faults(sets, z.apex, func() dname.Name { return r.Owner }, k.n == 0, func(code string, _ bool, text string) {
				findings = append(findings, Finding{Severity: Error, Code: code, Owner: r.Owner, Type: s.typ, Text: text})
			})
		}
	}
	return findings
}
