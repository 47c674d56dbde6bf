package interop

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// edited is a zone that changes at random in all ways that a zone can, kept as a plain
// list of RRsets: what all servers must have.
type edited struct {
	rng    *rand.Rand
	apex   string
	serial uint32
	soa    string // the RDATA behind the serial
	sets   map[editedKey]editedSet
}

// editedKey is the owner, relative to the apex or "@", and the type of an RRset.
type editedKey struct{ owner, rtype string }

// editedSet is the TTL of an RRset, and its RDATA as text. It is never changed, only
// replaced.
type editedSet struct {
	ttl  uint32 // seconds
	data []string
}

const editedSOA = "ns1.example.com. hostmaster.example.com."

// newEdited returns a zone with one PTR whose serial is about to wrap.
func newEdited(seed uint64) *edited {
	e := &edited{rng: rand.New(rand.NewPCG(seed, 4)), apex: "10.in-addr.arpa.", serial: 1<<32 - 3, soa: "7200 900 1209600 300", sets: map[editedKey]editedSet{}}
	e.put("@", "NS", 3600, "ns1.example.com.")
	e.put("1.0.0", "PTR", 3600, "first.example.com.")
	return e
}

func (e *edited) clone() *edited {
	c := *e
	c.sets = maps.Clone(e.sets)
	return &c
}

// put makes an RRset in the place of the one there is, and of what a CNAME excludes.
func (e *edited) put(owner, rtype string, ttl uint32, data ...string) {
	for k := range e.sets {
		if k.owner == owner && (k.rtype == "CNAME" || rtype == "CNAME") {
			delete(e.sets, k)
		}
	}
	slices.Sort(data)
	e.sets[editedKey{owner, rtype}] = editedSet{ttl, slices.Compact(data)}
}

// drop removes the RRsets that a condition holds for; those that each zone needs stay.
func (e *edited) drop(condition func(editedKey) bool) {
	for k := range e.sets {
		if k != (editedKey{"@", "NS"}) && condition(k) {
			delete(e.sets, k)
		}
	}
}

// some returns one of the RRsets.
func (e *edited) some() editedKey {
	keys := slices.SortedFunc(maps.Keys(e.sets), func(a, b editedKey) int {
		return strings.Compare(a.owner+" "+a.rtype, b.owner+" "+b.rtype)
	})
	return keys[e.rng.IntN(len(keys))]
}

func (e *edited) ttl() uint32 { return []uint32{0, 60, 3600, 86400, 1<<31 - 1}[e.rng.IntN(5)] }

func (e *edited) block() string { return fmt.Sprintf("%d.%d", e.rng.IntN(3), e.rng.IntN(2)) }

func (e *edited) address() string { return fmt.Sprintf("%d.%s", e.rng.IntN(256), e.block()) }

func (e *edited) targets(most int) (list []string) {
	for range 1 + e.rng.IntN(most) {
		list = append(list, fmt.Sprintf("Host%d.example.com.", e.rng.IntN(1000)))
	}
	return list
}

// other returns RDATA of one of the types that are rare in a reverse zone.
func (e *edited) other() (rtype, data string) {
	n := e.rng.IntN(1 << 16)
	octets := make([]byte, 1+e.rng.IntN(40))
	var text strings.Builder
	for i := range octets {
		octets[i] = byte(e.rng.Uint32())
		fmt.Fprintf(&text, `\%03d`, octets[i])
	}
	switch e.rng.IntN(12) {
	case 0:
		return "TYPE65280", fmt.Sprintf(`\# %d %x`, len(octets), octets)
	case 1:
		return "TYPE65281", `\# 0`
	case 2:
		return "DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="
	case 3:
		return "HINFO", fmt.Sprintf(`"cpu %d" "os"`, n)
	case 4:
		return "SRV", fmt.Sprintf("%d 2 3 srv.example.com.", n)
	case 5:
		return "NAPTR", fmt.Sprintf(`%d 2 "s" "x" "" n.example.com.`, n)
	case 6:
		return "MX", fmt.Sprintf("%d mail.example.com.", n)
	case 7:
		return "AAAA", fmt.Sprintf("2001:db8::%x", n)
	case 8:
		return "SSHFP", fmt.Sprintf("1 1 %040x", n)
	case 9:
		return "RP", fmt.Sprintf("r%d.example.com. t.example.com.", n)
	}
	return "TXT", `"` + text.String() + `" "second"`
}

