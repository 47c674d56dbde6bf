package assemble

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
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

func TestDeclaredSerial(t *testing.T) {
	served := func(serial, declared zone.Serial) commit.Last {
		return commit.Last{Known: true, Entry: journal.Entry{Serial: serial, Digest: contentA, Declared: declared, HasDeclared: true}}
	}
	for _, c := range []struct {
		name    string
		prev    commit.Last
		content zone.Digest
		file    zone.Serial
		want    zone.Serial
		noted   bool
	}{
		{"first", commit.Last{}, contentA, 7, 7, false},
		{"first, zero", commit.Last{}, contentA, 0, 0, false},
		{"unchanged", served(7, 7), contentA, 7, 7, false},
		{"changed, stands still", served(7, 7), contentB, 7, 8, false},
		{"changed again, stands still", served(8, 7), contentB, 7, 9, false},
		{"unchanged, after counting on", served(9, 7), contentA, 7, 9, false},
		{"risen with change", served(7, 7), contentB, 12, 12, false},
		{"risen without change", served(7, 7), contentA, 12, 12, false},
		{"set to what is served, changed", served(9, 7), contentB, 9, 10, false},
		{"risen, but not after what is served, changed", served(9, 7), contentB, 8, 10, true},
		{"risen, but not after what is served", served(9, 7), contentA, 8, 9, true},
		{"gone back", served(7, 7), contentA, 3, 7, true},
		{"gone back with change", served(7, 7), contentB, 3, 8, true},
		{"wraps", served(0xfffffff0, 0xfffffff0), contentB, 5, 5, false},
		{"wraps by counting", served(0xffffffff, 0xffffffff), contentB, 0xffffffff, 0, false},
		{"not after, over the wrap", served(5, 5), contentB, 0xfffffff0, 6, true},
		{"half the circle away", served(5, 5), contentB, 5 + 1<<31, 6, true},
		{"one less than half the circle", served(5, 5), contentB, 4 + 1<<31, 4 + 1<<31, false},
		{"was generated before", known(1_763_750_000), contentB, 1, 1_763_750_001, true},
		{"was generated before, date", known(1_763_750_000), contentB, 2025112101, 2025112101, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, note := declaredSerial(&c.prev, c.content, c.file)
			if got != c.want || (note != "") != c.noted {
				t.Errorf("got %d %q, want %d, noted %v", got, note, c.want, c.noted)
			}
			if c.prev.Known && got.Before(c.prev.Serial) {
				t.Errorf("serial goes back from %d to %d", c.prev.Serial, got)
			}
		})
	}
	last := served(9, 7)
	_, note := declaredSerial(&last, contentB, 8)
	if want := "serial 8 in the file is not after 9, which was served already (RFC 1982), so 10 is served; give the file a serial after 10, or leave it: ptrd increments the served serial itself"; note != want {
		t.Errorf("got  %s\nwant %s", note, want)
	}
}

func TestSignedSerial(t *testing.T) {
	served := known(7)
	for _, c := range []struct {
		name    string
		prev    commit.Last
		content zone.Digest
		file    zone.Serial
		want    string // in the fault; empty: none
	}{
		{"first", commit.Last{}, contentA, 7, ""},
		{"unchanged", served, contentA, 7, ""},
		{"signed again", served, contentB, 8, ""},
		{"serial alone", served, contentA, 8, ""},
		{"same serial", served, contentB, 7, "changed under the same serial 7, which secondaries would not notice; sign it again with a serial after 7"},
		{"lower serial", served, contentB, 6, "serial 6 of this signed zone is not after 7, which was served already (RFC 1982); sign it again with a serial after 7"},
		{"lower serial, same content", served, contentA, 6, "is not after 7"},
		{"wraps", known(0xffffffff), contentB, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := signedSerial(&c.prev, c.content, c.file)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
