package assemble

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
)

var (
	contentA = zone.Digest{1}
	contentB = zone.Digest{2}
)

func TestGeneratedSerial(t *testing.T) {
	const now = 1_763_750_000
	for _, c := range []struct {
		name    string
		prev    last
		content zone.Digest
		unix    int64
		want    zone.Serial
	}{
		{"first", last{}, contentA, now, now},
		{"first, lost state, clock as ever", last{}, contentB, now + 5, now + 5},
		{"unchanged", last{known: true, serial: 5, digest: contentA}, contentA, now, 5},
		{"changed, clock is ahead", last{known: true, serial: now - 10, digest: contentA}, contentB, now, now},
		{"changed within the second", last{known: true, serial: now, digest: contentA}, contentB, now, now + 1},
		{"changed, serial is ahead of the clock", last{known: true, serial: now + 100, digest: contentA}, contentB, now, now + 101},
		{"changed, date as serial", last{known: true, serial: 2025112101, digest: contentA}, contentB, now, 2025112102},
		{"wraps", last{known: true, serial: 0xffffffff, digest: contentA}, contentB, now, 0x0 + now}, // now is later than 2^32-1 by RFC 1982
		{"wraps by one", last{known: true, serial: 0xffffffff, digest: contentA}, contentB, 0xffffffff, 0},
		{"clock half the circle away", last{known: true, serial: 1<<31 + now, digest: contentA}, contentB, now, 1<<31 + now + 1},
		{"after 2106 the time wraps", last{}, contentA, 1<<32 + 7, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := generatedSerial(c.prev, c.content, c.unix); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if c.prev.known && c.prev.digest != c.content && !c.prev.serial.Before(c.want) {
				t.Errorf("%d does not follow %d", c.want, c.prev.serial)
			}
		})
	}
}

func TestDeclaredSerial(t *testing.T) {
	served := func(serial, declared zone.Serial) last {
		return last{known: true, serial: serial, digest: contentA, declared: declared, hasDeclared: true}
	}
	for _, c := range []struct {
		name    string
		prev    last
		content zone.Digest
		file    zone.Serial
		want    zone.Serial
		noted   bool
	}{
		{"first", last{}, contentA, 7, 7, false},
		{"first, zero", last{}, contentA, 0, 0, false},
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
		{"was generated before", last{known: true, serial: 1_763_750_000, digest: contentA}, contentB, 1, 1_763_750_001, true},
		{"was generated before, date", last{known: true, serial: 1_763_750_000, digest: contentA}, contentB, 2025112101, 2025112101, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, note := declaredSerial(c.prev, c.content, c.file)
			if got != c.want || (note != "") != c.noted {
				t.Errorf("got %d %q, want %d, noted %v", got, note, c.want, c.noted)
			}
			if c.prev.known && got.Before(c.prev.serial) {
				t.Errorf("serial goes back from %d to %d", c.prev.serial, got)
			}
		})
	}
	_, note := declaredSerial(served(9, 7), contentB, 8)
	if want := "serial 8 in the file is not after 9, which was served already (RFC 1982), so 10 is served; give the file a serial after 10, or leave it: ptrd increments the served serial itself"; note != want {
		t.Errorf("got  %s\nwant %s", note, want)
	}
}

func TestSignedSerial(t *testing.T) {
	served := last{known: true, serial: 7, digest: contentA}
	for _, c := range []struct {
		name    string
		prev    last
		content zone.Digest
		file    zone.Serial
		want    string // in the fault; empty: none
	}{
		{"first", last{}, contentA, 7, ""},
		{"unchanged", served, contentA, 7, ""},
		{"signed again", served, contentB, 8, ""},
		{"serial alone", served, contentA, 8, ""},
		{"same serial", served, contentB, 7, "changed under the same serial 7, which secondaries would not notice; sign it again with a serial after 7"},
		{"lower serial", served, contentB, 6, "serial 6 of this signed zone is not after 7, which was served already (RFC 1982); sign it again with a serial after 7"},
		{"lower serial, same content", served, contentA, 6, "is not after 7"},
		{"wraps", last{known: true, serial: 0xffffffff, digest: contentA}, contentB, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := signedSerial(c.prev, c.content, c.file)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
