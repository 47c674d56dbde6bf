package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/lease"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Health is how a zone is, in the order in which zones are listed.
type Health string

// The healths. A zone of the first two is broken.
const (
	HealthError   Health = "error"   // not served, or with older data than its sources have
	HealthExpired Health = "expired" // a secondary zone that no primary confirmed for too long
	HealthLoading Health = "loading" // a secondary zone whose first transfer has not ended
	HealthWarning Health = "warning" // served as its sources have it
	HealthOK      Health = "ok"
)

// Healths are all, the worst first.
var Healths = []Health{HealthError, HealthExpired, HealthLoading, HealthWarning, HealthOK}

// IsBroken reports whether the zone is not served as it should be.
func (h Health) IsBroken() bool { return h == HealthError || h == HealthExpired }

// ZoneDetail is what the status of one zone has in addition.
type ZoneDetail struct {
	Prefix  netip.Prefix `json:"prefix,omitzero"`
	Owner   string       `json:"owner"`
	Hosted  string       `json:"hosted_zone,omitempty"` // id at the Route 53 API
	Sources []ZoneSource `json:"sources"`

	Transfers   []string           `json:"transfers"` // who may transfer it
	Secondaries []notify.Secondary `json:"secondaries"`
	Primaries   []ServerSerial     `json:"primaries,omitempty"`

	Ranges        []ZoneRange          `json:"ranges,omitempty"`         // whose names or addresses are in the zone
	SynthTransfer config.SynthTransfer `json:"synth_transfer,omitempty"` // what secondaries receive of them

	Derived *DerivedStatus `json:"derived,omitempty"`

	LastChange *history.Line `json:"last_change,omitempty"`
	Findings   []string      `json:"findings"`
	Signatures *time.Time    `json:"signatures_expire,omitempty"` // when the first one does
	Events     []Event       `json:"events"`                      // what happens next, in the order of time
}

// DerivedStatus is what a zone derives from forward zones and files of other programs.
type DerivedStatus struct {
	Records   int         `json:"records"`   // PTRs, as if there were no static data
	Conflicts int         `json:"conflicts"` // addresses with several names, of which `prefer` selects none
	Drifted   int         `json:"drifted"`   // addresses whose static PTR is none of their names
	Files     []LeaseFile `json:"files,omitempty"`
}

// LeaseFile is a file of another program.
type LeaseFile struct {
	Format   string    `json:"format"`
	Path     string    `json:"path"`
	Read     time.Time `json:"read,omitzero"` // the last time; zero: never
	Names    int       `json:"names"`
	Unnamed  int       `json:"unnamed"` // leases without a name
	Skipped  int       `json:"skipped"` // records with a fault
	NextEnd  time.Time `json:"next_end,omitzero"`
	Problem  string    `json:"problem,omitempty"` // why the file as it is does not count
	findings []finding.Finding
}

// newLeaseFile returns the status of a file.
func newLeaseFile(s *lease.Source) LeaseFile {
	st := s.Status()
	return LeaseFile{st.Format, st.Path, st.Read, st.Names, st.Unnamed, st.Skipped, st.NextEnd, st.Problem, st.Findings}
}

// text describes the file for a person.
func (f *LeaseFile) text() string {
	text := fmt.Sprintf("%s %s, ", f.Format, f.Path)
	if f.Read.IsZero() {
		text += "not read yet"
	} else {
		text += fmt.Sprintf("read %s, %s", history.Moment(f.Read), spelling.Number(f.Names, "name"))
	}
	if f.Unnamed > 0 {
		text += fmt.Sprintf(", %s without a name", spelling.Number(f.Unnamed, "lease"))
	}
	if f.Skipped > 0 {
		text += fmt.Sprintf(", %s skipped", spelling.Number(f.Skipped, "record"))
	}
	if f.Problem != "" {
		text += ": " + f.Problem
	}
	return text
}

// derivedOf returns what a zone derives; nil: it does not.
func (d *Daemon) derivedOf(z *zone.Zone, item *config.Zone) *DerivedStatus {
	if item == nil || item.Derive == nil {
		return nil
	}
	t := d.deriver.Rules().TotalsOf(z)
	out := &DerivedStatus{Records: t.Records, Conflicts: t.Conflicts, Drifted: t.Drifted}
	for i := range item.Derive.From {
		if s := d.leases.Find(item.Derive.From[i].File); s != nil {
			out.Files = append(out.Files, newLeaseFile(s))
		}
	}
	return out
}

