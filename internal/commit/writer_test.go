package commit

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const soaNS = "@ 60 SOA ns.example. hostmaster.example. 1 1 1 1 1\n@ 60 NS ns.example.\n"

// recorder is a Journal that writes down in which order things happen.
type recorder struct {
	events []string
	err    error
}

func (r *recorder) Append(b *zone.Batch) error {
	r.events = append(r.events, "journal "+b.Source)
	return r.err
}

func smallZone(t testing.TB, apex string) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse(apex))
	for _, r := range zonetest.MustParse(apex, soaNS+"1 300 PTR a.example.\n").Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// addTXT returns a change of the zone at apex in set that adds a record.
func addTXT(set *zone.Set, apex, owner string, n int) (zone.Change, error) {
	base := set.Get(dname.MustParse(apex))
	c := &zone.Changeset{Apex: base.Apex(), From: base.Serial(), To: base.Serial(), Added: []zone.Record{{
		Owner: dname.MustParse(owner + "." + apex), Type: rr.TypeTXT, TTL: 60, Data: []byte{1, byte(n)}}}}
	next, err := base.Apply(c)
	return zone.Change{Zone: next, Apex: base.Apex(), Base: base, Steps: []zone.Step{{Changeset: c}}}, err
}

func txts(set *zone.Set, apex, owner string) int {
	s, _ := set.Get(dname.MustParse(apex)).Get(dname.MustParse(owner+"."+apex), rr.TypeTXT)
	return s.Len()
}

// A batch is journalled, then visible, then observed; all of it or nothing.
func TestPublish(t *testing.T) {
	r := &recorder{}
	var w *Writer
	w = New(Options{
		Journal: r,
		Show: func(s *zone.Set) {
			r.events = append(r.events, fmt.Sprintf("show %d", s.Len()))
			if w.Set() != s {
				t.Error("shown before it is the Writer's own")
			}
		},
		Published: func(b *zone.Batch) { r.events = append(r.events, "published "+b.Source) },
	})
	a, b := smallZone(t, "1.in-addr.arpa."), smallZone(t, "2.in-addr.arpa.")
	publish := func(source string, changes ...zone.Change) error {
		return w.Publish(&zone.Batch{Source: source, Changes: changes})
	}
	if err := publish("first", zone.Change{Zone: a, Apex: a.Apex()}, zone.Change{Zone: b, Apex: b.Apex()}); err != nil {
		t.Fatal(err)
	}
	before := w.Set()
	newA := a.WithSerial(7)

	// One change of two conflicts: nothing happens.
	err := publish("conflict", zone.Change{Zone: newA, Apex: a.Apex(), Base: a}, zone.Change{Zone: b.WithSerial(7), Apex: b.Apex(), Base: newA})
	if !errors.Is(err, ErrConflict) {
		t.Errorf("a change of another base: %v, want ErrConflict", err)
	}
	for what, c := range map[string]zone.Change{
		"a zone that is there already": {Zone: newA, Apex: a.Apex()},
		"removal from another base":    {Apex: a.Apex(), Base: newA},
		"a change of no zone":          {Zone: smallZone(t, "3.in-addr.arpa."), Apex: dname.MustParse("3.in-addr.arpa."), Base: a},
	} {
		if err := publish("conflict", c); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", what, err)
		}
	}
	// The journal fails: nothing happens.
	for _, r.err = range []error{errors.New("disk full"), zone.ErrUndecided} {
		err := publish("full", zone.Change{Zone: newA, Apex: a.Apex(), Base: a})
		if !errors.Is(err, r.err) || !errors.Is(err, ErrNotDurable) {
			t.Errorf("journal fails: %v", err)
		}
	}
	r.err = nil
	if w.Set() != before {
		t.Error("a failed batch changed the snapshot")
	}

	if err := publish("second", zone.Change{Zone: newA, Apex: a.Apex(), Base: a}, zone.Change{Apex: b.Apex(), Base: b}); err != nil {
		t.Fatal(err)
	}
	if s := w.Set(); s.Len() != 1 || s.Get(a.Apex()) != newA {
		t.Error("the second batch is not what is served")
	}
	if before.Len() != 2 || before.Get(a.Apex()) != a || before.Get(b.Apex()) != b {
		t.Error("an older snapshot changed")
	}
	want := []string{"journal first", "show 2", "published first", "journal full", "journal full", "journal second", "show 1", "published second"}
	if !slices.Equal(r.events, want) {
		t.Errorf("events %q, want %q", r.events, want)
	}
}

