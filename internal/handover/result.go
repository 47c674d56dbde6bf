package handover

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Request is what is to be handed over, and to which owners.
type Request struct {
	Input   string              // a prefix, or the name of a zone
	Servers []config.NameServer // nil: those of the configuration
	Config  *config.Config      // nil: none
	For     []string            // keys of owners; none: the records are printed, and the rules of all owners apply
	Now     func() time.Time    // for the periods of signatures

	Source   func() Source        // makes what asks the servers, with no earlier answers; nil: they are not tested
	Wait     time.Duration        // for all servers to have the same serial, before the tests; 0: none
	Serial   func(z *Zone) uint32 // the least serial to wait for; nil or 0: the highest that a server has
	Progress func(text string)    // of waiting; nil: none
}

// Result is a hand-over.
type Result struct {
	Input     string       `json:"input"`
	Prefix    netip.Prefix `json:"prefix,omitzero"`
	Ready     *bool        `json:"ready,omitempty"` // no owner refuses; none: not tested
	Zones     []ZoneResult `json:"zones"`
	Documents []Document   `json:"documents,omitempty"`
	Notes     []string     `json:"notes,omitempty"`

	naming *naming.Naming
}

// ZoneResult is a zone of a hand-over.
type ZoneResult struct {
	Zone     dname.Name `json:"zone"`
	Parent   dname.Name `json:"parent,omitempty"`
	Records  []string   `json:"records"`            // for the parent zone
	CNAMEs   []string   `json:"cnames,omitempty"`   // of a classless zone
	Generate string     `json:"generate,omitempty"` // the CNAMEs as one line of a master file
	Findings []Finding  `json:"findings"`           // of the tests

	Untested  []string   `json:"untested,omitempty"`  // servers that were not asked, or not all, with the reason
	Behind    []string   `json:"behind,omitempty"`    // servers that did not have the serial in time
	Delegated *Delegated `json:"delegated,omitempty"` // what the zone above has; none: not tested
}