// change makes one change set; the serial stays for the caller to count on.
func (e *edited) change() {
	if e.rng.IntN(25) == 0 { // everything but the apex
		e.drop(func(k editedKey) bool { return k.owner != "@" })
		return
	}
	for range e.rng.IntN(12) {
		e.edit()
	}
}

func (e *edited) edit() {
	switch e.rng.IntN(20) {
	default:
		e.put(e.address(), "PTR", e.ttl(), e.targets(3)...)
	case 0:
		k := e.some()
		e.drop(func(o editedKey) bool { return o == k })
	case 1: // one record of several
		k := e.some()
		if s := e.sets[k]; len(s.data) > 1 && k.owner != "@" {
			i := e.rng.IntN(len(s.data))
			e.put(k.owner, k.rtype, s.ttl, slices.Delete(slices.Clone(s.data), i, i+1)...)
		}
	case 2: // one record more
		k := e.some()
		if s := e.sets[k]; k.rtype == "PTR" {
			e.put(k.owner, k.rtype, s.ttl, append(slices.Clone(s.data), e.targets(1)...)...)
		}
	case 3, 4:
		k := e.some()
		e.put(k.owner, k.rtype, e.ttl(), slices.Clone(e.sets[k].data)...)
	case 5, 6:
		rtype, data := e.other()
		e.put(e.address(), rtype, e.ttl(), data)
	case 7:
		e.put("*."+e.block(), "PTR", e.ttl(), e.targets(1)...)
	case 8: // a delegation, its glue and what lies hidden beneath
		cut := fmt.Sprintf("%d.1", 100+e.rng.IntN(5))
		e.put(cut, "NS", e.ttl(), "ns."+cut+"."+e.apex, "ns.example.net.")
		e.put("ns."+cut, "A", e.ttl(), "192.0.2.53")
		e.put("ns."+cut, "AAAA", e.ttl(), "2001:db8::53")
		e.put("5."+cut, "PTR", e.ttl(), e.targets(1)...)
	case 9: // which ends
		cut := fmt.Sprintf("%d.1", 100+e.rng.IntN(5))
		e.drop(func(k editedKey) bool { return k.owner == cut || k.owner == "ns."+cut })
	case 10: // a classless delegation (RFC 2317)
		block := e.block()
		e.put("32/29."+block, "NS", e.ttl(), "ns.example.net.", "ns.example.org.")
		ttl := e.ttl()
		for n := 33; n < 39; n++ {
			e.put(fmt.Sprintf("%d.%s", n, block), "CNAME", ttl, fmt.Sprintf("%d.32/29.%s.%s", n, block, e.apex))
		}
	case 11:
		e.put(fmt.Sprintf("moved%d", e.rng.IntN(3)), "DNAME", e.ttl(), fmt.Sprintf("to%d.example.net.", e.rng.IntN(10)))
	case 12: // the apex
		ns := []string{"ns1.example.com."}
		for n := range e.rng.IntN(4) {
			ns = append(ns, fmt.Sprintf("ns%d.example.net.", n))
		}
		e.put("@", "NS", e.ttl(), ns...)
		e.put("@", "TXT", e.ttl(), fmt.Sprintf("%q", e.targets(1)))
		e.soa = fmt.Sprintf("%d 900 1209600 %d", 7200+e.rng.IntN(100), e.rng.IntN(1000))
	case 13:
		block := e.block()
		e.drop(func(k editedKey) bool { return strings.HasSuffix(k.owner, "."+block) })
	case 14:
		if e.rng.IntN(3) > 0 {
			return
		}
		block := e.block()
		for n := range 256 {
			e.put(fmt.Sprintf("%d.%s", n, block), "PTR", 3600, e.targets(1)...)
		}
	case 15:
		if e.rng.IntN(3) == 0 {
			e.put(e.address(), "PTR", e.ttl(), e.targets(120)...)
		}
	}
}

