package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// typedData is RDATA with its type.
type typedData struct {
	typ  rr.Type
	data string // octets
}

func (d typedData) generic() string {
	return fmt.Sprintf(`TYPE%d \# %d %x`, uint16(d.typ), len(d.data), d.data)
}

// byOwner is what one server has of a zone with one record of a type at each name, but for the
// apex, by owner and type.
type byOwner map[string]typedData

func (m byOwner) add(owner string, typ rr.Type, data []byte) {
	m[fmt.Sprintf("%s %v", strings.ToLower(owner), typ)] = typedData{typ, string(data)}
}

// compare reports up to some differences.
func (m byOwner) compare(t *testing.T, what string, want byOwner) {
	t.Helper()
	const most = 3
	n := 0
	for owner, w := range want {
		if got, ok := m[owner]; !ok || got != w {
			if n++; n <= most {
				t.Errorf("%s: %s %.600s\nis there as %.600s", what, owner, w.generic(), got.generic())
			}
		}
	}
	if n > most {
		t.Errorf("%s: %d of %d differ", what, n, len(want))
	}
	if len(m) > len(want) {
		t.Errorf("%s: %d records, %d are expected", what, len(m), len(want))
	}
}

// axfr transfers a zone and returns its records but those at the apex. It reads the messages
// itself, independently of ptrd and of libraries.
func axfr(addr netip.AddrPort, apex string) (byOwner, error) {
	return againAfterReset(func() (byOwner, error) { return axfrOnce(addr, apex) })
}

func axfrOnce(addr netip.AddrPort, apex string) (byOwner, error) {
	c, err := net.DialTimeout("tcp", addr.String(), startWait)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(startWait))
	q := make([]byte, wire.HeaderLen, 300)
	q[5] = 1
	q = append(q, wireName(apex)...)
	q = append(q, 0, 252, 0, 1)
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		return nil, err
	}
	records := byOwner{}
	for soas := 0; soas < 2; {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return records, fmt.Errorf("after %d records: %w", len(records), err)
		}
		m := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, m); err != nil {
			return nil, err
		}
		if m[3]&15 != 0 {
			return nil, fmt.Errorf("RCODE %d", m[3]&15)
		}
		off := wire.HeaderLen
		for range binary.BigEndian.Uint16(m[4:]) {
			_, off = expandName(nil, m, off)
			off += 4
		}
		for range binary.BigEndian.Uint16(m[6:]) {
			var owner []byte
			owner, off = expandName(nil, m, off)
			typ := rr.Type(binary.BigEndian.Uint16(m[off:]))
			end := off + 10 + int(binary.BigEndian.Uint16(m[off+8:]))
			data := expandData(typ, m, off+10, end)
			off = end
			if bytes.EqualFold(owner, wireName(apex)) {
				if typ == rr.TypeSOA {
					soas++
				}
				continue
			}
			records.add(dname.Name(owner).String(), typ, data)
		}
	}
	return records, nil
}

// expandName appends the name at off without compression and returns where it ends.
func expandName(dst, m []byte, off int) ([]byte, int) {
	end := 0
	for {
		switch n := int(m[off]); {
		case n >= 0xc0:
			if end == 0 {
				end = off + 2
			}
			off = int(binary.BigEndian.Uint16(m[off:])) & 0x3fff
		case n == 0:
			return append(dst, 0), max(end, off+1)
		default:
			dst = append(dst, m[off:off+1+n]...)
			off += 1 + n
		}
	}
}

// expandData returns RDATA without compression, which is allowed in the types of RFC 1035
// only (RFC 3597 §4).
func expandData(typ rr.Type, m []byte, off, end int) (data []byte) {
	names := map[rr.Type]int{2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 7: 1, 8: 1, 9: 1, 12: 1, 14: 2, 15: 1}[typ]
	if typ == rr.TypeMX {
		data, off = append(data, m[off:off+2]...), off+2
	}
	for range names {
		data, off = expandName(data, m, off)
	}
	return append(data, m[off:end]...)
}

