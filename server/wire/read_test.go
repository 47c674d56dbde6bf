package wire

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/rr"
)

func TestHeaderFlags(t *testing.T) {
	f := (QR | AA | RD).WithOpcode(OpcodeUpdate).WithRCode(RCodeNotAuth)
	if f.Opcode() != OpcodeUpdate || f.RCode() != RCodeNotAuth || f&(QR|AA|TC|RD) != QR|AA|RD {
		t.Errorf("%016b", f)
	}
	var b [HeaderLen]byte
	h := Header{1, f, 2, 3, 4, 5}
	h.Put(b[:])
	if got, ok := ReadHeader(b[:]); !ok || got != h {
		t.Errorf("%+v, want %+v", got, h)
	}
	if _, ok := ReadHeader(b[:HeaderLen-1]); ok {
		t.Error("a header of 11 octets was read")
	}
}

func TestReadQuestion(t *testing.T) {
	for _, c := range []struct {
		what, msg string
		next      int
	}{
		{"a name, type and class", "\x01a\x00\x00\x0c\x00\x01", 7},
		{"the root", "\x00\x00\x02\x00\x01", 5},
		{"nothing", "", Malformed},
		{"no class", "\x01a\x00\x00\x0c\x00", Malformed},
		{"no root", "\x01a", Malformed},
		{"a compression pointer", "\xc0\x0c\x00\x0c\x00\x01", Malformed},
		{"a label of the type 01", "\x41a\x00\x00\x0c\x00\x01", Malformed},
	} {
		if q, next := ReadQuestion([]byte(c.msg), 0); next != c.next {
			t.Errorf("%s: %d, want %d (%v)", c.what, next, c.next, q)
		}
	}
	if _, next := ReadQuestion(nil, 12); next != Malformed {
		t.Error("read a question behind the end")
	}
}

func TestSkipName(t *testing.T) {
	for _, c := range []struct {
		what, msg string
		off, next int
	}{
		{"root", "\x00", 0, 1},
		{"labels", "\x01a\x02bc\x00x", 0, 6},
		{"pointer backwards", "\x01a\x00\x01b\xc0\x00", 3, 7},
		{"pointer to itself", "\x01a\x00\xc0\x03", 3, Malformed},
		{"pointer forwards", "\xc0\x02\x00", 0, Malformed},
		{"half a pointer", "\x00\xc0", 1, Malformed},
		{"label type 10", "\x80\x00", 0, Malformed},
		{"open end", "\x05abc", 0, Malformed},
		{"behind the end", "", 3, Malformed},
	} {
		if next := SkipName([]byte(c.msg), c.off); next != c.next {
			t.Errorf("%s: %d, want %d", c.what, next, c.next)
		}
	}
}

func TestOptionIter(t *testing.T) {
	it := IterOptions([]byte("\x00\x03\x00\x00\x00\x0a\x00\x02ab"))
	if !it.Next() || it.Code != OptionNSID || len(it.Data) != 0 || !it.Next() || it.Code != OptionCookie || string(it.Data) != "ab" || it.Next() || it.Malformed() {
		t.Errorf("%+v", it)
	}
	for _, bad := range []string{"\x00", "\x00\x03\x00", "\x00\x03\x00\x01", "\x00\x03\x00\x00\x00"} {
		it := IterOptions([]byte(bad))
		for it.Next() {
		}
		if !it.Malformed() {
			t.Errorf("% x is taken for well-formed", bad)
		}
	}
}

// FuzzRead walks whatever it is given as a message. What our readers take, an
// independent decoder of names and record heads takes as well.
func FuzzRead(f *testing.F) {
	q := new(dns.Msg)
	q.SetQuestion("1.2.0.192.in-addr.arpa.", dns.TypePTR)
	q.SetEdns0(1232, true)
	b, _ := q.Pack()
	f.Add(b)                                                                  // an ordinary query
	f.Add(b[:20])                                                             // cut in the QNAME
	f.Add(append(b[:len(b):len(b)], 0xc0, 0x0c, 0, 1))                        // a pointer at the end
	f.Add([]byte("\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xc0\x0c")) // a pointer to itself
	f.Fuzz(func(t *testing.T, msg []byte) {
		h, ok := ReadHeader(msg)
		if !ok {
			return
		}
		off := HeaderLen
		for range h.Questions {
			q, next := ReadQuestion(msg, off)
			if next < 0 {
				return
			}
			if name, _, err := dns.UnpackDomainName(msg, off); err != nil {
				t.Fatalf("question %v at %d: %v", q, off, err)
			} else if len(q.Name) > 1 && name == "." {
				t.Fatalf("question %v is read as the root", q)
			}
			off = next
		}
		for off < len(msg) {
			r, next := ReadRecord(msg, off)
			if next < 0 {
				return
			}
			if next <= off || next > len(msg) || len(r.Data) > next-off {
				t.Fatalf("record at %d ends at %d", off, next)
			}
			if r.Type == rr.TypeOPT {
				it := IterOptions(EDNSOf(r).Options)
				n := 0
				for it.Next() {
					n += 4 + len(it.Data)
				}
				if it.Malformed() == (n == len(r.Data)) {
					t.Fatalf("% x: %d octets of options", r.Data, n)
				}
			}
			off = next
		}
	})
}
