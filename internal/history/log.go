package history

import (
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Query selects a part of the history.
type Query struct {
	Zones []Part
	Since time.Time // zero: from the oldest there is
	Limit int       // of lines, the newest; 0: none
}

// Part is a zone, or some names in it.
type Part struct {
	Zone   dname.Name
	About  func(owner dname.Name) bool // only changes of these names, with their records; nil: all, without
	Latest time.Time                   // no line is later; zero: not known

	// Changes of what rules make, see [synth.Rule], are among those of one name if Now is the zone as
	// it is served; and rules that overlap a prefix among those of its addresses.
	Name   dname.Name
	Now    *zone.Zone
	Prefix netip.Prefix
}

// Log is the history of one zone or of several, the newest line first.
type Log struct {
	Zone  string `json:"zone,omitempty"` // empty: several, each line has its own
	Lines []Line `json:"lines"`
	More  bool   `json:"more"` // there are older ones that the limit left out
}

// Line is one change, as programs read it.
type Line struct {
	Zone   string      `json:"zone,omitempty"` // if the Log has several
	At     time.Time   `json:"at"`
	What   string      `json:"what"` // changed, began, ended
	From   zone.Serial `json:"from"`
	Serial zone.Serial `json:"serial"`
	Source string      `json:"source"`
	// Numbers of records, without an SOA of which only the serial changed; of "began" those that
	// the zone has.
	Removed int `json:"removed"`
	Added   int `json:"added"`
	// Records asked about, in presentation form.
	RemovedRecords []string `json:"removed_records,omitempty"`
	AddedRecords   []string `json:"added_records,omitempty"`
}

// Read reads the history that q asks for. Of many zones, it reads only those that have one of the
// lines.
func Read(j *journal.Journal, q Query) (*Log, error) {
	log := &Log{Lines: []Line{}}
	if len(q.Zones) == 1 {
		log.Zone = q.Zones[0].Zone.String()
	}
	m := merge{journal: j}
	defer m.stop()
	for _, p := range q.Zones {
		if p.Latest.IsZero() || !p.Latest.Before(q.Since) {
			m.cursors = append(m.cursors, &cursor{part: p, at: p.Latest})
		}
	}
	for line, err := range m.lines() {
		switch {
		case err != nil:
			return nil, err
		case line.At.Before(q.Since):
			return log, nil
		case q.Limit > 0 && len(log.Lines) == q.Limit:
			log.More = true
			return log, nil
		}
		if log.Zone != "" {
			line.Zone = ""
		}
		log.Lines = append(log.Lines, line)
	}
	return log, nil
}

// merge is the histories of zones as one, a heap by the time of the next line of each. The history
// of a zone is opened when its newest line may be the next.
type merge struct {
	journal *journal.Journal
	cursors []*cursor
}

// cursor is the history of a zone from some line on.
type cursor struct {
	part Part
	line Line      // the next; without What: not read yet
	at   time.Time // of line, or the latest that it can have; zero: not known
	next func() (Line, error, bool)
	stop func()
}

func (m *merge) Len() int      { return len(m.cursors) }
func (m *merge) Swap(i, k int) { m.cursors[i], m.cursors[k] = m.cursors[k], m.cursors[i] }
func (m *merge) Push(any)      {}

// Less has the latest line first. One whose time is not known is read first.
func (m *merge) Less(i, k int) bool {
	a, b := m.cursors[i], m.cursors[k]
	if a.at.IsZero() != b.at.IsZero() {
		return a.at.IsZero()
	}
	return cmp.Or(b.at.Compare(a.at), strings.Compare(a.part.Zone.Key(), b.part.Zone.Key())) < 0
}

func (m *merge) Pop() any {
	last := m.cursors[len(m.cursors)-1]
	m.cursors = m.cursors[:len(m.cursors)-1]
	return last
}

// stop ends all histories that are open.
func (m *merge) stop() {
	for _, c := range m.cursors {
		if c.stop != nil {
			c.stop()
		}
	}
}

// lines yields all lines, the newest first.
func (m *merge) lines() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		heap.Init(m)
		for len(m.cursors) > 0 {
			c := m.cursors[0]
			if c.line.What != "" && !yield(c.line, nil) {
				return
			}
			if c.next == nil {
				c.next, c.stop = iter.Pull2(c.part.lines(m.journal))
			}
			line, err, ok := c.next()
			switch {
			case err != nil:
				yield(Line{}, err)
				return
			case ok:
				c.line, c.at = line, line.At
				heap.Fix(m, 0)
			default:
				c.stop()
				heap.Pop(m)
			}
		}
	}
}

// lines yields the lines of a part, the newest first.
func (p *Part) lines(j *journal.Journal) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		r := p.reader()
		for l, err := range j.Log(p.Zone, p.About != nil) {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if line, ok := r.line(&l); ok && !yield(line, nil) {
				return
			}
		}
	}
}

// lineOf returns a line of a zone without records.
func lineOf(apex dname.Name, l *journal.Line) Line {
	return Line{
		Zone: apex.String(), At: time.UnixMilli(l.At).UTC(), What: l.Kind.String(), From: l.From, Serial: l.To,
		Source: l.Source, Removed: l.Removed, Added: l.Added,
	}
}

// text returns a record in presentation form. What a rule makes is in a comment.
func text(r *zone.Record) string {
	line := string(zonefile.AppendRecord(nil, *r))
	if r.Type == synth.Type {
		line += " ; " + synth.Describe(r.Data, r.Owner.IsForward())
	}
	return line
}

// texts returns the records that are asked for; nil asks for all.
func texts(list []zone.Record, isWanted func(*zone.Record) bool) []string {
	var out []string
	for i := range list {
		if r := &list[i]; isWanted == nil || isWanted(r) {
			out = append(out, text(r))
		}
	}
	return out
}

// Print writes the log for a person: a line a change, below it the records.
func (l *Log) Print(w io.Writer) error {
	var b strings.Builder
	if l.Zone != "" {
		fmt.Fprintf(&b, "zone %s\n", l.Zone)
	}
	for _, line := range l.Lines {
		line.print(&b)
	}
	switch {
	case l.More:
		fmt.Fprintln(&b, "older changes are not shown; --limit and --since ask for more")
	case len(l.Lines) == 0:
		fmt.Fprintln(&b, "no change is known")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (l *Line) print(b *strings.Builder) {
	b.WriteString(l.At.Format(time.DateTime) + "  ")
	if l.Zone != "" {
		b.WriteString("zone " + l.Zone + " ")
	}
	switch l.What {
	case journal.Began.String():
		fmt.Fprintf(b, "serial %d, begins with %s", l.Serial, spelling.Number(l.Added, "record"))
	case journal.Ended.String():
		fmt.Fprintf(b, "serial %d, is no longer served", l.Serial)
	default:
		fmt.Fprintf(b, "serial %d → %d, %d removed, %d added", l.From, l.Serial, l.Removed, l.Added)
	}
	fmt.Fprintf(b, "  (%s)\n", l.Source)
	printRecords(b, "    ", l.RemovedRecords, l.AddedRecords)
}

func printRecords(b *strings.Builder, indent string, removed, added []string) {
	for _, r := range removed {
		fmt.Fprintf(b, "%s- %s\n", indent, r)
	}
	for _, r := range added {
		fmt.Fprintf(b, "%s+ %s\n", indent, r)
	}
}