// readText reads master file text with ptrd and returns its records but those at the apex.
func readText(t *testing.T, what string, text []byte, apex string) byOwner {
	t.Helper()
	records := byOwner{}
	origin := dname.MustParse(apex)
	var table source.Table
	res := zonefile.ReadBytes(what, text, zonefile.Options{Origin: origin, Table: &table}, func(r zone.Record) {
		if !r.Owner.Equal(origin) {
			records.add(r.Owner.String(), r.Type, r.Data)
		}
	})
	for i, f := range res.Findings {
		if f.Severity == finding.Error && i < 3 {
			t.Errorf("%s: %v", what, f)
		}
	}
	return records
}

// readRaw reads a zone in BIND's raw format: a header of 24 octets, then RRsets.
func readRaw(b []byte, apex string) byOwner {
	records := byOwner{}
	for b = b[24:]; len(b) > 0; {
		total := binary.BigEndian.Uint32(b)
		set := b[4:total]
		b = b[total:]
		typ, n := rr.Type(binary.BigEndian.Uint16(set[2:])), binary.BigEndian.Uint32(set[10:])
		owner := dname.Name(set[16 : 16+binary.BigEndian.Uint16(set[14:])])
		set = set[16+len(owner):]
		for range n {
			size := binary.BigEndian.Uint16(set)
			if !owner.Equal(wireName(apex)) {
				records.add(owner.String(), typ, set[2:2+size])
			}
			set = set[2+size:]
		}
	}
	return records
}

// compile runs named-compilezone and returns its output in a format.
func compile(dir, apex, file, format string) ([]byte, error) {
	program, _ := peertest.Find("named-compilezone")
	out := file + "." + format
	c := exec.Command(program, "-i", "none", "-n", "ignore", "-m", "ignore", "-M", "ignore", "-S", "ignore", "-r", "ignore",
		"-k", "ignore", "-T", "ignore", "-s", "full", "-F", format, "-o", out, apex, file)
	c.Dir = dir
	if text, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %.1000s", err, text)
	}
	return os.ReadFile(filepath.Join(dir, out))
}

const randomHead = "@ 3600 IN SOA ns.x. h.x. 1 2 3 4 5\n@ 3600 IN NS ns.x.\n"

// randomZone is a zone of random records of one type.
type randomZone struct {
	randomType
	apex    string
	records byOwner
	text    []byte // as ptrd prints it
	generic []byte // in the form of RFC 3597
}

func newRandomZone(t *testing.T, typ randomType, n int, random *rand.Rand) *randomZone {
	z := &randomZone{randomType: typ, apex: strings.ToLower(typ.name) + ".", records: byOwner{}}
	text, generic := bytes.NewBufferString(randomHead), bytes.NewBufferString(randomHead)
	number := rr.Type(typ.number)
	for i := range n {
		owner := fmt.Sprintf("r%d.%s", i, z.apex)
		if typ.name == "NSEC3" {
			owner = fmt.Sprintf("%032d.%s", i, z.apex)
		}
		r := randomData{Rand: random}
		typ.append(&r)
		z.records.add(owner, number, r.b)
		printed := rr.Text(number, r.b)
		if again, err := zonefile.ParseRData(number, printed, dname.Root()); err != nil || !bytes.Equal(again, r.b) {
			t.Errorf("%s %.600s\nis printed as %.600s\nand that is read as %x %v", owner, typedData{number, string(r.b)}.generic(), printed, again, err)
		}
		if strings.HasPrefix(printed, `\# `) && len(r.b) > 0 && typ.name != "NULL" && typ.name != "TYPE65280" {
			t.Errorf("%s: %s is printed in generic form: %.600s", owner, typ.name, printed)
		}
		fmt.Fprintf(text, "%s 3600 IN %s %s\n", owner, typ.name, printed)
		fmt.Fprintf(generic, "%s 3600 IN %s\n", owner, typedData{number, string(r.b)}.generic())
	}
	z.text, z.generic = text.Bytes(), generic.Bytes()
	return z
}

// rdataRecords is how many random records of each type are compared: PTRD_RDATA_RECORDS, or
// enough for a quick run.
func rdataRecords() int {
	if n, err := strconv.Atoi(os.Getenv("PTRD_RDATA_RECORDS")); err == nil {
		return n
	}
	return 100
}

