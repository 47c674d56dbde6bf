package journal

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// FuzzBlock reads octets as a block: no fault, and what is read is written and read
// as the same again.
func FuzzBlock(f *testing.F) {
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	w := blockWriter{id: 1, next: 1, sum: 5}
	w.coder.apex = apex
	host, _ := apex.Prepend([]byte("7"))
	soa := append(append(append([]byte(nil), host...), host...), make([]byte, 20)...)
	with := func(serial byte) zone.Record {
		data := bytes.Clone(soa)
		data[len(data)-17] = serial
		return zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: 60, Data: data}
	}
	ptr := zone.Record{Owner: host, Type: rr.TypePTR, TTL: 300, Data: dname.MustParse("www.example.com")}
	for i := byte(5); i < 8; i++ {
		if err := w.step(&zone.Step{Source: "s", At: int64(i), Changeset: &zone.Changeset{Apex: apex, From: zone.Serial(i), To: zone.Serial(i + 1), Removed: []zone.Record{with(i)}, Added: []zone.Record{with(i + 1), ptr}}}); err != nil {
			f.Fatal(err)
		}
	}
	w.flush()
	f.Add(w.puts[0].value[blockHeader:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, octets []byte) {
		b := &block{id: 1, sequence: 1, value: append(make([]byte, blockHeader), octets...), extended: 5}
		r := b.steps(apex)
		var steps []zone.Step
		for r.next() {
			if set := r.records(); set != nil {
				if set.From == set.To {
					return // no writer does
				}
				steps = append(steps, zone.Step{Changeset: set, Source: r.head.source, At: r.head.at})
			}
		}
		w := blockWriter{id: 1, next: 1, sum: 5}
		w.coder.apex = apex
		for i := range steps {
			if err := w.step(&steps[i]); err != nil {
				t.Fatal(err)
			}
		}
		w.flush()
		again := 0
		for _, p := range w.puts {
			kind, ok := blockKind(p.key, p.value)
			if !ok {
				t.Fatal("sum of a block")
			}
			b := &block{id: 1, value: p.value, extended: binary.BigEndian.Uint64(p.value[5:]), at: blockTime(p.value)}
			if kind == blockPart || len(p.value) == blockMost {
				return // put together by readBlock
			}
			r := b.steps(apex)
			for r.next() {
				sameStep(t, steps[again], zone.Step{Changeset: r.records(), Source: r.head.source, At: r.head.at})
				again++
			}
		}
		if again != len(steps) {
			t.Fatalf("%d steps written, %d read", len(steps), again)
		}
	})
}

func sameStep(t *testing.T, want, got zone.Step) {
	t.Helper()
	same := func(a, b []zone.Record) bool {
		if len(a) != len(b) {
			return false
		}
		for i := range a {
			if !a[i].Owner.Equal(b[i].Owner) || a[i].Type != b[i].Type || a[i].TTL != b[i].TTL || !bytes.Equal(a[i].Data, b[i].Data) {
				return false
			}
		}
		return true
	}
	if got.Changeset == nil || want.Source != got.Source || want.At != got.At || want.Changeset.From != got.Changeset.From || want.Changeset.To != got.Changeset.To ||
		!same(want.Changeset.Removed, got.Changeset.Removed) || !same(want.Changeset.Added, got.Changeset.Added) {
		t.Fatalf("read %+v %+v\nwrote %+v %+v", got, got.Changeset, want, want.Changeset)
	}
}

// An octet changed anywhere in the history is seen by who reads it, and is told with
// the remedy.
func TestDamagedHistory(t *testing.T) {
	path := newPath(t)
	j, u := begun(t, path, defaultLimits)
	for range 5 {
		if err := j.Append(u.next(100)); err != nil {
			t.Fatal(err)
		}
	}
	apex, last := u.zone.Apex(), u.zone.Serial()
	if err := j.write(func(tx *transaction) error {
		b := tx.bucket(bucketChanges)
		k, v := b.Cursor().Seek(blockKey(1, 100, 0))
		v = bytes.Clone(v)
		v[len(v)/2] ^= 1
		return b.Put(bytes.Clone(k), v)
	}); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, ok, err := j.Chain(apex, 1, last, 0); ok || err == nil || !bytes.Contains([]byte(err.Error()), []byte("journal is damaged (change ")) {
		t.Errorf("a chain over damage: %v %v", ok, err)
	}
	if _, ok, err := j.Chain(apex, last-3, last, 0); !ok || err != nil {
		t.Errorf("a chain behind it: %v %v", ok, err)
	}
	if err := j.Append(u.next(1)); err != nil {
		t.Errorf("a change behind it: %v", err)
	}
}