// The Show of a request is called in place of the Writer's, also without changes; what
// fails afterwards is a warning. A proposal that was made under the former policy is
// made again.
func TestPolicyAndWarnings(t *testing.T) {
	w := New(Options{Show: func(*zone.Set) { t.Error("the Show of the Writer is called") }})
	shown := 0
	failed := errors.New("something else")
	activate := Request{
		Propose: func(*zone.Set) (*zone.Batch, error) { return &zone.Batch{Source: "policy"}, nil },
		Show:    func(*zone.Set) { shown++ },
		After:   func() error { return failed },
	}
	report, err := w.Commit(activate)
	if err != nil || shown != 1 || len(report.Warnings) != 1 || !errors.Is(report.Warnings[0], failed) || report.Batch.Source != "policy" {
		t.Errorf("%+v, %v; shown %d times", report, err, shown)
	}
	proposed := 0
	report, err = w.Commit(Request{Propose: func(*zone.Set) (*zone.Batch, error) {
		if proposed++; proposed == 1 {
			if _, err := w.Commit(activate); err != nil {
				t.Error(err)
			}
		}
		return &zone.Batch{}, nil
	}})
	if err != nil || proposed != 2 || len(report.Warnings) != 0 {
		t.Errorf("proposed %d times, %+v, %v", proposed, report, err)
	}
	// Nothing is called for a request that ends without a batch.
	report, err = w.Commit(Request{
		Propose: func(*zone.Set) (*zone.Batch, error) { return nil, nil },
		Show:    func(*zone.Set) { t.Error("shown") },
		After:   func() error { t.Error("called"); return nil },
	})
	if err != nil || report.Batch != nil {
		t.Errorf("%+v, %v", report, err)
	}
}

// A request that loses is proposed again, and the second time it cannot lose.
func TestConflict(t *testing.T) {
	const apex = "2.0.192.in-addr.arpa."
	w := New(Options{})
	z := smallZone(t, apex)
	if err := w.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	rival := func(n int) error {
		_, err := w.Commit(Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
			c, err := addTXT(set, apex, "rival", n)
			return &zone.Batch{Changes: []zone.Change{c}}, err
		}})
		return err
	}
	proposed, ended := 0, make(chan error, 1)
	_, err := w.Commit(Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		c, err := addTXT(set, apex, "mine", proposed)
		switch proposed++; proposed {
		case 1:
			if err := rival(1); err != nil {
				t.Error(err)
			}
		case 2:
			go func() { ended <- rival(2) }() // waits
		}
		return &zone.Batch{Changes: []zone.Change{c}}, err
	}})
	if err != nil || proposed != 2 {
		t.Errorf("proposed %d times, %v", proposed, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if mine, rivals := txts(w.Set(), apex, "mine"), txts(w.Set(), apex, "rival"); mine != 1 || rivals != 2 {
		t.Errorf("%d and %d records", mine, rivals)
	}
	// One that does not fit its own snapshot is not tried for ever, and others go on.
	proposed = 0
	_, err = w.Commit(Request{Propose: func(*zone.Set) (*zone.Batch, error) {
		proposed++
		return &zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Base: z}}}, nil
	}})
	if !errors.Is(err, ErrConflict) || proposed != 3 {
		t.Errorf("proposed %d times, %v", proposed, err)
	}
	if err := rival(3); err != nil {
		t.Error(err)
	}
}

// While a request is proposed again, others change other zones; if it changes these as well then, all wait.
func TestConflictHoldsUpNoOtherZone(t *testing.T) { synctest.Test(t, testConflictHoldsUpNoOtherZone) }