// derivedSources returns where derived names of a zone come from. Files of other programs are in the
// DerivedStatus.
func derivedSources(c *config.Derive) (list []ZoneSource) {
	if c == nil {
		return nil
	}
	for i := range c.From {
		switch s := &c.From[i]; {
		case s.Zone != nil:
			list = append(list, ZoneSource{What: "derive", Where: "zone " + s.Zone.String()})
		case s.Prefix.IsValid():
			list = append(list, ZoneSource{What: "derive", Where: "all forward zones, addresses in " + s.Prefix.String()})
		}
	}
	return list
}

// ZoneRange is a range of addresses whose names are made by a rule.
type ZoneRange struct {
	Range netip.Prefix `json:"range"`
	Name  string       `json:"name"` // the template
}

// rangesOf returns the ranges that a zone has names or addresses of.
func (d *Daemon) rangesOf(z *zone.Zone) (list []ZoneRange) {
	for _, t := range z.Templates() {
		list = append(list, ZoneRange{t.Prefix(), t.String()})
	}
	if z.Layers().Made != nil {
		for _, r := range d.registry.Load().Ranges().Of(z.Apex()) {
			list = append(list, ZoneRange{r.Prefix, r.Template})
		}
	}
	return list
}

// ZoneSource is where data of a zone come from.
type ZoneSource struct {
	What  string    `json:"what"` // file, hosts, ptr, …
	Where string    `json:"where"`
	Time  time.Time `json:"time,omitzero"` // of the last change of a file
	Size  int64     `json:"size,omitempty"`
	Error string    `json:"error,omitempty"`
}

// ServerSerial is the answer of a server to a question for the serial of a zone.
type ServerSerial struct {
	Address string      `json:"address"`
	Serial  zone.Serial `json:"serial"`
	Error   string      `json:"error,omitempty"` // why it is not known
}

// Event is something that happens at a time.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// survey has what zones are judged by.
type survey struct {
	broken   map[string]*BrokenZone // all by dname.Name.Key of the apex
	held     map[string]Held
	damaged  map[string]bool
	warnings map[string]int
	copies   map[string]secondary.State
	silent   map[string]int // secondaries that refuse NOTIFY, or do not answer to it
}

// newSurvey returns what zones of a snapshot are judged by.
func (d *Daemon) newSurvey(set *zone.Set, st *state) *survey {
	s := &survey{
		broken: map[string]*BrokenZone{}, held: map[string]Held{}, damaged: map[string]bool{}, warnings: map[string]int{},
		copies: map[string]secondary.State{}, silent: map[string]int{},
	}
	for i := range st.outcome.Broken {
		b := &st.outcome.Broken[i]
		s.broken[b.apex.Key()] = b
	}
	for _, h := range d.heldNow() {
		if h.Kind == heldZone {
			s.held[h.Zone.Key()] = h
		}
	}
	for _, m := range d.damage {
		if apex, err := dname.Parse(m.Zone); err == nil && m.Zone != "" {
			s.damaged[apex.Key()] = true
		}
	}
	for i := range st.findings {
		if apex := apexOf(set, &st.findings[i]); apex != nil {
			s.warnings[apex.Key()]++
		}
	}
	for _, c := range d.follower.States() {
		s.copies[c.Apex.Key()] = c
	}
	d.countSilent(set, s.silent)
	return s
}

// countSilent counts the secondaries of each zone that refuse NOTIFY or do not answer to it, without
// servers that are no longer notified.
func (d *Daemon) countSilent(set *zone.Set, silent map[string]int) {
	failing := map[string][]notify.Secondary{}
	for apex, s := range d.notifier.All {
		if s.IsFailing() {
			failing[apex] = append(failing[apex], *s)
		}
	}
	for apex, list := range failing {
		z := set.Get(dname.FromWire([]byte(apex)))
		for i := range list {
			if z != nil && z.IsAvailable() && d.isTarget(z, &list[i]) {
				silent[apex]++
			}
		}
	}
}

// apexOf returns the zone that a finding is about; nil: none in particular.
func apexOf(set *zone.Set, f *finding.Finding) dname.Name {
	if f.Zone == nil && f.Owner != nil {
		if z := set.Find(f.Owner); z != nil {
			return z.Apex()
		}
	}
	return f.Zone
}