// TestRandomRData makes random RDATA of every type and compares what ptrd, BIND and Knot read
// and print: ptrd's text read by the others, the others' text read by ptrd, always with the
// same octets.
func TestRandomRData(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("PTRD_RDATA_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("PTRD_RDATA_SEED=%d", seed)
	zones := make([]*randomZone, len(randomTypes))
	for i, typ := range randomTypes {
		t.Run("ptrd/"+typ.name, func(t *testing.T) {
			zones[i] = newRandomZone(t, typ, rdataRecords(), rand.New(rand.NewPCG(seed, uint64(i))))
			readText(t, typ.name, zones[i].generic, zones[i].apex).compare(t, "ptrd reads the generic form", zones[i].records)
		})
	}
	zones = slices.DeleteFunc(zones, func(z *randomZone) bool { return z == nil })
	t.Run("bind", func(t *testing.T) { randomBIND(t, zones) })
	t.Run("knot", func(t *testing.T) { randomKnot(t, zones) })
}

func randomBIND(t *testing.T, zones []*randomZone) {
	peertest.Require(t, "named-compilezone")
	dir := t.TempDir()
	var wait sync.WaitGroup
	places := make(chan struct{}, 2)
	for _, z := range zones {
		if !z.bind {
			continue
		}
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			mustWrite(dir, z.name+".text", string(z.text))
			mustWrite(dir, z.name+".generic", string(z.generic))
			if raw, err := compile(dir, z.apex, z.name+".text", "raw"); err != nil {
				t.Errorf("%s: BIND does not read what ptrd prints: %v", z.name, err)
			} else {
				readRaw(raw, z.apex).compare(t, "BIND reads what ptrd prints", z.records)
			}
			if text, err := compile(dir, z.apex, z.name+".generic", "text"); err != nil {
				t.Errorf("%s: BIND does not read the generic form: %v", z.name, err)
			} else {
				readText(t, z.name+" printed by BIND", text, z.apex).compare(t, "ptrd reads what BIND prints", z.records)
			}
		})
	}
	wait.Wait()
}

func randomKnot(t *testing.T, zones []*randomZone) {
	program := peertest.Require(t, "knotd")
	kdig := peertest.Require(t, "kdig")
	dir := t.TempDir()
	addr := freePort(t)
	var list []setZone
	var apexes []string
	for _, z := range zones {
		text := z.text
		if !z.knot {
			text = z.generic
		}
		list = append(list, setZone{apex: z.apex, file: mustWrite(dir, z.name, string(text))})
		apexes = append(apexes, z.apex)
	}
	args := configKnot(dir, addr, nil)
	conf := strings.TrimSuffix(string(must(os.ReadFile(filepath.Join(dir, "knot.conf")))), "zone:\n") +
		"acl:\n  - id: all\n    address: 127.0.0.1\n    action: transfer\nzone:\n"
	for _, z := range list {
		conf += fmt.Sprintf("  - domain: \"%s\"\n    file: \"%s\"\n    acl: all\n", z.apex, z.file)
	}
	mustWrite(dir, "knot.conf", conf)
	c := startProcess(t, dir, program, args...)
	if !awaitZones(addr, apexes, c.ended) {
		requireRunning(t, c)
		t.Fatalf("Knot does not answer:\n%.5000s", errorLines(c.log()))
	}
	for _, z := range zones {
		what := "Knot reads what ptrd prints"
		if !z.knot {
			what = "Knot reads the generic form"
		}
		got, err := axfr(addr, z.apex)
		if err != nil {
			t.Errorf("%s: %v", z.name, err)
			continue
		}
		got.compare(t, what, z.records)
		if z.name == "SVCB" || z.name == "HTTPS" {
			continue // kdig neither quotes nor escapes the values of parameters
		}
		out, err := exec.Command(kdig, "@"+addr.Addr().String(), "-p", fmt.Sprint(addr.Port()), "+noall", "+answer", "+timeout=60", z.apex, "AXFR").Output()
		if err != nil {
			t.Errorf("kdig: %v", err)
		}
		readText(t, z.name+" printed by kdig", out, z.apex).compare(t, "ptrd reads what kdig prints", z.records)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// errorLines returns one line with an error of each zone in a log of Knot.
func errorLines(log string) string {
	var out []string
	zone := ""
	for _, l := range strings.Split(log, "\n") {
		if _, e, ok := strings.Cut(l, "error: ["); ok && !strings.HasPrefix(e, zone+"]") {
			zone, _, _ = strings.Cut(e, "]")
			out = append(out, e)
		}
	}
	return strings.Join(out, "\n")
}
