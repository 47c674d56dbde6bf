package history

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Query selects a part of a zone's history.
type Query struct {
	Zone  dname.Name
	About func(owner dname.Name) bool // only changes of these names, with their records; nil: all, without
	Since time.Time                   // zero: from the oldest there is
	Limit int                         // of lines, the newest; 0: none
}

// Log is the history of a zone, the newest line first.
type Log struct {
	Zone  string `json:"zone"`
	Lines []Line `json:"lines"`
	More  bool   `json:"more"` // there are older ones that the limit left out
}

// Line is one change, as programs read it.
type Line struct {
	At     time.Time   `json:"at"`
	What   string      `json:"what"` // changed, began, ended
	From   zone.Serial `json:"from"`
	Serial zone.Serial `json:"serial"`
	Source string      `json:"source"`
	// Numbers of records, the SOA among them; of "began" those that the zone has.
	Removed int `json:"removed"`
	Added   int `json:"added"`
	// Records asked about, in presentation form.
	RemovedRecords []string `json:"removed_records,omitempty"`
	AddedRecords   []string `json:"added_records,omitempty"`
}

// Read reads the history that q asks for.
func Read(j *journal.Journal, q Query) (*Log, error) {
	log := &Log{Zone: q.Zone.String(), Lines: []Line{}}
	for l, err := range j.Log(q.Zone, q.About != nil) {
		if err != nil {
			return nil, err
		}
		at := time.UnixMilli(l.At).UTC()
		if at.Before(q.Since) {
			break
		}
		line := Line{At: at, What: l.Kind.String(), From: l.From, Serial: l.To, Source: l.Source, Removed: l.Removed, Added: l.Added}
		if c := l.Changeset; c != nil {
			line.RemovedRecords, line.AddedRecords = texts(c.Removed, q.About), texts(c.Added, q.About)
			if len(line.RemovedRecords)+len(line.AddedRecords) == 0 {
				continue
			}
		}
		if q.Limit > 0 && len(log.Lines) == q.Limit {
			log.More = true
			break
		}
		log.Lines = append(log.Lines, line)
	}
	return log, nil
}

// texts returns the records at the names asked about; nil asks about all.
func texts(list []zone.Record, about func(dname.Name) bool) []string {
	var out []string
	for _, r := range list {
		if about == nil || about(r.Owner) {
			out = append(out, string(zonefile.AppendRecord(nil, r)))
		}
	}
	return out
}

// Print writes the log for a person: a line a change, below it the records.
func (l *Log) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "zone %s\n", l.Zone)
	for _, line := range l.Lines {
		at := line.At.Format("2006-01-02 15:04:05")
		switch line.What {
		case journal.Began.String():
			fmt.Fprintf(&b, "%s  serial %d, begins with %s  (%s)\n", at, line.Serial, records(line.Added), line.Source)
		case journal.Ended.String():
			fmt.Fprintf(&b, "%s  serial %d, is no longer served  (%s)\n", at, line.Serial, line.Source)
		default:
			fmt.Fprintf(&b, "%s  serial %d → %d, %d removed, %d added  (%s)\n", at, line.From, line.Serial, line.Removed, line.Added, line.Source)
		}
		printRecords(&b, "    ", line.RemovedRecords, line.AddedRecords)
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

func printRecords(b *strings.Builder, indent string, removed, added []string) {
	for _, r := range removed {
		fmt.Fprintf(b, "%s- %s\n", indent, r)
	}
	for _, r := range added {
		fmt.Fprintf(b, "%s+ %s\n", indent, r)
	}
}

func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}