// step is how far the next serial is.
func (e *edited) step() uint32 {
	switch e.rng.IntN(6) {
	case 0:
		return 1 + e.rng.Uint32N(1000)
	case 1:
		return 1<<31 - 1 - e.rng.Uint32N(1<<20) // nearly as far as can be (RFC 1982 §3.1); no serial comes again
	}
	return 1
}

// records returns the text of all records, the SOA first.
func (e *edited) records(t testing.TB) []string {
	list := []string{e.soaText()}
	for k, s := range e.sets {
		owner := e.apex
		if k.owner != "@" {
			owner = k.owner + "." + e.apex
		}
		for _, d := range s.data {
			list = append(list, fmt.Sprintf("%s %d IN %s %s", owner, s.ttl, k.rtype, d))
		}
	}
	for i, text := range list {
		list[i] = parseRecord(t, text).String()
	}
	slices.Sort(list[1:])
	return list
}

func (e *edited) soaText() string {
	return e.apex + " 3600 IN SOA " + editedSOA + " " + strconv.FormatUint(uint64(e.serial), 10) + " " + e.soa
}

// parseRecord reads a record and passes it through its wire form, which leaves of all
// spellings one.
func parseRecord(t testing.TB, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	buf := make([]byte, dns.MaxMsgSize)
	if _, err := dns.PackRR(r, buf, 0, nil, false); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, _, err := dns.UnpackRR(buf, 0)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// text returns the zone as a master file.
func (e *edited) text(t testing.TB) []byte {
	var b bytes.Buffer
	for _, r := range e.records(t) {
		b.WriteString(strings.Replace(r, "\tCLASS1\t", "\tIN\t", 1) + "\n") // which Knot cannot read
	}
	return b.Bytes()
}

// message returns an UPDATE from one content to another, with the SOA where that is to
// be another or a serial is asked for.
func (e *edited) message(t testing.TB, from *edited, withSerial bool) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetUpdate(e.apex)
	var gone, whole, come []dns.RR
	old, now := from.records(t), e.records(t)
	for k, s := range from.sets {
		n, ok := e.sets[k]
		if k.owner != "@" && (!ok || n.ttl != s.ttl) {
			whole = append(whole, parseRecord(t, fmt.Sprintf("%s.%s 0 IN %s %s", k.owner, e.apex, k.rtype, s.data[0])))
			continue
		}
		for _, d := range s.data {
			if !slices.Contains(n.data, d) {
				owner := strings.TrimPrefix(k.owner+".", "@.") + e.apex
				gone = append(gone, parseRecord(t, fmt.Sprintf("%s 0 IN %s %s", owner, k.rtype, d)))
			}
		}
	}
	for _, text := range now[1:] {
		if _, ok := slices.BinarySearch(old[1:], text); !ok {
			come = append(come, parseRecord(t, text))
		}
	}
	m.RemoveRRset(whole)
	m.Remove(gone)
	m.Insert(come)
	if withSerial || e.soa != from.soa || len(m.Ns) == 0 {
		m.Insert([]dns.RR{parseRecord(t, e.soaText())})
	}
	return m
}

// distance returns how many records were removed and added between two contents.
func distance(from, to []string) (n int) {
	for _, side := range [][2][]string{{from, to}, {to, from}} {
		for _, r := range side[0][1:] {
			if _, ok := slices.BinarySearch(side[1][1:], r); !ok {
				n++
			}
		}
	}
	return n + 2 // the SOA
}
