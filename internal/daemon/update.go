package daemon

import (
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// updates gives the updater what there is only when it begins: the sockets are
// bound before the state is opened.
type updates struct{ d *Daemon }

func (u updates) Set() *zone.Set { return u.d.zones.Set() }

func (u updates) Commit(r commit.Request) (commit.Report, error) { return u.d.zones.Commit(r) }

func (u updates) Notes(apex dname.Name, prefix string) ([]zone.Note, error) {
	return u.d.journal.Notes(apex, prefix)
}

// SetNotes is for what the updater keeps of a zone that does not change.
func (u updates) SetNotes(apex dname.Name, notes []zone.Note) error {
	return u.d.journal.SetNotes(apex, notes)
}