func testConflictHoldsUpNoOtherZone(t *testing.T) {
	const mine, other = "2.0.192.in-addr.arpa.", "3.0.192.in-addr.arpa."
	w := New(Options{})
	first := &zone.Batch{}
	for _, apex := range []string{mine, other} {
		z := smallZone(t, apex)
		first.Changes = append(first.Changes, zone.Change{Zone: z, Apex: z.Apex()})
	}
	if err := w.Publish(first); err != nil {
		t.Fatal(err)
	}
	rival := func(apex string, n int) {
		if _, err := w.Commit(Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
			c, err := addTXT(set, apex, "rival", n)
			return &zone.Batch{Changes: []zone.Change{c}}, err
		}}); err != nil {
			t.Error(err)
		}
	}
	var waits sync.WaitGroup
	proposed := 0
	_, err := w.Commit(Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		b := &zone.Batch{}
		add := func(apex string) {
			c, err := addTXT(set, apex, "mine", proposed)
			if err != nil {
				t.Error(err)
			}
			b.Changes = append(b.Changes, c)
		}
		add(mine)
		switch proposed++; proposed {
		case 1:
			rival(mine, 1)
		case 2:
			waits.Go(func() { rival(mine, 2) })
			synctest.Wait()
			if n := txts(w.Set(), mine, "rival"); n != 1 {
				t.Errorf("the zone was changed %d times by others while it was proposed again", n)
			}
			add(other)
			rival(other, 3) // does not wait
		case 3:
			add(other)
			waits.Go(func() { rival(other, 4) })
		}
		return b, nil
	}})
	if err != nil || proposed != 3 {
		t.Errorf("proposed %d times, %v", proposed, err)
	}
	waits.Wait()
	if a, b := txts(w.Set(), mine, "rival"), txts(w.Set(), other, "rival"); a != 2 || b != 2 {
		t.Errorf("%d and %d records of others", a, b)
	}
	if a, b := txts(w.Set(), mine, "mine"), txts(w.Set(), other, "mine"); a != 1 || b != 1 {
		t.Errorf("%d and %d records", a, b)
	}
}

