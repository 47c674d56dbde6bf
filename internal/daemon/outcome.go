package daemon

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/source"
)

// Finding is one thing wrong, as programs read it.
type Finding struct {
	Severity string `json:"severity"` // error, warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Col      int    `json:"col,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Owner    string `json:"owner,omitempty"`
	Type     string `json:"type,omitempty"`
	Code     string `json:"code,omitempty"`
	Text     string `json:"text"`
}

// String returns `file:line:col: severity: type at owner: text`.
func (f Finding) String() string {
	var b strings.Builder
	if p := (source.Position{File: f.File, Line: f.Line, Col: f.Col}); p.File != "" {
		fmt.Fprintf(&b, "%v: ", p)
	}
	fmt.Fprintf(&b, "%s: ", f.Severity)
	switch {
	case f.Owner != "" && f.Type != "":
		fmt.Fprintf(&b, "%s at %s: ", f.Type, f.Owner)
	case f.Owner != "":
		fmt.Fprintf(&b, "%s: ", f.Owner)
	}
	b.WriteString(f.Text)
	return b.String()
}

// isError reports whether the finding keeps something from being served.
func (f Finding) isError() bool { return f.Severity == zone.Error.String() }

// FromAssemble turns the findings of zones into ours.
func FromAssemble(list []assemble.Finding) []Finding {
	out := make([]Finding, 0, len(list))
	for _, f := range list {
		g := Finding{Severity: f.Severity.String(), File: f.Pos.File, Line: f.Pos.Line, Col: f.Pos.Col, Code: f.Code, Text: f.Text}
		if f.Apex != nil {
			g.Zone = f.Apex.String()
		}
		if f.Owner != nil {
			g.Owner = f.Owner.String()
			if f.Type != 0 {
				g.Type = f.Type.String()
			}
		}
		out = append(out, g)
	}
	return out
}

// FromConfig turns what config.Load returned into findings.
func FromConfig(err error) []Finding {
	var list config.Errors
	if !errors.As(err, &list) {
		return []Finding{{Severity: zone.Error.String(), Code: "config", Text: err.Error()}}
	}
	out := make([]Finding, 0, len(list))
	for _, p := range list {
		f := Finding{Severity: zone.Error.String(), File: p.Pos.File, Line: p.Pos.Line, Col: p.Pos.Col, Code: "config", Text: p.Text}
		if p.KeyPath != "" {
			f.Text = p.KeyPath + ": " + p.Text
		}
		out = append(out, f)
	}
	return out
}

// FromExposed turns warnings of files with secrets into findings.
func FromExposed(list []config.Finding) []Finding {
	out := make([]Finding, 0, len(list))
	for _, p := range list {
		out = append(out, Finding{Severity: zone.Warning.String(), File: p.Pos.File, Line: p.Pos.Line, Col: p.Pos.Col, Code: "exposed-secret", Text: p.Text})
	}
	return out
}

// Count returns how many findings are errors and how many are warnings.
func Count(list []Finding) (errs, warnings int) {
	for _, f := range list {
		if f.isError() {
			errs++
		} else {
			warnings++
		}
	}
	return errs, warnings
}

// Outcome is what became of a reload.
type Outcome struct {
	At       time.Time        `json:"at"`
	Seconds  float64          `json:"seconds"`         // how long it took
	InForce  bool             `json:"in_force"`        // the config as read is in force; false: nothing changed
	Error    string           `json:"error,omitempty"` // why it is not, where no finding says it
	Changed  []ChangedZone    `json:"changed"`         // told to who asked for it, with those of reloads just before
	Zones    int              `json:"zones"`           // served now, in all
	Broken   []BrokenZone     `json:"broken"`
	Held     []Held           `json:"held,omitempty"`     // changes that are held back; while the configuration is among them, that of before is in force
	Unneeded []string         `json:"unneeded,omitempty"` // names that were to be let pass and that nothing is held back of
	Opened   []netip.AddrPort `json:"opened,omitempty"`   // addresses that it listens on from now on
	Closed   []netip.AddrPort `json:"closed,omitempty"`   // addresses that it no longer listens on
	Waiting  []netip.AddrPort `json:"waiting,omitempty"`  // addresses that no interface has yet
	Restart  []string         `json:"restart,omitempty"`  // keys whose change needs a restart
	Findings []Finding        `json:"findings"`
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
}

// OK reports whether everything is served as its sources have it.
func (o *Outcome) OK() bool { return o.InForce && len(o.Broken)+len(o.Held) == 0 }

// hold notes a change that is held back.
func (o *Outcome) hold(h Held, pos source.Position, limit config.Shrink) {
	o.Held = append(o.Held, h)
	o.Findings = append(o.Findings, h.finding(pos, limit))
}

// Print writes the outcome for a person: the findings, a line a zone, and the
// sum.
func (o *Outcome) Print(w io.Writer) error {
	var b strings.Builder
	for _, f := range o.Findings {
		fmt.Fprintln(&b, f)
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
		held[h.Zone] = true
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
	errs, warnings := Count(o.Findings)
	tail := ""
	if n := len(o.Held); n > 0 {
		tail = fmt.Sprintf("; %s held back", plural(n, "change"))
	}
	if errs+warnings > 0 {
		tail += fmt.Sprintf("; %s, %s", plural(errs, "error"), plural(warnings, "warning"))
	}
	if !o.InForce {
		return "reload failed: keeping the running configuration" + tail
	}
	return fmt.Sprintf("reloaded: %s changed of %d%s", plural(len(o.Changed), "zone"), o.Zones, tail)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// note takes over what a plan changes and what is broken in it.
func (o *Outcome) note(p *assemble.Plan) {
	o.Changed, o.Broken = make([]ChangedZone, 0, len(p.Batch.Changes)), make([]BrokenZone, 0, len(p.Broken))
	for _, c := range p.Batch.Changes {
		z := ChangedZone{Zone: c.Apex.String(), What: "changed"}
		if c.Base != nil && c.Base.IsAvailable() {
			z.From = c.Base.Serial()
		}
		switch {
		case c.Zone == nil:
			z.What = "removed"
		case !c.Zone.IsAvailable():
			continue // told as broken
		case c.Base == nil || !c.Base.IsAvailable():
			z.What = "added"
			fallthrough
		default:
			z.To = c.Zone.Serial()
		}
		o.Changed = append(o.Changed, z)
	}
	for _, z := range p.Broken {
		o.Broken = append(o.Broken, BrokenZone{z.Apex.String(), z.LastGood, z.Reason})
	}
	o.Findings = FromAssemble(p.Findings)
	o.Held = nil
	for _, h := range p.Held {
		o.Held = append(o.Held, Held{Kind: heldZone, Zone: h.Apex.String(), Before: h.Before, After: h.After})
	}
}
