package daemon

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
)

// Status is the state of the server.
type Status struct {
	Version  string          `json:"version"`
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started"`
	Ready    bool            `json:"ready"`
	Loading  *Loading        `json:"loading,omitempty"` // the load under way
	Config   string          `json:"config"`
	StateDir string          `json:"state_dir"`
	Listen   []string        `json:"listen"` // addresses bound, UDP and TCP each
	TLS      []string        `json:"listen_tls,omitempty"`
	Admin    string          `json:"admin,omitempty"`
	Route53  string          `json:"route53,omitempty"`
	EC2      string          `json:"ec2,omitempty"`
	Absent   []AbsentAddress `json:"absent,omitempty"` // addresses that cannot be listened on yet
	Reload   ReloadStatus    `json:"reload"`
	Journal  *JournalFault   `json:"journal,omitempty"` // why changes cannot be written; nil: they can
	Queries  Queries         `json:"queries"`
	Zones    []ZoneStatus    `json:"zones"`

	Damage   []Damage         `json:"damage,omitempty"`   // of the state directory, found at the start
	Catalogs []catalog.Status `json:"catalogs,omitempty"` // that are followed

	Unfinished []UnfinishedFile `json:"unfinished,omitempty"` // that are not read yet
	Held       []Held           `json:"held,omitempty"`       // changes that are held back
}

// UnfinishedFile is a file that is being written, so that its content of before counts.
type UnfinishedFile struct {
	File  string    `json:"file"`
	Since time.Time `json:"since"`
}

// ReloadStatus is the result of the last reload, the start included.
type ReloadStatus struct {
	At       time.Time         `json:"at"`
	OK       bool              `json:"ok"`
	LastOK   *time.Time        `json:"last_ok,omitempty"`
	Summary  string            `json:"summary"`
	Error    string            `json:"error,omitempty"`
	Restart  []string          `json:"restart,omitempty"`
	Findings []finding.Finding `json:"findings"`
}

// JournalFault is why the journal cannot be written.
type JournalFault struct {
	Since time.Time `json:"since"`
	Error string    `json:"error"`
}

// Queries are counted since the start.
type Queries struct {
	UDP     uint64 `json:"udp"`
	TCP     uint64 `json:"tcp"`
	TLS     uint64 `json:"tls"`
	Dropped uint64 `json:"dropped"`
}

// The states of a zone.
const (
	stateServed      = "served"
	stateLastGood    = "last_good"   // its sources have errors, data of before are served
	stateUnavailable = "unavailable" // answers SERVFAIL
	stateExpired     = "expired"     // likewise, as no primary confirmed it for too long
)

// ZoneStatus is the state of one zone.
type ZoneStatus struct {
	Zone    string      `json:"zone"`
	State   string      `json:"state"`
	Reason  string      `json:"reason,omitempty"`
	Serial  zone.Serial `json:"serial"`
	Names   int         `json:"names"`
	Records int         `json:"records"`
	Bytes   int64       `json:"bytes"`
	Signed  bool        `json:"signed"`
	Queries *uint64     `json:"queries,omitempty"` // where metrics.per_zone counts them

	Secondary *SecondaryStatus `json:"secondary,omitempty"` // of a zone that others are primary for
}

// Status returns the status. May be called by anybody.
func (d *Daemon) Status() *Status {
	s := &Status{
		Version: d.o.Version, PID: os.Getpid(), Started: d.started, Config: d.o.Config, StateDir: d.first.StateDir,
		Listen: []string{}, Zones: []ZoneStatus{},
	}
	for _, a := range d.server.Addrs()[server.DNS] {
		s.Listen = append(s.Listen, a.String())
	}
	for _, a := range d.server.Addrs()[server.TLS] {
		s.TLS = append(s.TLS, a.String())
	}
	for f, to := range map[*front]*string{&d.front: &s.Admin, &d.api: &s.Route53, &d.ec2API: &s.EC2} {
		if a := f.address(); a != (netip.AddrPort{}) {
			*to = a.String()
		}
	}
	s.Absent = d.absentAddresses()
	s.Loading = d.loadingNow()
	st := d.state.Load()
	if st == nil {
		return s
	}
	s.Ready = true
	s.Reload = ReloadStatus{
		At: st.outcome.At, OK: st.outcome.OK(), Summary: st.summary, Error: st.outcome.Error,
		Restart: st.outcome.Restart, Findings: st.outcome.Findings,
	}
	if !st.good.IsZero() {
		s.Reload.LastOK = &st.good
	}
	s.Held = d.heldNow()
	s.Damage = d.damage
	for _, u := range d.watcher.Unfinished() {
		s.Unfinished = append(s.Unfinished, UnfinishedFile{u.Path, u.Since})
	}
	if c := d.journal.Condition(); c != nil {
		s.Journal = &JournalFault{c.Since, c.Err.Error()}
	}
	t := d.server.Totals().Transports
	s.Queries = Queries{UDP: t[answer.UDP].Received, TCP: t[answer.TCP].Received, TLS: t[answer.TLS].Received}
	for i := range t {
		for _, n := range t[i].Dropped {
			s.Queries.Dropped += n
		}
	}
	broken := map[string]BrokenZone{}
	for _, z := range st.outcome.Broken {
		broken[z.Zone] = z
	}
	view := d.views.Load()
	others := d.secondaryStatus()
	s.Catalogs = d.catalogStatus(others)
	for z := range view.Zones.All() {
		zs := zoneStatus(z)
		if zs.Secondary = others[zs.Zone]; zs.Secondary != nil && !z.IsAvailable() {
			zs.Reason = zs.Secondary.Error
		}
		if b, ok := broken[zs.Zone]; ok {
			zs.Reason = b.Reason
			if z.IsAvailable() {
				zs.State = stateLastGood
			}
		}
		if own := view.Policy.Zones.Of(z); own != nil && own.Queries != nil {
			n := own.Queries.Load()
			zs.Queries = &n
		}
		s.Zones = append(s.Zones, zs)
	}
	return s
}