// What is derived and signed is part of the batch: durable and visible with it, and
// made again from the later snapshot after a conflict. An error refuses all of it.
func TestStages(t *testing.T) {
	const apex, other = "2.0.192.in-addr.arpa.", "3.0.192.in-addr.arpa."
	r := &recorder{}
	count := func(step string, owner string, ofZone string) Stage {
		return func(set *zone.Set, b *zone.Batch) error {
			r.events = append(r.events, step)
			if b.Source == "refused" {
				return errors.New("cannot " + step)
			}
			if b.Source == "start" {
				return nil
			}
			c, err := addTXT(set, ofZone, owner, txts(set, ofZone, owner))
			if err != nil {
				return err
			}
			i := slices.IndexFunc(b.Changes, func(c zone.Change) bool { return c.Apex.Equal(dname.MustParse(ofZone)) })
			if i < 0 {
				b.Changes = append(b.Changes, c)
				return nil
			}
			z := b.Changes[i].Zone
			if b.Changes[i].Zone, err = z.Apply(c.Steps[0].Changeset); err != nil {
				return err
			}
			b.Changes[i].Steps = append(b.Changes[i].Steps, c.Steps...)
			return nil
		}
	}
	w := New(Options{Journal: r, Stages: []Stage{count("derive", "derived", other), count("sign", "signature", apex)}})
	a, b := smallZone(t, apex), smallZone(t, other)
	if err := w.Publish(&zone.Batch{Source: "start", Changes: []zone.Change{{Zone: a, Apex: a.Apex()}, {Zone: b, Apex: b.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	r.events = nil
	update := func(source string, once func()) error {
		_, err := w.Commit(Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
			c, err := addTXT(set, apex, "data", txts(set, apex, "data"))
			if once != nil {
				once()
				once = nil
			}
			return &zone.Batch{Source: source, Changes: []zone.Change{c}}, err
		}})
		return err
	}
	if err := update("first", func() {
		if err := update("rival", nil); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"derive", "sign", "journal rival", "derive", "sign", "derive", "sign", "journal first"}
	if !slices.Equal(r.events, want) {
		t.Errorf("events %q, want %q", r.events, want)
	}
	before := w.Set()
	for _, at := range [][2]string{{apex, "data"}, {apex, "signature"}, {other, "derived"}} {
		if n := txts(before, at[0], at[1]); n != 2 {
			t.Errorf("%d records at %s, want 2", n, at)
		}
	}
	if err := update("refused", nil); err == nil || err.Error() != "cannot derive" || w.Set() != before {
		t.Errorf("a stage that fails: %v", err)
	}
}

// Sources that commit to several zones at once lose no change and see no half of a
// batch: a slow twin that applies the published batches one after the other has the
// same zones, and so has a journal that fails now and then. Readers ask every snapshot
// they see.
func TestConcurrent(t *testing.T) {
	const writers, changes = 4, 50
	apexes := [...]string{"2.0.192.in-addr.arpa.", "3.0.192.in-addr.arpa."}
	twin := map[string]*zone.Zone{}
	j := &flaky{}
	w := New(Options{Journal: j, Published: func(b *zone.Batch) {
		for _, c := range b.Changes {
			old, key := twin[c.Apex.Key()], c.Apex.Key()
			if len(c.Steps) == 0 {
				twin[key] = c.Zone
				continue
			}
			next, err := old.Apply(c.Steps[0].Changeset)
			if err != nil {
				t.Errorf("the twin: %v", err)
				return
			}
			twin[key] = next
		}
	}})
	first := &zone.Batch{}
	for _, apex := range apexes {
		z := smallZone(t, apex)
		first.Changes = append(first.Changes, zone.Change{Zone: z, Apex: z.Apex()})
	}
	if err := w.Publish(first); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers, all sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				set := w.Set()
				for i := range writers {
					owner := fmt.Sprintf("w%d", i)
					if a, b := txts(set, apexes[0], owner), txts(set, apexes[1], owner); a != b || a > changes {
						t.Errorf("%d and %d records of one batch", a, b)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range writers {
		all.Go(func() {
			for n := 0; n < changes; {
				after := 0
				_, err := w.Commit(Request{
					Propose: func(set *zone.Set) (*zone.Batch, error) {
						b := &zone.Batch{}
						for _, apex := range apexes {
							c, err := addTXT(set, apex, fmt.Sprintf("w%d", i), n)
							if err != nil {
								return nil, err
							}
							b.Changes = append(b.Changes, c)
						}
						return b, nil
					},
					After: func() error { after++; return nil },
				})
				switch {
				case err == nil && after == 1:
					n++
				case errors.Is(err, errFlaky) && after == 0:
				default:
					t.Errorf("After is called %d times; %v", after, err)
					return
				}
			}
		})
	}
	all.Wait()
	close(done)
	readers.Wait()
	for _, apex := range apexes {
		z := w.Set().Get(dname.MustParse(apex))
		if z.Digest() != twin[z.Key()].Digest() {
			t.Errorf("zone %s is not what the twin has", apex)
		}
		for i := range writers {
			if n := txts(w.Set(), apex, fmt.Sprintf("w%d", i)); n != changes {
				t.Errorf("writer %d: %d records, want %d", i, n, changes)
			}
		}
	}
}

// flaky is a Journal that fails every seventh time.
type flaky struct{ n int }

var errFlaky = errors.New("disk full")

func (f *flaky) Append(*zone.Batch) error {
	if f.n++; f.n%7 == 0 {
		return errFlaky
	}
	return nil
}

// A proposal that begins while another policy becomes active is for the former one: it is
// proposed again, however little time is between the two.
func TestPolicyDuringShow(t *testing.T) {
	w := New(Options{})
	policy := 0
	var seen []int
	var done sync.WaitGroup
	_, err := w.Commit(Request{
		Propose: func(*zone.Set) (*zone.Batch, error) { return &zone.Batch{}, nil },
		Show: func(*zone.Set) {
			began := make(chan struct{})
			done.Go(func() {
				first := true
				if _, err := w.Commit(Request{Propose: func(*zone.Set) (*zone.Batch, error) {
					seen = append(seen, policy)
					if first {
						first = false
						close(began)
					}
					return &zone.Batch{}, nil
				}}); err != nil {
					t.Error(err)
				}
			})
			<-began
			policy = 1
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done.Wait()
	if !slices.Equal(seen, []int{0, 1}) {
		t.Errorf("proposed under policies %v, want first the former and then the active one", seen)
	}
}