// Document is the text for an owner.
type Document struct {
	For     string   `json:"for"`
	Owner   string   `json:"owner"`
	Refused []string `json:"refused,omitempty"` // why it delegates no such zone; then there is no text
	Text    string   `json:"text,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// placeholders returns names to use if no name servers are known.
func placeholders() []config.NameServer {
	return []config.NameServer{{Name: dname.MustParse("ns1.example.")}, {Name: dname.MustParse("ns2.example.")}}
}

// Make tests the zones and makes the documents. The error is one of the input.
func Make(ctx context.Context, q *Request) (*Result, error) {
	var to []Owner
	for _, key := range q.For {
		o, err := OwnerOf(key)
		if err != nil {
			return nil, err
		}
		to = append(to, o)
	}
	zones, n, err := Zones(q.Input, q.Servers, q.Config)
	if err != nil {
		return nil, err
	}
	r := &Result{Input: q.Input, naming: n}
	if n != nil {
		r.Prefix, r.Notes = n.Prefix, n.Notes
	}
	if len(zones[0].Servers) == 0 && q.Source != nil {
		servers := q.Source().Parent(ctx, &zones[0]).Servers
		if servers == nil {
			return nil, fmt.Errorf("no name servers of %s are known to test, and it is not delegated; give them by --ns, or as `nameservers` in the configuration", q.Input)
		}
		for i := range zones {
			zones[i].Servers = servers
		}
	}
	if len(zones[0].Servers) == 0 {
		for i := range zones {
			zones[i].Servers = placeholders()
		}
		r.Notes = append(r.Notes, "ns1.example. and ns2.example. are placeholders; give your name servers by --ns")
	}
	rulesOf := owners(all)
	if len(to) > 0 {
		rulesOf = 0
		for _, o := range to {
			rulesOf |= o.set
		}
	}
	for i := range zones {
		z := &zones[i]
		out := ZoneResult{Zone: z.Apex, Parent: z.Parent, Findings: []Finding{}}
		if q.Source != nil {
			out.Behind = q.wait(ctx, z)
			src := q.Source()
			f := Collect(ctx, z, src, q.Now())
			z.DS = f.DS
			out.Findings = append(out.Findings, f.Check(ownersOf(z)&rulesOf)...)
			out.Untested = f.untested()
			r.addReady(&out)
			p := src.Parent(ctx, z)
			if p.Warning != "" {
				r.Notes = append(r.Notes, p.Warning)
			}
			if p.Zone != nil {
				z.Parent, out.Parent = p.Zone, p.Zone
			}
			out.Delegated = p.compare(slices.Concat(z.Records(), z.CNAMEs()))
		}
		out.Records, out.CNAMEs = z.Records(), z.CNAMEs()
		if z.IsClassless() {
			out.Generate = z.Generate()
		}
		r.Zones = append(r.Zones, out)
	}
	for i := range to {
		d, err := to[i].document(r.title(), zones)
		if err != nil {
			return nil, err
		}
		if d.Refused != nil && r.Ready != nil {
			*r.Ready = false
		}
		r.Documents = append(r.Documents, d)
	}
	if to == nil {
		parent, _ := OwnerOf("parent")
		r.Notes = append(r.Notes, parent.Notes(zones)...)
	}
	return r, nil
}

// ownersOf returns the owners that delegate a zone of this kind.
func ownersOf(z *Zone) owners {
	out := owners(0)
	for _, o := range Owners() {
		if o.Refuses(z) == "" {
			out |= o.set
		}
	}
	return out
}

// addReady takes the findings of a zone into account.
func (r *Result) addReady(z *ZoneResult) {
	ok := z.Behind == nil && !slices.ContainsFunc(z.Findings, func(n Finding) bool { return n.Severity == finding.Error })
	if r.Ready != nil {
		ok = ok && *r.Ready
	}
	r.Ready = &ok
}

// untested returns the servers that were not asked all questions, with the reason.
func (f *Facts) untested() []string {
	var out []string
	for _, s := range slices.Concat(f.Untested, f.Servers) {
		if s.Why != "" {
			out = append(out, fmt.Sprintf("%v: %s", s, s.Why))
		}
	}
	return out
}

// title is what documents name: the prefix, or the zone.
func (r *Result) title() string {
	if r.Prefix.IsValid() {
		return r.Prefix.String()
	}
	return bare(r.Zones[0].Zone)
}

// document returns the document for the owner.
func (o *Owner) document(title string, zones []Zone) (Document, error) {
	d := Document{For: o.Key, Owner: o.Name}
	for i := range zones {
		if why := o.Refuses(&zones[i]); why != "" {
			d.Refused = append(d.Refused, why)
		}
	}
	if d.Refused != nil {
		return d, nil
	}
	var err error
	d.Text, err = o.Document(title, zones)
	d.Notes = o.Notes(zones)
	return d, err
}

// IsWrong reports whether an owner refuses something.
func (r *Result) IsWrong() bool { return r.Ready != nil && !*r.Ready }

// Print writes the documents, or the records if there are none.
func (r *Result) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	for i, d := range r.Documents {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if len(r.Documents) > 1 {
			fmt.Fprintf(w, "For %s:\n\n", d.Owner)
		}
		fmt.Fprint(w, d.Text)
		for _, why := range d.Refused {
			fmt.Fprintf(w, "%s does not delegate this zone: %s\n", d.Owner, why)
		}
	}
	if len(r.Documents) == 0 {
		r.printRecords(w)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
	for _, d := range r.Documents {
		for _, n := range d.Notes {
			fmt.Fprintf(w, "\nnote: %s\n", n)
		}
	}
	return w.Flush()
}

func (r *Result) printRecords(w io.Writer) {
	if r.naming != nil {
		r.naming.PrintZones(w)
	} else {
		fmt.Fprintf(w, "zone     %s\n", r.Zones[0].Zone)
	}
	above := "the zone above"
	if p := r.Zones[0].Parent; p != nil {
		above += ", " + p.String() + ","
	}
	fmt.Fprintf(w, "\nFor %s at the owner of the addresses:\n\n", above)
	for _, z := range r.Zones {
		for _, rec := range slices.Concat(z.Records, z.CNAMEs) {
			fmt.Fprintf(w, "    %s\n", rec)
		}
	}
	for _, z := range r.Zones {
		if z.Generate != "" {
			fmt.Fprintf(w, "\nThe CNAMEs in one line, for a master file:\n\n    %s\n", z.Generate)
		}
	}
}

// Report writes what the tests found.
func (r *Result) Report(out io.Writer) error {
	if r.Ready == nil {
		return nil
	}
	w := bufio.NewWriter(out)
	for _, z := range r.Zones {
		errs := len(z.Behind)
		for _, b := range z.Behind {
			fmt.Fprintf(w, "%s: error: waited in vain for %s\n", z.Zone, b)
		}
		for _, n := range z.Findings {
			fmt.Fprintf(w, "%s: %s\n", z.Zone, n.report())
			if n.Severity == finding.Error {
				errs++
			}
		}
		for _, u := range z.Untested {
			fmt.Fprintf(w, "%s: warning: not tested, but by the owner of the addresses: %s\n", z.Zone, u)
		}
		if errs == 0 {
			fmt.Fprintf(w, "%s: ready to be delegated\n", z.Zone)
		}
		if z.Delegated != nil {
			z.Delegated.report(w, z.Zone)
		}
	}
	for _, key := range r.refusing() {
		o, _ := OwnerOf(key) // from a finding
		fmt.Fprintf(w, "%s: %s\n", o.Name, o.Consequence)
	}
	return w.Flush()
}

// refusing returns the owners that refuse one of the zones.
func (r *Result) refusing() []string {
	var out []string
	for _, z := range r.Zones {
		for _, n := range z.Findings {
			for _, key := range n.Refused {
				if !slices.Contains(out, key) {
					out = append(out, key)
				}
			}
		}
	}
	return out
}

// report returns the finding with who refuses it.
func (n *Finding) report() string {
	s := fmt.Sprintf("%v: %s: %s", n.Severity, n.Tag, n.Text)
	if len(n.Refused) > 0 {
		s += " (refused by " + strings.Join(n.Refused, ", ") + ")"
	}
	return s
}