// judge returns how a zone is, and why it is not as it should be.
func (s *survey) judge(z *zone.Zone) (Health, string) {
	key := z.Key()
	c, isCopy := s.copies[key]
	switch {
	case s.broken[key] != nil:
		return HealthError, s.broken[key].Reason
	case z.IsExpired():
		return HealthExpired, c.Error
	case !z.IsAvailable() && isCopy && c.Failures == 0:
		return HealthLoading, "not transferred from a primary yet"
	case !z.IsAvailable() && isCopy:
		return HealthError, c.Error
	case !z.IsAvailable():
		return HealthError, z.Reason()
	}
	if h, ok := s.held[key]; ok {
		return HealthError, h.String()
	}
	switch n := s.warnings[key]; {
	case c.Error != "":
		return HealthWarning, "the last check failed: " + c.Error
	case s.silent[key] > 0:
		return HealthWarning, spelling.Number(s.silent[key], "secondary server") + " refused NOTIFY or did not answer"
	case s.damaged[key]:
		return HealthWarning, "a part of its stored data was found damaged or lost at the start"
	case len(c.Findings) > 0:
		return HealthWarning, spelling.Number(len(c.Findings), "warning") + " about what the primary has"
	case n > 0:
		return HealthWarning, spelling.Number(n, "warning")
	}
	return HealthOK, ""
}

// askWithin bounds how long the status of a zone waits for other servers. A server that works answers
// in milliseconds; one that does not is to be shown while the operator looks.
const askWithin = 3 * time.Second

// detail returns what the status of one zone has in addition. It asks primaries and secondaries for
// their serial from here, as the server has their keys, addresses to send from, and permission there.
func (d *Daemon) detail(ctx context.Context, z *zone.Zone, s *survey, findings []finding.Finding) *ZoneDetail {
	one := d.registry.Load().Get(z.Apex())
	out := &ZoneDetail{
		Prefix: d.registry.Load().PrefixOf(z.Apex()), Owner: ownerText(one), Hosted: d.hosted.Has(z.Apex()), Sources: d.sources(ctx, z, one),
		Transfers: []string{}, Secondaries: []notify.Secondary{}, Findings: []string{}, Events: []Event{},
	}
	if out.Ranges = d.rangesOf(z); len(out.Ranges) > 0 && one != nil && one.Item != nil {
		out.SynthTransfer = one.Item.SynthTransfer
	}
	if one != nil {
		out.Derived = d.derivedOf(z, one.Item)
	}
	asked, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	asked, stop := d.untilStop(asked)
	defer stop()
	var asks sync.WaitGroup
	asks.Go(func() { d.notifier.Ask(asked, []*zone.Zone{z}, nil) })
	if one != nil {
		for _, p := range one.Transfers() {
			out.Transfers = append(out.Transfers, peerText(p))
		}
		if one.Secondary != nil {
			out.Primaries = d.askPrimaries(asked, &asks, z.Apex(), one.Secondary.Primaries)
		}
	}
	if log, err := history.Read(d.journal, history.Query{Zones: []history.Part{{Zone: z.Apex()}}, Limit: 1}); err == nil && len(log.Lines) > 0 {
		out.LastChange = &log.Lines[0]
	}
	for i := range findings {
		if f := &findings[i]; d.isAbout(f, z, one) {
			out.Findings = append(out.Findings, f.Report())
		}
	}
	if out.Derived != nil {
		for _, file := range out.Derived.Files {
			for i := range file.findings {
				out.Findings = append(out.Findings, file.findings[i].Report())
			}
		}
	}
	c := s.copies[z.Key()]
	for _, f := range c.Findings {
		out.Findings = append(out.Findings, f.Report())
	}
	if end, ok := firstSignatureEnd(z); ok {
		out.Signatures = &end
	}
	asks.Wait()
	out.Secondaries = append(out.Secondaries, d.notifier.Secondaries(z)...)
	out.Events = append(out.Events, d.nextEvents(z, &c, out)...)
	return out
}

// askPrimaries starts questions to the primaries of a zone. The result is complete when asks ends.
func (d *Daemon) askPrimaries(ctx context.Context, asks *sync.WaitGroup, apex dname.Name, primaries []secondary.Primary) []ServerSerial {
	list := make([]ServerSerial, len(primaries))
	for i, p := range primaries {
		asks.Go(func() {
			list[i] = ServerSerial{Address: p.String()}
			err := errInternal
			d.contain.Do(partSerials, func() { list[i].Serial, err = serialOf(ctx, p, apex) })
			if err != nil {
				list[i].Error = err.Error()
			}
		})
	}
	return list
}

// isAbout reports whether a finding is about a zone, or about one of its files as a whole.
func (d *Daemon) isAbout(f *finding.Finding, z *zone.Zone, one *registry.Zone) bool {
	if apex := apexOf(d.views.Load().Zones, f); apex != nil {
		return apex.Equal(z.Apex())
	}
	return one != nil && one.Item != nil && slices.ContainsFunc(slices.Concat(one.Item.Files, one.Item.Hosts), func(file config.File) bool { return file.Path == f.File })
}

