package handover

import (
	"slices"
	"testing"

	"github.com/miekg/dns"
)

func TestModel(t *testing.T) {
	for name, m := range map[string]*model{
		"unsigned": newModel(), "nsec": newModel().sign(0), "two keys": newModel().sign(0).sign(1).cds(),
		"nsec3": func() *model { m := newModel().sign(0).put("@ NSEC3PARAM 1 0 0 -"); m.nsec3 = true; return m }(),
	} {
		errs, warnings := m.check(t)
		if errs != nil || warnings != nil {
			t.Errorf("%s: %v, %v", name, errs, warnings)
		}
	}
}

// made are tags of rules that package delegation keeps from occurring in a model.
func made() map[string]*Facts {
	chain := func(pairs ...string) *Facts {
		l := &Lookup{}
		for i := 0; i < len(pairs); i += 2 {
			l.Chain = append(l.Chain, &dns.CNAME{Hdr: dns.RR_Header{Name: pairs[i]}, Target: pairs[i+1]})
		}
		return &Facts{Zone: "7.4.11.in-addr.arpa.", Listed: []string{"ns1.example."}, Names: map[string]*Lookup{"ns1.example.": l}}
	}
	return map[string]*Facts{
		"B02_NO_DELEGATION":               {Zone: "7.4.11.in-addr.arpa."},
		"CNAME_RECORDS_MULTIPLE_FOR_NAME": chain("ns1.example.", "a.example.", "ns1.example.", "b.example."),
		"CNAME_RECORDS_CHAIN_BROKEN":      chain("ns1.example.", "a.example.", "b.example.", "c.example."),
	}
}

func TestMade(t *testing.T) {
	for tag, f := range made() {
		if !slices.ContainsFunc(f.Check(all), func(n Finding) bool { return n.Tag == tag }) {
			t.Errorf("%s is not found", tag)
		}
	}
}

// TestEveryRuleHasAFault: each rule finds something in the table of faults, or in what is made up.
func TestEveryRuleHasAFault(t *testing.T) {
	found := map[string]bool{}
	for tag := range made() {
		found[tag] = true
	}
	for _, c := range faults() {
		for _, tag := range tagsOf(c.tags) {
			found[tag] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range rules() {
		if seen[r.tag] {
			t.Errorf("%s is there twice", r.tag)
		}
		seen[r.tag] = true
		if !found[r.tag] && r.refuse != 0 {
			t.Errorf("%s: no fault", r.tag)
		}
	}
	for tag := range found {
		if !seen[tag] {
			t.Errorf("%s: no rule", tag)
		}
	}
}