func zoneStatus(z *zone.Zone) ZoneStatus {
	s := ZoneStatus{Zone: z.Apex().String(), State: stateUnavailable}
	if z.IsExpired() {
		s.State = stateExpired
	}
	if z.IsAvailable() {
		n := z.Stats()
		s.State, s.Serial, s.Signed = stateServed, z.Serial(), z.IsSigned()
		s.Names, s.Records, s.Bytes = n.Names, n.Records, n.Bytes
	}
	return s
}

// statusLine is what the service manager shows.
func (d *Daemon) statusLine() string {
	st := d.state.Load()
	if st == nil {
		return "loading"
	}
	line := fmt.Sprintf("serving %s", plural(st.outcome.Zones, "zone"))
	if n := len(st.outcome.Broken); n > 0 {
		line += fmt.Sprintf(", %d of them with errors", n)
	}
	if n := len(d.absentAddresses()); n > 0 {
		line += fmt.Sprintf(", waiting for %s", plural(n, "address"))
	}
	if !st.outcome.InForce {
		line += "; the last reload was refused"
	}
	return line
}

// Print writes the status for a person.
func (s *Status) Print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ptrd %s, process %d, since %s\n", s.Version, s.PID, s.Started.Format(time.DateTime))
	fmt.Fprintf(&b, "config    %s\nstate     %s\nlisten    %s\n", s.Config, s.StateDir, strings.Join(s.Listen, " "))
	if len(s.TLS) > 0 {
		fmt.Fprintf(&b, "TLS       %s\n", strings.Join(s.TLS, " "))
	}
	for _, f := range [][2]string{{"admin", s.Admin}, {"route53", s.Route53}, {"ec2", s.EC2}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%-9s %s\n", f[0], f[1])
		}
	}
	for _, a := range s.Absent {
		fmt.Fprintf(&b, "waiting   %s %s: %s\n", a.Transport, a.Address, a.Error)
	}
	if s.Loading != nil {
		fmt.Fprintf(&b, "loading   %v\n", s.Loading)
	}
	if !s.Ready {
		b.WriteString("zones are still being loaded\n")
		_, err := io.WriteString(out, b.String())
		return err
	}
	fmt.Fprintf(&b, "queries   %d UDP, %d TCP, ", s.Queries.UDP, s.Queries.TCP)
	if len(s.TLS) > 0 || s.Queries.TLS > 0 {
		fmt.Fprintf(&b, "%d TLS, ", s.Queries.TLS)
	}
	fmt.Fprintf(&b, "%d dropped\n", s.Queries.Dropped)
	fmt.Fprintf(&b, "reload    %s, %s\n", s.Reload.At.Format(time.DateTime), s.Reload.Summary)
	for _, f := range s.Reload.Findings {
		fmt.Fprintf(&b, "          %s\n", f.Report())
	}
	if s.Reload.Error != "" {
		fmt.Fprintf(&b, "          %s\n", s.Reload.Error)
	}
	for _, k := range s.Reload.Restart {
		fmt.Fprintf(&b, "          %s: changed, which takes a restart\n", k)
	}
	for _, h := range s.Held {
		fmt.Fprintf(&b, "held back %v; `ptrd reload --accept-shrink %s` lets it pass\n", h, h.Name())
	}
	for _, m := range s.Damage {
		zone := ""
		if m.Zone != "" {
			zone = "zone " + m.Zone + ": "
		}
		fmt.Fprintf(&b, "damage    %s%s\n", zone, m.Text)
	}
	for _, u := range s.Unfinished {
		fmt.Fprintf(&b, "          %s: changes since %s and is read when it is closed or no longer changes; `ptrd reload` reads it now\n", u.File, u.Since.Format(time.DateTime))
	}
	if s.Journal != nil {
		fmt.Fprintf(&b, "journal   no change can be written since %s: %s\n", s.Journal.Since.Format(time.DateTime), s.Journal.Error)
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "zone\tserial\trecords\tbytes\tstate")
	for _, z := range s.Zones {
		state := strings.ReplaceAll(z.State, "_", " ")
		if z.Signed {
			state += ", signed"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", z.Zone, z.Serial, z.Records, z.Bytes, state)
	}
	w.Flush() // to a strings.Builder, which takes everything
	printSecondaries(&b, s.Zones)
	for i := range s.Catalogs {
		s.Catalogs[i].Print(&b)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
