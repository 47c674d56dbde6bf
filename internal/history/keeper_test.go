package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// A kept zone of which much changed is written anew in the background, so that its
// history can be trimmed, while changes go on; it is whole at any time.
func TestKeeper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := journal.Open(path, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { j.Close() }()
	var log bytes.Buffer
	var k *Keeper
	store := commit.New(commit.Options{Journal: j, Published: func(b *zone.Batch) { k.Published(b) }})
	k = NewKeeper(Options{Journal: j, Set: store.Set, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { k.Run(ctx) })

	apex := dname.MustParse("2.0.192.in-addr.arpa")
	soa := func(serial uint32) zone.Record {
		data := append(append([]byte(nil), dname.MustParse("ns.example.net")...), dname.MustParse("hostmaster.example.net")...)
		data = append(binary.BigEndian.AppendUint32(data, serial), make([]byte, 16)...)
		return zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: 60, Data: data}
	}
	txt := func(serial uint32) zone.Record {
		text := bytes.Repeat([]byte(fmt.Sprintf("%08d", serial)), 30)
		return zone.Record{Owner: dname.MustParse("x.2.0.192.in-addr.arpa"), Type: rr.TypeTXT, TTL: 60, Data: append([]byte{byte(len(text))}, text...)}
	}
	b := zone.NewBuilder(apex)
	for _, r := range []zone.Record{soa(1), txt(1), {Owner: apex, Type: rr.TypeNS, TTL: 60, Data: dname.MustParse("ns.example.net")}} {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	change := zone.Change{Zone: z, Apex: apex, Kept: true}
	for serial := uint32(1); serial < 3000; serial++ {
		if serial > 1 {
			c := &zone.Changeset{Apex: apex, From: zone.Serial(serial - 1), To: zone.Serial(serial),
				Removed: []zone.Record{soa(serial - 1), txt(serial - 1)}, Added: []zone.Record{soa(serial), txt(serial)}}
			next, err := z.Apply(c)
			if err != nil {
				t.Fatal(err)
			}
			change = zone.Change{Zone: next, Apex: apex, Base: z, Kept: true, Steps: []zone.Step{{Changeset: c}}}
			z = next
		}
		if err := store.Publish(&zone.Batch{Changes: []zone.Change{change}}); err != nil {
			t.Fatal(err)
		}
		if serial%500 == 0 {
			// The keeper may be at it: what it is to do it does sooner or later.
			await.That(t, "the content is written", func() bool {
				due, err := j.IsContentDue(apex)
				if err != nil {
					t.Fatal(err)
				}
				return !due
			})
			back, ok, err := j.Restore(apex)
			if !ok || err != nil || back.Serial() != z.Serial() || back.Digest() != z.Digest() {
				t.Fatalf("restored at serial %d: %v %v", serial, ok, err)
			}
		}
	}
	cancel()
	run.Wait()
	if log.Len() > 0 {
		t.Errorf("log:\n%s", &log)
	}
}

// The notes that undo changes of the layer of updates go with these changes.
func TestTrimUndo(t *testing.T) {
	p := newPast(t)
	apex := dname.MustParse(reverse)
	note := func(serial zone.Serial) zone.Note {
		u := commit.Undo{Serial: serial, RRset: commit.RRset{Owner: dname.MustParse("1." + reverse), Type: rr.TypePTR}}
		return u.Note()
	}
	count := func() int {
		notes, err := p.journal.Notes(apex, commit.NoteUndo)
		if err != nil {
			t.Fatal(err)
		}
		return len(notes)
	}
	for serial := zone.Serial(1); serial < 100; serial++ {
		p.set(reverse, minutes(int(serial)), "update by a", serial, fmt.Sprintf("%d 60 TXT %s\n", serial, strings.Repeat(fmt.Sprint(serial*7919), 30)))
		if err := p.journal.SetNotes(apex, []zone.Note{note(serial)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.keeper.trimUndo(); err != nil || count() != 99 {
		t.Fatalf("%d notes of a whole history, %v", count(), err)
	}
	p.journal.SetLimits(journal.Limits{MaxSize: 1 << 20, MaxAge: 30 * time.Minute}, nil)
	if err := errors.Join(p.journal.UpdateContent(p.store.Set().Get(apex)), p.journal.Trim(minutes(100)), p.keeper.trimUndo()); err != nil {
		t.Fatal(err)
	}
	oldest, ok, err := p.journal.Oldest(apex)
	if !ok || err != nil || oldest < 50 || count() != 99-int(oldest) {
		t.Errorf("%d notes of a history from serial %d on, %v", count(), oldest, err)
	}
}
