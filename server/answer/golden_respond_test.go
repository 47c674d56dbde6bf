package answer

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/rogpeppe/go-internal/txtar"
)

var rewriteGolden = flag.Bool("golden", false, "rewrite the golden packets with what is answered now")

// TestGoldenPackets asks casesLab the queries of testdata/golden and compares the
// responses octet by octet. Each file holds a comment, whose first word "tcp"
// chooses that transport, and the sections
//
//	query     octets in hex, with comments from # on
//	response  likewise
//	decoded   what another decoder reads in the response
//
// With -golden the last two are rewritten, and the layout of the first; a person
// then reads the difference.
func TestGoldenPackets(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden packets", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			section := map[string]string{}
			for _, f := range a.Files {
				section[f.Name] = string(f.Data)
			}
			request := commentedHex(t, section["query"])
			l := casesLab(t)
			c := respondCase{tcp: bytes.HasPrefix(a.Comment, []byte("tcp"))}
			c.prepare(l)
			response, v := l.raw(request)
			if v != Answered {
				t.Fatalf("verdict %d", v)
			}
			m := new(dns.Msg)
			if err := m.Unpack(response); err != nil {
				t.Fatal(err)
			}
			decoded := summary(m)
			if s := servertest.Options(m); m.IsEdns0() != nil {
				decoded += strings.TrimSpace("options: "+s) + "\n"
			}
			if *rewriteGolden {
				a.Files = []txtar.File{
					{Name: "query", Data: []byte(annotate(request))},
					{Name: "response", Data: []byte(annotate(response))},
					{Name: "decoded", Data: []byte(decoded)},
				}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := commentedHex(t, section["response"]); !bytes.Equal(response, want) {
				t.Errorf("got\n%swant\n%s", annotate(response), section["response"])
			}
			if decoded != section["decoded"] {
				t.Errorf("decoded\n%swant\n%s", decoded, section["decoded"])
			}
		})
	}
}

func commentedHex(t *testing.T, text string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		d, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, d...)
	}
	return b
}

// annotate returns a message as hex, one field a line, with comments.
func annotate(msg []byte) string {
	var out strings.Builder
	line := func(b []byte, comment string, args ...any) {
		c := strings.TrimSpace("# " + fmt.Sprintf(comment, args...))
		fmt.Fprintf(&out, "%-48s %s\n", hex.EncodeToString(b), c)
	}
	h, ok := wire.ReadHeader(msg)
	if !ok {
		line(msg, "less than a header")
		return out.String()
	}
	line(msg[:2], "ID")
	line(msg[2:4], "opcode %d, RCODE %v, flags%s", h.Flags.Opcode(), h.Flags.RCode(), flagNames(h.Flags))
	line(msg[4:12], "questions %d, answers %d, authorities %d, additionals %d", h.Questions, h.Answers, h.Authorities, h.Additionals)
	off := wire.HeaderLen
	for range h.Questions {
		q, next := wire.ReadQuestion(msg, off)
		if next < 0 {
			line(msg[off:], "no question")
			return out.String()
		}
		line(msg[off:next-4], "question: %v", q.Name)
		line(msg[next-4:next], "%v %v", q.Class, q.Type)
		off = next
	}
	for off < len(msg) {
		r, next := wire.ReadRecord(msg, off)
		if next < 0 {
			line(msg[off:], "no record")
			break
		}
		data := next - len(r.Data)
		line(msg[off:data-10], "owner: %v", wire.AppendName(nil, msg, off))
		if r.Type == rr.TypeOPT {
			e := wire.EDNSOf(r)
			line(msg[data-10:data], "OPT, UDP size %d, RCODE %d…, version %d, flags %04x, %d octets", e.UDPSize, e.RCode, e.Version, e.Flags, len(r.Data))
			it := wire.IterOptions(r.Data)
			at := data
			for it.Next() {
				line(msg[at:at+4+len(it.Data)], "option %d", it.Code)
				at += 4 + len(it.Data)
			}
			if it.Malformed() {
				line(msg[at:next], "no option")
			}
		} else {
			line(msg[data-10:data], "%v %v, TTL %d, %d octets", r.Class, r.Type, r.TTL, len(r.Data))
			comment := ""
			skip, ok := map[rr.Type]int{rr.TypeDNAME: 0, rr.TypeSRV: 6}[r.Type]
			if in := rr.NamesIn(r.Type); in.Count > 0 {
				skip, ok = int(in.Skip), true
			}
			if ok {
				comment = wire.AppendName(nil, msg, data+skip).String()
			}
			line(r.Data, "%s", comment)
		}
		off = next
	}
	return out.String()
}

func flagNames(f wire.Flags) (s string) {
	for _, n := range []struct {
		f    wire.Flags
		name string
	}{{wire.QR, "qr"}, {wire.AA, "aa"}, {wire.TC, "tc"}, {wire.RD, "rd"}, {wire.RA, "ra"}, {wire.Z, "z"}, {wire.AD, "ad"}, {wire.CD, "cd"}} {
		if f&n.f != 0 {
			s += " " + n.name
		}
	}
	return s
}
