package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// with returns the set as it will be with the zones that a plan adds, so that their
// parents see them.
func with(set *zone.Set, changes ...zone.Change) *zone.Set {
	return set.After(slices.DeleteFunc(changes, func(c zone.Change) bool { return c.Zone == nil || c.Base != nil }))
}

// transferred counts the octets of a zone that was built, so that memory is released to the
// system later. It does not wait: a number that is missed only delays that.
func (d *Daemon) transferred(octets int64) {
	select {
	case d.came <- octets:
	default:
	}
}

// SecondaryStatus is the state of a secondary zone.
type SecondaryStatus struct {
	Zone        string      `json:"zone"`
	Serial      zone.Serial `json:"serial,omitempty"` // of what there is, expired or not
	Primaries   []string    `json:"primaries"`
	From        string      `json:"from,omitempty"`        // the primary that confirmed or brought it last
	Checked     *time.Time  `json:"checked,omitempty"`     // when it did
	Transferred *time.Time  `json:"transferred,omitempty"` // when it was brought
	Next        *time.Time  `json:"next,omitempty"`        // when the primaries are asked again
	Expires     *time.Time  `json:"expires,omitempty"`
	Expired     bool        `json:"expired"`
	Doing       string      `json:"doing,omitempty"`
	Error       string      `json:"error,omitempty"`    // of the last check
	Failures    int         `json:"failures,omitempty"` // in a row
	Findings    []string    `json:"findings,omitempty"` // about what is served
}

func newSecondaryStatus(s secondary.State) *SecondaryStatus {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	out := &SecondaryStatus{
		Zone: s.Apex.String(), Serial: s.Serial, Primaries: s.Primaries, From: s.From, Checked: at(s.Checked), Transferred: at(s.Transferred),
		Next: at(s.Next), Expires: at(s.Expires), Expired: s.Expired, Doing: s.Doing, Error: s.Error, Failures: s.Failures,
	}
	for _, f := range s.Findings {
		out.Findings = append(out.Findings, f.String())
	}
	return out
}

// printSecondaries writes a table of the secondary zones for a person, if there are any.
func printSecondaries(b *strings.Builder, zones []ZoneStatus) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	head := "\nsecondary zone\tprimary\tchecked\tnext check\texpires\tlast check"
	for _, z := range zones {
		s := z.Secondary
		if s == nil {
			continue
		}
		if head != "" {
			fmt.Fprintln(w, head)
			head = ""
		}
		from := s.From
		if from == "" {
			from = strings.Join(s.Primaries, " ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Zone, from, moment(s.Checked), moment(s.Next), moment(s.Expires), s.outcome())
	}
	w.Flush() // to a strings.Builder, which takes everything
	for _, z := range zones {
		printFindings(b, z.Secondary)
	}
}

// printedFindings is how many findings of one zone are printed; JSON has more.
const printedFindings = 10

// printFindings writes what is wrong with a zone that is served all the same.
func printFindings(b *strings.Builder, s *SecondaryStatus) {
	if s == nil || len(s.Findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\nzone %s is served as its primary has it, although\n", s.Zone)
	for i, f := range s.Findings {
		if i == printedFindings {
			fmt.Fprintf(b, "  %d more; `ptrd status --json` has them\n", len(s.Findings)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", f)
	}
}

// moment returns a time (UTC) for a table.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

// outcome says in a line how the last check ended, or what is under way.
func (s *SecondaryStatus) outcome() string {
	switch {
	case s.Doing != "":
		return s.Doing
	case s.Error != "":
		return strings.ReplaceAll(s.Error, "\n", "; ")
	}
	return "good"
}

// Print writes the state for a person who asked for a check.
func (s *SecondaryStatus) Print(out io.Writer) error {
	var b strings.Builder
	switch {
	case s.Error != "":
		fmt.Fprintf(&b, "zone %s: %s\n", s.Zone, s.Error)
	case s.Transferred != nil && s.Checked != nil && s.Transferred.Equal(*s.Checked):
		fmt.Fprintf(&b, "zone %s: transferred from %s, serial %d\n", s.Zone, s.From, s.Serial)
	default:
		fmt.Fprintf(&b, "zone %s: %s has serial %d, as we have\n", s.Zone, s.From, s.Serial)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// Refreshed are the states of the secondary zones that were checked.
type Refreshed []*SecondaryStatus

// IsWrong reports whether a check failed.
func (r Refreshed) IsWrong() bool {
	return slices.ContainsFunc(r, func(s *SecondaryStatus) bool { return s.Error != "" })
}

// Print writes the states for a person who asked for checks.
func (r Refreshed) Print(out io.Writer) error {
	for _, s := range r {
		if err := s.Print(out); err != nil {
			return err
		}
	}
	return nil
}

// refresh answers VerbRefresh.
func (d *Daemon) refresh(ctx context.Context, args url.Values) (any, error) {
	list, err := d.selected(d.views.Load().Zones, args.Get("what"))
	if err != nil {
		return nil, err
	}
	var zones []dname.Name
	for z := range list {
		zones = append(zones, z.Apex())
	}
	if len(zones) > 1 {
		zones = slices.DeleteFunc(zones, func(apex dname.Name) bool { return !d.follower.Has(apex.Key()) })
	}
	if len(zones) == 0 {
		return nil, fmt.Errorf("no zone in %s is a secondary zone of this server", args.Get("what"))
	}
	out := make(Refreshed, len(zones))
	failed := make([]error, len(zones))
	var checks sync.WaitGroup
	for i, apex := range zones {
		checks.Go(func() { // the Follower limits how many run
			var s secondary.State
			if s, failed[i] = d.follower.Refresh(ctx, apex, args.Get("whole") == "true"); failed[i] == nil {
				out[i] = newSecondaryStatus(s)
			}
		})
	}
	checks.Wait()
	return out, errors.Join(failed...)
}

// secondaryMetrics returns what metrics show of secondary zones.
func (d *Daemon) secondaryMetrics() (out admin.Secondaries) {
	for _, s := range d.follower.States() {
		one := admin.Secondary{Zone: s.Apex.String(), Checked: s.Checked, Expires: s.Expires, Good: s.Error == ""}
		out.Zones = append(out.Zones, one)
	}
	t := d.follower.Totals()
	out.Counts = map[string]uint64{
		"check": t.Checks.Load(), "failure": t.Failures.Load(), "axfr": t.AXFR.Load(), "ixfr": t.IXFR.Load(),
		"ixfr_failed": t.FailedIXFR.Load(), "expired": t.Expired.Load(),
	}
	out.Notifies = map[string]uint64{"check": t.Notified.Load(), "needless": t.Needless.Load(), "refused": t.Refused.Load()}
	out.Records = t.Records.Load()
	return out
}
