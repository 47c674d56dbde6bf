package daemon

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Outcome is what became of a reload.
type Outcome struct {
	At       time.Time         `json:"at"`
	Seconds  float64           `json:"seconds"`         // how long it took
	InForce  bool              `json:"in_force"`        // the configuration as read is active; false: nothing changed
	Error    string            `json:"error,omitempty"` // why it is not, where no finding says it
	Changed  []ChangedZone     `json:"changed"`         // for the client that asked: with those of reloads just before
	Zones    int               `json:"zones"`           // served now, in all
	Broken   []BrokenZone      `json:"broken"`
	Held     []Held            `json:"held,omitempty"`     // changes that are held back; while the configuration is among them, the previous one is active
	Unneeded []string          `json:"unneeded,omitempty"` // names that were to be let pass and that nothing is held back of
	Opened   []netip.AddrPort  `json:"opened,omitempty"`   // addresses that it listens on from now on
	Closed   []netip.AddrPort  `json:"closed,omitempty"`   // addresses that it no longer listens on
	Waiting  []netip.AddrPort  `json:"waiting,omitempty"`  // addresses that no interface has yet
	Restart  []string          `json:"restart,omitempty"`  // keys whose change needs a restart
	Findings []finding.Finding `json:"findings"`
}

// ChangedZone is a zone that is served otherwise than before.
type ChangedZone struct {
	Zone string      `json:"zone"`
	What string      `json:"what"` // added, changed, removed
	From zone.Serial `json:"from,omitempty"`
	To   zone.Serial `json:"to,omitempty"`
}

// BrokenZone is a zone whose sources cannot be used.
type BrokenZone struct {
	Zone     string `json:"zone"`
	LastGood bool   `json:"last_good"` // earlier data are still served; else SERVFAIL
	Reason   string `json:"reason"`

	apex dname.Name
}

// OK reports whether everything is served as its sources have it. An error without a broken zone
// is about a file that names no zone.
func (o *Outcome) OK() bool {
	errs, _ := finding.Count(o.Findings)
	return o.InForce && errs+len(o.Broken)+len(o.Held) == 0
}

// IsWrong reports whether it is not OK.
func (o *Outcome) IsWrong() bool { return !o.OK() }

// hold notes a change that is held back.
func (o *Outcome) hold(h Held, pos finding.Position, limit config.Shrink) {
	o.Held = append(o.Held, h)
	o.Findings = append(o.Findings, h.finding(pos, limit))
}

// Print writes the outcome for a person: the findings, a line a zone, and the
// sum.
func (o *Outcome) Print(w io.Writer) error {
	var b strings.Builder
	for _, f := range o.Findings {
		fmt.Fprintln(&b, f.Report())
	}
	for _, c := range o.Changed {
		switch c.What {
		case "added":
			fmt.Fprintf(&b, "zone %s: added, serial %d\n", c.Zone, c.To)
		case "removed":
			fmt.Fprintf(&b, "zone %s: removed\n", c.Zone)
		default:
			fmt.Fprintf(&b, "zone %s: serial %d → %d\n", c.Zone, c.From, c.To)
		}
	}
	held := map[string]bool{}
	for _, h := range o.Held {
		held[h.Name()] = true
		fmt.Fprintf(&b, "held back: %v\n", h)
	}
	for _, z := range o.Broken {
		if held[z.Zone] {
			continue
		}
		if z.LastGood {
			fmt.Fprintf(&b, "zone %s: has errors, the data of before are still served\n", z.Zone)
		} else {
			fmt.Fprintf(&b, "zone %s: has errors and no previous data; answers SERVFAIL until it is fixed\n", z.Zone)
		}
	}
	for _, a := range o.Waiting {
		fmt.Fprintf(&b, "waiting for %v, which no interface has yet\n", a)
	}
	for _, a := range o.Opened {
		fmt.Fprintf(&b, "listens on %v\n", a)
	}
	for _, a := range o.Closed {
		fmt.Fprintf(&b, "no longer listens on %v\n", a)
	}
	for _, k := range o.Restart {
		fmt.Fprintf(&b, "%s: changed, which takes a restart\n", k)
	}
	for _, n := range o.Unneeded {
		fmt.Fprintf(&b, "--accept-shrink %s: nothing is held back there\n", n)
	}
	if o.Error != "" {
		fmt.Fprintln(&b, o.Error)
	}
	fmt.Fprintln(&b, o.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary says in a line how it went.
func (o *Outcome) Summary() string {
	errs, warnings := finding.Count(o.Findings)
	tail := ""
	if n := len(o.Held); n > 0 {
		tail = fmt.Sprintf("; %s held back", spelling.Number(n, "change"))
	}
	if errs+warnings > 0 {
		tail += fmt.Sprintf("; %s, %s", spelling.Number(errs, "error"), spelling.Number(warnings, "warning"))
	}
	if !o.InForce {
		return "reload failed: keeping the running configuration" + tail
	}
	return fmt.Sprintf("reloaded: %s changed of %d%s", spelling.Number(len(o.Changed), "zone"), o.Zones, tail)
}

// addPlan adds the changes of a plan and what is broken in it.
func (o *Outcome) addPlan(p *assemble.Plan) {
	o.Broken = make([]BrokenZone, 0, len(p.Broken))
	for _, z := range p.Broken {
		o.Broken = append(o.Broken, BrokenZone{z.Apex.String(), z.LastGood, z.Reason, z.Apex})
	}
	o.Findings = slices.Clone(p.Findings)
	o.Held = nil
	for _, h := range p.Held {
		o.Held = append(o.Held, Held{Kind: heldZone, Zone: h.Apex, Before: h.Before, After: h.After})
	}
}

// addChanged lists what a batch has changed, by zone.
func (o *Outcome) addChanged(b *zone.Batch) {
	changes := slices.SortedFunc(slices.Values(b.Changes), func(x, y zone.Change) int { return dname.Compare(x.Apex, y.Apex) })
	o.Changed = make([]ChangedZone, 0, len(changes))
	for _, c := range changes {
		z := ChangedZone{Zone: c.Apex.String(), What: "changed"}
		if c.Base != nil && c.Base.IsAvailable() {
			z.From = c.Base.Serial()
		}
		switch {
		case c.Zone == nil:
			z.What = "removed"
		case !c.Zone.IsAvailable():
			continue // it is among the broken ones
		case c.Base == nil || !c.Base.IsAvailable():
			z.What = "added"
			fallthrough
		default:
			z.To = c.Zone.Serial()
		}
		o.Changed = append(o.Changed, z)
	}
}

// addDamage adds hosted zones that cannot be restored as they were.
func (o *Outcome) addDamage(list []hosted.Damage) {
	for _, m := range list {
		o.Broken = append(o.Broken, BrokenZone{m.Apex.String(), m.Served, m.Text, m.Apex})
		o.Findings = append(o.Findings, finding.Finding{Severity: finding.Error, Zone: m.Apex, Rule: "damaged", Text: m.Text})
	}
}
