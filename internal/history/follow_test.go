package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// Who follows gets each change once, of the zones and names asked for, also of zones that come and go.
func TestFollow(t *testing.T) {
	p := newPast(t)
	at := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Minute) }
	p.set(reverse, at(-2), "before", 1, "")
	owner := dname.MustParse("1." + reverse)
	f := p.keeper.Follow(func(apex dname.Name) (Part, bool) {
		if apex.Equal(dname.MustParse("b.example.")) {
			return Part{}, false
		}
		return Part{Zone: apex, About: func(n dname.Name) bool { return n.Equal(owner) }}, true
	})
	p.set(reverse, at(1), "other", 2, "2 60 PTR a.example.\n")
	p.set(reverse, at(2), "one", 3, "2 60 PTR a.example.\n1 60 PTR a.example.\n")
	p.set("b.example.", at(3), "unwanted", 1, "")
	read := func(n int) (list []string) {
		enough := errors.New("enough")
		if err := f.Run(t.Context(), func(l *Line) error {
			list = append(list, fmt.Sprintf("%s %s %s %d %v", l.Source, l.Zone, l.What, l.Serial, l.AddedRecords))
			if len(list) == n {
				return enough
			}
			return nil
		}); err != enough {
			t.Fatal(err)
		}
		return list
	}
	if got, want := read(1), []string{"one " + reverse + " changed 3 [1." + reverse + " 60 IN PTR a.example.]"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	p.set(reverse, at(4), "two", 4, "1 60 PTR b.example.\n")
	p.set("1.113.0.203.in-addr.arpa.", at(5), "new", 7, "")
	p.remove(reverse, at(6))
	if got, want := read(3), []string{
		"two " + reverse + " changed 4 [1." + reverse + " 60 IN PTR b.example.]",
		"new 1.113.0.203.in-addr.arpa. began 7 []",
		"removed " + reverse + " ended 4 []",
	}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx, nil); err != nil {
		t.Error(err)
	}
	f.Close()
	p.set("c.example.", at(7), "after the end", 1, "")
	if len(f.changed.zones) > 0 {
		t.Error("changes are kept for one who does not follow any more")
	}
}
