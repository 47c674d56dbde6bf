package daemon

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
)

// IsWrong reports whether the server, or a zone that was asked for, is broken.
func (s *Status) IsWrong() bool { return s.Broken }

// Print writes the status for a person: of one zone in full, else of the server and its zones.
func (s *Status) Print(out io.Writer) error {
	var b strings.Builder
	switch {
	case len(s.Zones) == 1 && s.Zones[0].Detail != nil:
		s.Zones[0].print(&b)
	case s.What != "":
		s.printCounts(&b)
		s.printZones(&b)
	default:
		s.printCounts(&b)
		for _, c := range s.Conditions {
			fmt.Fprintf(&b, "%v: %s: %s\n", c.Severity, c.Name, c.Text)
		}
		s.printServer(&b)
		s.printZones(&b)
		for i := range s.Catalogs {
			s.Catalogs[i].Print(&b)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printCounts writes how many zones are not as they should be.
func (s *Status) printCounts(b *strings.Builder) {
	if !s.Ready {
		return
	}
	total := 0
	for _, n := range s.Counts {
		total += n
	}
	of, found := spelling.Number(total, "zone"), false
	for _, h := range Healths {
		n := s.Counts[h]
		if n == 0 || h == HealthOK {
			continue
		}
		what := healthText[h].many
		if n == 1 {
			what = healthText[h].one
		}
		if found {
			fmt.Fprintf(b, ", %d %s", n, what)
		} else {
			fmt.Fprintf(b, "%d of %s %s", n, of, what)
		}
		found = true
	}
	if !found {
		fmt.Fprintf(b, "%s, no errors or warnings", of)
	}
	b.WriteByte('\n')
}

// healthText is what zones of each health do.
var healthText = map[Health]struct{ one, many string }{
	HealthError:   {"has errors", "have errors"},
	HealthExpired: {"has expired", "have expired"},
	HealthLoading: {"is loading", "are loading"},
	HealthWarning: {"has warnings", "have warnings"},
}

// printServer writes the status of the server.
func (s *Status) printServer(b *strings.Builder) {
	fmt.Fprintf(b, "ptrd %s, process %d, since %s\n", s.Version, s.PID, history.Moment(s.Started))
	fmt.Fprintf(b, "config    %s\nstate     %s\nlisten    %s\n", s.Config, s.StateDir, strings.Join(s.Listen, " "))
	if len(s.TLS) > 0 {
		fmt.Fprintf(b, "TLS       %s\n", strings.Join(s.TLS, " "))
	}
	for _, f := range [][2]string{{"admin", s.Admin}, {"route53", s.Route53}, {"ec2", s.EC2}} {
		if f[1] != "" {
			fmt.Fprintf(b, "%-9s %s\n", f[0], f[1])
		}
	}
	for _, a := range s.Absent {
		fmt.Fprintf(b, "waiting   %s %s: %s\n", a.Transport, a.Address, a.Error)
	}
	if s.Loading != nil {
		fmt.Fprintf(b, "loading   %v\n", s.Loading)
	}
	if !s.Ready {
		return
	}
	fmt.Fprintf(b, "queries   %d UDP, %d TCP, ", s.Queries.UDP, s.Queries.TCP)
	if len(s.TLS) > 0 || s.Queries.TLS > 0 {
		fmt.Fprintf(b, "%d TLS, ", s.Queries.TLS)
	}
	fmt.Fprintf(b, "%d dropped\n", s.Queries.Dropped)
	for _, l := range s.Queries.Logs {
		fmt.Fprintf(b, "querylog  %v\n", l)
	}
	fmt.Fprintf(b, "reload    %s, %s\n", history.Moment(s.Reload.At), s.Reload.Summary)
	s.printFindings(b)
	if s.Reload.Error != "" {
		fmt.Fprintf(b, "          %s\n", s.Reload.Error)
	}
	for _, k := range s.Reload.Restart {
		fmt.Fprintf(b, "          %s: changed, which takes a restart\n", k)
	}
	for _, h := range s.Held {
		fmt.Fprintf(b, "held back %v; `ptrd reload --accept-shrink %s` lets it pass\n", h, h.Name())
	}
	for _, m := range s.Damage {
		zone := ""
		if m.Zone != "" {
			zone = "zone " + m.Zone + ": "
		}
		fmt.Fprintf(b, "damage    %s%s\n", zone, m.Text)
	}
	for _, u := range s.Unfinished {
		fmt.Fprintf(b, "          %s: changes since %s and is read when it is closed or no longer changes; `ptrd reload` reads it now\n", u.File, history.Moment(u.Since))
	}
}

// printedReload is how many findings of the last reload, and how many reasons, are printed; `ptrd
// status ZONE` shows those of a zone, and JSON has all.
const printedReload = 20

// printFindings writes the findings of the last reload, errors first.
func (s *Status) printFindings(b *strings.Builder) {
	list := slices.Clone(s.Reload.Findings)
	slices.SortStableFunc(list, func(a, b finding.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	for i, f := range list {
		if i == printedReload {
			fmt.Fprintf(b, "          %s more; `ptrd status ZONE` shows those of a zone\n", spelling.Number(len(list)-i, "finding"))
			break
		}
		fmt.Fprintf(b, "          %s\n", f.Report())
	}
}

// printZones writes the table of the zones.
func (s *Status) printZones(b *strings.Builder) {
	if !s.Ready {
		return
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "zone\tserial\trecords\tbytes\tstate")
	for _, z := range s.Zones {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", z.Zone, z.Serial, z.Records, z.Bytes, z.stateText())
	}
	w.Flush() // to a strings.Builder, which takes everything
	if s.Unlisted > 0 {
		fmt.Fprintf(b, "%s not listed; give a prefix, --state or --limit\n", spelling.Number(s.Unlisted, "zone"))
	}
	s.printReasons(b)
	printSecondaries(b, s.Zones)
}

// printReasons writes why zones are broken.
func (s *Status) printReasons(b *strings.Builder) {
	for i, z := range s.Zones {
		if i == printedReload {
			return // `ptrd status ZONE` has it
		}
		if z.Health.IsBroken() && z.Reason != "" && z.Secondary == nil {
			fmt.Fprintf(b, "zone %s: %s\n", z.Zone, strings.ReplaceAll(z.Reason, "\n", "; "))
		}
	}
}

// stateText returns the state of a zone in words, with the reason where it is not ok.
func (z *ZoneStatus) stateText() string {
	state := strings.ReplaceAll(z.State, "_", " ")
	if z.Signed {
		state += ", signed"
	}
	if z.Health == HealthWarning || z.Health == HealthLoading {
		state += ", " + string(z.Health)
	}
	return state
}

// printedRanges is how many ranges of a zone are printed; JSON has all.
const printedRanges = 10

// transferTexts are what secondaries receive of the names of ranges.
var transferTexts = map[config.SynthTransfer]string{
	config.TransferRule:        "the rules, which ptrd understands (synth_transfer: rule)",
	config.TransferMaterialize: "all records of these names (synth_transfer: materialize)",
	config.TransferOmit:        "nothing of these names (synth_transfer: omit)",
}

// print writes all about one zone.
func (z *ZoneStatus) print(b *strings.Builder) {
	d := z.Detail
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", what, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
	}
	name := z.Zone
	if d.Prefix.IsValid() {
		name += ", " + d.Prefix.String()
	}
	line("zone", "%s", name)
	line("state", "%s", z.stateText())
	if z.Reason != "" {
		line(string(z.Health), "%s", z.Reason)
	}
	line("owner", "%s", d.Owner)
	for _, s := range d.Sources {
		text := s.What + " " + s.Where
		if !s.Time.IsZero() {
			text += fmt.Sprintf(", %d octets, of %s", s.Size, history.Moment(s.Time))
		}
		if s.Error != "" {
			text += ": " + s.Error
		}
		line("source", "%s", text)
	}
	if d.Derived != nil {
		for i := range d.Derived.Files {
			line("source", "%s", d.Derived.Files[i].text())
		}
	}
	if z.State == stateServed || z.State == stateLastGood {
		line("serial", "%d", z.Serial)
		line("content", "%s at %s, %d bytes", spelling.Number(z.Records, "record"), spelling.Number(z.Names, "name"), z.Bytes)
	}
	if n := d.Derived; n != nil {
		line("derived", "%s, those that static records hide included; addresses with several names and no preferred one: %d; with a static PTR that is none of their names: %d", spelling.Number(n.Records, "PTR record"), n.Conflicts, n.Drifted)
	}
	for i, r := range d.Ranges {
		if i == printedRanges {
			line("ranges", "%d more", len(d.Ranges)-i)
			break
		}
		line("range", "%v: %s", r.Range, r.Name)
	}
	if len(d.Ranges) > 0 && d.SynthTransfer != "" {
		line("", "secondaries receive %s", transferTexts[d.SynthTransfer])
	}
	if c := d.LastChange; c != nil {
		line("last change", "%s, serial %d, %d removed, %d added (%s)", history.Moment(c.At), c.Serial, c.Removed, c.Added, c.Source)
	}
	if z.Queries != nil {
		line("queries", "%d", *z.Queries)
	}
	if len(d.Transfers) > 0 {
		line("transfers to", "%s", strings.Join(d.Transfers, "; "))
	}
	for _, p := range d.Primaries {
		line("primary", "%s: %s", p.Address, serialText(p.Serial, p.Error, z.Serial))
	}
	if s := z.Secondary; s != nil && s.Checked != nil {
		line("confirmed", "%s by %s", history.Moment(*s.Checked), s.From)
	}
	for i := range d.Secondaries {
		s := &d.Secondaries[i]
		line("secondary", "%s: %s", strings.TrimSuffix(s.Address.String(), ":0"), secondaryText(s, z.Serial))
	}
	for _, e := range d.Events {
		line("next", "%s %s", history.Moment(e.At), e.What)
	}
	w.Flush() // to a strings.Builder, which takes everything
	for _, f := range d.Findings {
		fmt.Fprintln(b, f)
	}
}

// serialText compares the serial of another server with ours.
func serialText(serial zone.Serial, err string, ours zone.Serial) string {
	switch {
	case err != "":
		return "serial not known: " + err
	case serial == ours:
		return fmt.Sprintf("serial %d, as here", serial)
	case serial.Before(ours):
		return fmt.Sprintf("serial %d, which is before that here", serial)
	}
	return fmt.Sprintf("serial %d, which is after that here", serial)
}

// secondaryText describes what is known of a secondary.
func secondaryText(s *notify.Secondary, ours zone.Serial) string {
	text := "serial not known"
	if !s.Asked.IsZero() {
		text = serialText(s.Serial, s.Error, ours)
	}
	switch s.Notify {
	case notify.NotSent:
	case notify.Waiting:
		text += fmt.Sprintf("; NOTIFY sent %s, try %d, not answered yet", history.Moment(s.Notified), s.Tries)
	case notify.Answered:
		text += fmt.Sprintf("; NOTIFY answered %s", history.Moment(s.Answered))
	case notify.Refused:
		text += fmt.Sprintf("; NOTIFY refused %s: %s", history.Moment(s.Notified), s.Reason)
	case notify.Lost:
		text += fmt.Sprintf("; NOTIFY not answered, last sent %s", history.Moment(s.Notified))
	}
	if !s.Transferred.IsZero() {
		text += fmt.Sprintf("; transferred serial %d %s (%s)", s.TransferredOf, history.Moment(s.Transferred), s.Kind)
	}
	return text
}