// ownerText describes who owns a zone.
func ownerText(one *registry.Zone) string {
	switch {
	case one == nil:
		return "none any more"
	case one.Item != nil:
		return fmt.Sprintf("configuration, %v (%s)", one.Item.Pos, one.Path())
	}
	if c, ok := one.Owner.(*catalog.Claim); ok {
		return c.Path()
	}
	if isHosted(one) {
		return one.Path()
	}
	return fmt.Sprintf("configuration (%s)", one.Path())
}

// peerText describes clients as in the configuration.
func peerText(p answer.Peer) string {
	out := config.Peer{Prefix: p.Prefix}
	if p.Key != "" {
		out.Key = dname.FromWire([]byte(p.Key))
	}
	return out.String()
}

// sources returns where the data of a zone come from, in the order of their precedence.
func (d *Daemon) sources(ctx context.Context, z *zone.Zone, one *registry.Zone) []ZoneSource {
	list := []ZoneSource{}
	switch {
	case one == nil:
	case one.Secondary != nil:
		for i := range one.Secondary.Primaries {
			list = append(list, ZoneSource{What: "primary", Where: one.Secondary.Primaries[i].String()})
		}
	case one.Item == nil:
		list = append(list, ZoneSource{What: "owner", Where: one.Path()})
	default:
		item := one.Item
		for _, f := range item.Files {
			list = append(list, d.fileSource(ctx, "file", f.Path))
		}
		for _, f := range item.Hosts {
			list = append(list, d.fileSource(ctx, "hosts", f.Path))
		}
		inline := func(what string, n int) {
			if n > 0 {
				list = append(list, ZoneSource{What: what, Where: fmt.Sprintf("%v (%d)", item.Pos, n)})
			}
		}
		inline("ptr", len(item.PTR))
		inline("records", len(item.Records))
		inline("delegate", len(item.Delegate))
		inline("synth", len(item.Synth))
		list = append(list, derivedSources(item.Derive)...)
	}
	if l := z.Layers(); l.Static != nil && (l.Made == nil && l.Derived == nil || one != nil && one.Update != nil) || one != nil && one.Item != nil && one.Item.Dynamic {
		list = append(list, ZoneSource{What: "update", Where: "in the state directory (RFC 2136)"})
	}
	return list
}

// fileSource returns a file as a source.
func (d *Daemon) fileSource(ctx context.Context, what, path string) ZoneSource {
	s := ZoneSource{What: what, Where: path}
	var info os.FileInfo
	var err error
	if stopped := d.files.Run(ctx, func(t *infile.Task) {
		err = t.Do(path, func() (err error) { info, err = os.Stat(path); return err })
	}); stopped != nil {
		err = stopped
	}
	if err != nil {
		s.Error = err.Error()
	} else {
		s.Time, s.Size = info.ModTime(), info.Size()
	}
	return s
}

// firstSignatureEnd returns when the first signature in a signed zone expires.
func firstSignatureEnd(z *zone.Zone) (end time.Time, ok bool) {
	if !z.IsAvailable() || !z.IsSigned() {
		return end, false
	}
	for r := range z.All() {
		if r.Type != rr.TypeRRSIG || len(r.Data) < 12 {
			continue
		}
		if at := rr.SignatureEnd(r.Data, time.Now()); !ok || at.Before(end) {
			end, ok = at, true
		}
	}
	return end, ok
}

// nextEvents returns what happens next to a zone.
func (d *Daemon) nextEvents(z *zone.Zone, c *secondary.State, detail *ZoneDetail) (list []Event) {
	add := func(at time.Time, what string) {
		if !at.IsZero() {
			list = append(list, Event{at, what})
		}
	}
	check := "the primaries are asked for a later serial"
	if c.Failures > 0 {
		check = "the primaries are asked again, as the last check failed"
	}
	add(c.Next, check)
	if !c.Expired {
		add(c.Expires, "the zone expires, unless a primary confirms it")
	}
	add(d.updater.NextEnd(z.Apex()), "the first record of an update ends")
	if detail.Derived != nil {
		for i := range detail.Derived.Files {
			f := &detail.Derived.Files[i]
			add(f.NextEnd, fmt.Sprintf("the first name of %s %s ends", f.Format, f.Path))
		}
	}
	if detail.Signatures != nil {
		add(*detail.Signatures, "the first signature expires")
	}
	slices.SortFunc(list, func(a, b Event) int { return a.At.Compare(b.At) })
	return list
}
