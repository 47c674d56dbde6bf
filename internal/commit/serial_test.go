package commit_test

import (
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

var (
	contentA = zone.Digest{1}
	contentB = zone.Digest{2}
)

// known is a zone that was served with a serial and contentA.
func known(serial zone.Serial) commit.Last {
	return commit.Last{Known: true, Entry: journal.Entry{Serial: serial, Digest: contentA}}
}

// served is what a journal has of each zone.
type served journal.Entry

func (s served) Last(dname.Name) (journal.Entry, bool, error) { return journal.Entry(s), true, nil }

// A zone that is not available, because its data cannot be read, has the serial of before.
func TestReadLast(t *testing.T) {
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	l, err := commit.ReadLast(served{Serial: 7, Digest: contentA}, zone.Unavailable(apex, "lost"), apex)
	if err != nil || l != known(7) {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestGeneratedSerial(t *testing.T) {
	const now = 1_763_750_000
	for _, c := range []struct {
		name    string
		prev    commit.Last
		content zone.Digest
		unix    int64
		want    zone.Serial
	}{
		{"first", commit.Last{}, contentA, now, now},
		{"first, lost state, clock as ever", commit.Last{}, contentB, now + 5, now + 5},
		{"unchanged", known(5), contentA, now, 5},
		{"changed, clock is ahead", known(now - 10), contentB, now, now},
		{"changed within the second", known(now), contentB, now, now + 1},
		{"changed, serial is ahead of the clock", known(now + 100), contentB, now, now + 101},
		{"changed, date as serial", known(2025112101), contentB, now, 2025112102},
		{"wraps", known(0xffffffff), contentB, now, 0x0 + now}, // now is later than 2^32-1 by RFC 1982
		{"wraps by one", known(0xffffffff), contentB, 0xffffffff, 0},
		{"clock half the circle away", known(1<<31 + now), contentB, now, 1<<31 + now + 1},
		{"after 2106 the time wraps", commit.Last{}, contentA, 1<<32 + 7, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.prev.GeneratedSerial(c.content, c.unix); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if c.prev.Known && c.prev.Digest != c.content && !c.prev.Serial.Before(c.want) {
				t.Errorf("%d does not follow %d", c.want, c.prev.Serial)
			}
		})
	}
}
