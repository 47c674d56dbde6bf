package daemon

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Status is the state of the server and its zones. It has more than 20 fields because it is the JSON
// object that programs read.
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

	What       string         `json:"what,omitempty"` // the zones are those of this address, prefix or name
	Broken     bool           `json:"broken"`         // `ptrd status` exits with 1
	Conditions []Condition    `json:"conditions,omitempty"`
	Counts     map[Health]int `json:"zone_health"` // how many zones, listed or not, are in each
	Unlisted   int            `json:"unlisted,omitempty"`

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

	Logs []*QueryLog `json:"logs,omitempty"` // each `ptrd querylog` that runs
}

// StatusQuery is which zones a Status is to have, and how. The zero StatusQuery: all of them in
// canonical order.
type StatusQuery struct {
	What    string   // those of an address, prefix or name; one alone comes with its ZoneDetail
	Healths []Health // those in one of them; nil: all
	Worst   bool     // the worst come first
	Limit   int      // how many; 0: all
}

// Args returns the arguments of VerbStatus.
func (q *StatusQuery) Args() url.Values {
	args := url.Values{"what": {q.What}, "limit": {strconv.Itoa(q.Limit)}, "worst": {strconv.FormatBool(q.Worst)}}
	for _, h := range q.Healths {
		args.Add("state", string(h))
	}
	return args
}

// parseStatusQuery reads the arguments of VerbStatus.
func parseStatusQuery(args url.Values) (q *StatusQuery, err error) {
	q = &StatusQuery{What: args.Get("what"), Worst: args.Get("worst") == "true"}
	if s := args.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("limit %q is not a number", s)
		}
	}
	for _, s := range args["state"] {
		if !slices.Contains(Healths, Health(s)) {
			return nil, fmt.Errorf("state %q is not known", s)
		}
		q.Healths = append(q.Healths, Health(s))
	}
	return q, nil
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
	Health  Health      `json:"health"`
	Reason  string      `json:"reason,omitempty"` // why Health is not ok
	Serial  zone.Serial `json:"serial"`
	Names   int         `json:"names"`
	Records int         `json:"records"`
	Bytes   int64       `json:"bytes"`
	Signed  bool        `json:"signed"`
	Queries *uint64     `json:"queries,omitempty"` // where metrics.per_zone counts them

	Secondary *SecondaryStatus `json:"secondary,omitempty"` // of a zone that others are primary for
	Detail    *ZoneDetail      `json:"detail,omitempty"`
}

// Status returns the status of the server and all zones. It may be called by any goroutine.
func (d *Daemon) Status() *Status {
	s, _ := d.status(context.Background(), &StatusQuery{}) // only What can be wrong
	return s
}

// status returns the status of the server, and of the zones that q selects.
func (d *Daemon) status(ctx context.Context, q *StatusQuery) (*Status, error) {
	s := &Status{
		Version: d.o.Version, PID: os.Getpid(), Started: d.started, Config: d.o.Config, StateDir: d.first.StateDir,
		Listen: []string{}, Zones: []ZoneStatus{}, Counts: map[Health]int{}, What: q.What,
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
	s.Conditions = d.conditions(ctx)
	for _, c := range s.Conditions {
		s.Broken = s.Broken || q.What == "" && c.Severity == finding.Error
	}
	st := d.state.Load()
	if st == nil {
		if q.What != "" {
			return nil, errLoading
		}
		return s, nil
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
	s.Queries = Queries{UDP: t[answer.UDP].Received, TCP: t[answer.TCP].Received, TLS: t[answer.TLS].Received, Logs: d.queryLogs.all()}
	for i := range t {
		for _, n := range t[i].Dropped {
			s.Queries.Dropped += n
		}
	}
	return s, d.addZones(ctx, s, q, st)
}

// addZones adds the zones that q selects.
func (d *Daemon) addZones(ctx context.Context, s *Status, q *StatusQuery, st *state) error {
	view := d.views.Load()
	list, err := d.selected(view.Zones, q.What)
	if err != nil {
		return err
	}
	survey := d.newSurvey(view.Zones, st)
	s.Catalogs = d.catalogStatus(survey.copies)
	type judged struct {
		*zone.Zone
		health Health
		reason string
	}
	var zones []judged
	for z := range list {
		health, reason := survey.judge(z)
		s.Counts[health]++
		s.Broken = s.Broken || health.IsBroken()
		if len(q.Healths) == 0 || slices.Contains(q.Healths, health) {
			zones = append(zones, judged{z, health, reason})
		}
	}
	if q.Worst {
		slices.SortStableFunc(zones, func(a, b judged) int {
			return slices.Index(Healths, a.health) - slices.Index(Healths, b.health)
		})
	}
	if q.Limit > 0 && len(zones) > q.Limit {
		s.Unlisted = len(zones) - q.Limit
		zones = zones[:q.Limit]
	}
	for _, z := range zones {
		zs := zoneStatus(z.Zone)
		zs.Health, zs.Reason = z.health, z.reason
		if survey.broken[z.Key()] != nil && z.IsAvailable() {
			zs.State = stateLastGood
		}
		if c, ok := survey.copies[z.Key()]; ok {
			zs.Secondary = newSecondaryStatus(c)
		}
		if own := view.Policy.Zones.Of(z.Zone); own != nil && own.Queries != nil {
			n := own.Queries.Load()
			zs.Queries = &n
		}
		s.Zones = append(s.Zones, zs)
	}
	if q.What != "" && len(zones) == 1 && s.Unlisted == 0 {
		s.Zones[0].Detail = d.detail(ctx, zones[0].Zone, survey, st.findings)
	}
	return nil
}

// selected returns the zones in the set that what designates, see [registry.Zones.Select]; all for an
// empty one.
func (d *Daemon) selected(set *zone.Set, what string) (iter.Seq[*zone.Zone], error) {
	if what == "" {
		return set.All(), nil
	}
	parts, err := d.registry.Load().Select(set, what, d.hasHistory)
	if err != nil {
		return nil, err
	}
	if len(parts) > 1 && parts[0].About != nil {
		parts = parts[1:] // more than the prefix is in the zone around it
	}
	var list []*zone.Zone
	for _, part := range parts {
		if z := set.Get(part.Apex); z != nil {
			list = append(list, z)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("zone %v is no longer served here; `ptrd log %[1]v` shows its history", parts[0].Apex)
	}
	return slices.Values(list), nil
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
	line := fmt.Sprintf("serving %s", spelling.Number(st.outcome.Zones, "zone"))
	if n := len(st.outcome.Broken); n > 0 {
		line += fmt.Sprintf(", %d of them with errors", n)
	}
	if n := len(d.absentAddresses()); n > 0 {
		line += fmt.Sprintf(", waiting for %s", spelling.Number(n, "address"))
	}
	if !st.outcome.InForce {
		line += "; the last reload was refused"
	}
	return line
}
