package interop

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

const updateZone = "2.0.192.in-addr.arpa."

// farSerial is an SOA whose serial is as far from the zone's as can be, neither
// before nor after it (RFC 1982 §3.2). BIND says SERVFAIL; ptrd takes it for one that
// is not after the zone's and ignores it. Neither changes the zone.
const farSerial = "update add @ 1800 SOA ns1.example.com. hostmaster.example.com. 2147485648 1 2 3 4"

// updateScripts are messages in the language of nsupdate, each separate. Names are
// relative to the zone; a script is sent to zones as the ones before it left them.
var updateScripts = []string{
	// Prerequisites (RFC 2136 §2.4), each that holds and each that does not.
	"prereq yxdomain 1\nupdate add 10 60 PTR x.example.com.",
	"prereq yxdomain 11\nupdate add 11 60 PTR x.example.com.",
	"prereq yxdomain c\nupdate add 11 60 PTR x.example.com.", // an empty non-terminal is not in use
	"prereq yxdomain x.w\nupdate add 11 60 PTR x.example.com.",
	"prereq nxdomain 11\nupdate add 11 60 PTR x.example.com.",
	"prereq nxdomain 11\nupdate add 11 60 PTR y.example.com.",
	"prereq nxdomain b.c\nupdate add 12 60 PTR x.example.com.",
	"prereq yxrrset 1 PTR\nupdate add 13 60 PTR x.example.com.",
	"prereq yxrrset 1 TXT\nupdate add 14 60 PTR x.example.com.",
	"prereq yxrrset 99 TXT\nupdate add 14 60 PTR x.example.com.",
	"prereq nxrrset 1 TXT\nupdate add 14 60 PTR x.example.com.",
	"prereq nxrrset 1 PTR\nupdate add 15 60 PTR x.example.com.",
	"prereq nxrrset 98 PTR\nupdate add 15 60 PTR x.example.com.",
	"prereq yxrrset 1 PTR a.example.com.\nupdate add 16 60 PTR x.example.com.",
	"prereq yxrrset 1 PTR A.EXAMPLE.com.\nupdate add 17 60 PTR x.example.com.",
	"prereq yxrrset 1 PTR b.example.com.\nupdate add 18 60 PTR x.example.com.",
	"prereq yxrrset 2 PTR c.example.com.\nupdate add 18 60 PTR x.example.com.", // one of two
	"prereq yxrrset 2 PTR c.example.com.\nprereq yxrrset 2 PTR b.example.com.\nupdate add 19 60 PTR x.example.com.",
	"prereq yxrrset 97 PTR c.example.com.\nupdate add 20 60 PTR x.example.com.",
	"prereq nxdomain 20\nprereq yxdomain 1\nprereq nxrrset 1 TXT\nprereq yxrrset 4 A\nupdate add 20 60 PTR x.example.com.",
	"prereq yxdomain 1\nprereq nxdomain 2\nprereq yxrrset 3 PTR\nupdate add 21 60 PTR x.example.com.", // the first that fails
	"prereq yxdomain other.example.\nupdate add 21 60 PTR x.example.com.",
	"prereq nxdomain 1",                             // nothing but a prerequisite
	"prereq yxdomain 1",                             // and one that holds
	"update add out.example. 60 PTR x.example.com.", // NOTZONE
	"update delete out.example.",                    //
	"update add 22 60 PTR a.example.\nupdate add out.example. 60 PTR x.example.com.", // as a whole
	// Additions (§2.5.1, §3.4.2.2).
	"update add 2 60 PTR d.example.com.",           // the TTL of all (RFC 2181 §5.2)
	"update add 2 60 PTR d.example.com.",           // nothing new
	"update add 2 61 PTR d.example.com.",           // another TTL
	"update add 3 60 PTR beside.example.com.",      // next to a CNAME
	"update add 3 60 CNAME elsewhere.example.com.", // in its place
	"update add 4 60 CNAME elsewhere.example.com.", // next to other data
	"update add 23 60 CNAME a.example.com.\nupdate add 23 60 CNAME b.example.com.",
	"update add 24 60 PTR a.example.com.\nupdate add 24 60 CNAME b.example.com.",
	"update add 25 60 CNAME a.example.com.\nupdate add 25 60 PTR b.example.com.",
	"update delete 1 PTR\nupdate add 1 60 CNAME b.example.com.",
	"update delete 1 CNAME\nupdate add 1 60 PTR a.example.com.",
	"update add @ 3600 SOA ns1.example.com. hostmaster.example.com. 50 1 2 3 4",   // an older one
	"update add @ 1800 SOA ns1.example.com. hostmaster.example.com. 2000 1 2 3 4", // a newer one
	"update add @ 1800 SOA ns1.example.com. hostmaster.example.com. 2000 5 6 7 8", // the same serial
	farSerial,
	"update add @ 1800 SOA ns1.example.com. hostmaster.example.com. 3000 1 2 3 4\nupdate add 26 60 PTR a.example.com.",
	"update add 27 60 SOA ns1.example.com. hostmaster.example.com. 4000 1 2 3 4", // below the apex
	"update add @ 60 NS ns3.example.com.",
	"update add @ 60 TXT \"apex\"",
	"update add @ 60 CNAME a.example.com.",
	"update add sub 60 NS ns.sub\nupdate add ns.sub 60 A 192.0.2.53", // a zone cut and its glue
	"update add d 60 DNAME example.net.",
	"update add d 60 DNAME example.org.", // there is one
	"update add below.d 60 TXT \"occluded\"",
	"update add * 60 PTR wildcard.example.com.",
	"update add 28 60 DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
	"update add 28 60 TYPE65280 \\# 3 010203",
	"update add 28 0 AAAA 2001:db8::28",
	"update add 28 60 MX 10 mail.example.com.\nupdate add 28 60 SRV 1 2 3 srv.example.com.\nupdate add 28 60 HINFO a b",
	"update add 28 60 RP a.example.com. b.example.com.\nupdate add 28 60 NAPTR 1 2 \"s\" \"x\" \"\" n.example.com.",
	// Deletions (§2.5.2 to §2.5.4, §3.4.2.3 and 4).
	"update delete 2 PTR c.example.com.",
	"update delete 2 PTR C.EXAMPLE.com.",
	"update delete 2 PTR nobody.example.com.",
	"update delete 2 PTR",
	"update delete 2 PTR",
	"update delete 28 DHCID",
	"update delete 28",
	"update delete 29",
	"update delete c", // an empty non-terminal
	"update delete @ SOA",
	"update delete @ NS",
	"update delete @ NS ns3.example.com.",
	"update delete @ NS ns1.example.com.",
	"update delete @ NS ns2.example.com.", // the last one
	"update add @ 3600 NS ns1.example.com.\nupdate delete @ NS ns2.example.com.",
	"update delete @", // all but SOA and NS
	"update delete sub NS",
	"update delete w",
	"update delete 10\nupdate add 10 60 PTR again.example.com.", // in their order
	"update add 30 60 PTR a.example.com.\nupdate delete 30 PTR\nupdate add 30 60 PTR b.example.com.",
	"update add 31 60 PTR a.example.com.\nupdate delete 31",
}

// configUpdates returns what starts a server that lets all clients change and transfer
// the zone.
func configUpdates(dir string, addr netip.AddrPort, zones []setZone, server string) []string {
	switch server {
	case "bind":
		args := configBIND(dir, addr, nil)
		var b strings.Builder
		text, err := os.ReadFile(args[len(args)-1])
		if err != nil {
			panic(err)
		}
		b.Write(text)
		for _, z := range zones {
			fmt.Fprintf(&b, "zone \"%s\" { type primary; file \"%s\"; allow-update { any; }; allow-transfer { any; }; };\n", z.apex, z.file)
		}
		mustWrite(dir, "named.conf", b.String())
		return args
	default:
		var b strings.Builder
		fmt.Fprintf(&b, "listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nzones:\n", addr)
		for _, z := range zones {
			fmt.Fprintf(&b, "  - {name: %q, dynamic: {seed: %q}, update: {from: 127.0.0.0/8}, transfer: {allow: 127.0.0.0/8}}\n", z.apex, z.file)
		}
		return []string{"serve", "--config", mustWrite(dir, "ptrd.yaml", b.String())}
	}
}

func startUpdates(t *testing.T, name, program string) netip.AddrPort {
	t.Helper()
	return peer{name, program, func(dir string, addr netip.AddrPort, zones []setZone) []string {
		return configUpdates(dir, addr, zones, name)
	}}.start(t, loadSet(t, "testdata/update/seed.txtar"))
}

// TestUpdate sends every form of prerequisites and updates with nsupdate and with
// knsupdate, and in forms that neither can write, to ptrd and to BIND: the RCODE and
// then the whole zone, its serial included, are the same.
func TestUpdate(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"nsupdate", "knsupdate"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			peertest.Require(t, program)
			ours, bind := startUpdates(t, "ptrd", requireBinary(t)), startUpdates(t, "bind", "named")
			for _, script := range updateScripts {
				want, got := runScript(t, program, bind, script), runScript(t, program, ours, script)
				if got != want && !(script == farSerial && got == "NOERROR") {
					t.Errorf("%s\ngives %s, by BIND %s", script, got, want)
				}
				sameZones(t, script, ours, bind)
			}
		})
	}
	t.Run("messages", func(t *testing.T) {
		t.Parallel()
		ours, bind := startUpdates(t, "ptrd", requireBinary(t)), startUpdates(t, "bind", "named")
		for _, c := range updateMessages() {
			want, got := sendUpdate(t, bind, c.msg), sendUpdate(t, ours, c.msg)
			if c.ours != "" {
				want = c.ours
			}
			if got != want {
				t.Errorf("%s: %s, by BIND %s", c.name, got, want)
			}
			sameZones(t, c.name, ours, bind)
		}
	})
}

var updateFailed = regexp.MustCompile(`update failed(?: with error|:) '?([A-Z]+)`)

// runScript sends a script and returns the mnemonic of the RCODE.
func runScript(t *testing.T, program string, addr netip.AddrPort, script string) string {
	t.Helper()
	path := peertest.Require(t, program)
	var b strings.Builder
	fmt.Fprintf(&b, "server %s %d\nzone %s\n", addr.Addr(), addr.Port(), updateZone)
	for _, line := range strings.Split(script, "\n") {
		f := strings.SplitN(line, " ", 4)
		if f[2] == "@" {
			f[2] = updateZone
		} else if !strings.HasSuffix(f[2], ".") {
			f[2] += "." + updateZone
		}
		b.WriteString(strings.Join(f, " ") + "\n")
	}
	b.WriteString("send\n")
	cmd := exec.Command(path, "-t", "60", "-v")
	cmd.Stdin = strings.NewReader(b.String())
	out, err := cmd.CombinedOutput()
	if m := updateFailed.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", program, err, b.String(), out)
	}
	return "NOERROR"
}

// sameZones compares the two zones by transfers.
func sameZones(t *testing.T, after string, ours, bind netip.AddrPort) {
	t.Helper()
	got, want := transferred(t, ours), transferred(t, bind)
	if slices.Equal(got, want) {
		return
	}
	for _, r := range got {
		if !slices.Contains(want, r) {
			t.Errorf("after %q only ptrd has %s", after, r)
		}
	}
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("after %q only BIND has %s", after, r)
		}
	}
	t.FailNow() // all that follows would differ as well
}

// transferred returns the records of the zone, each once, as text.
func transferred(t *testing.T, addr netip.AddrPort) (list []string) {
	t.Helper()
	records, err := transferFrom(addr, updateZone, "", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		r.Header().Name = strings.ToLower(r.Header().Name)
		list = append(list, r.String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// updateMessage is a message that no tool writes.
type updateMessage struct {
	name string
	msg  *dns.Msg
	ours string // what ptrd says in place of BIND's RCODE; empty: the same
}

func sendUpdate(t *testing.T, addr netip.AddrPort, m *dns.Msg) string {
	t.Helper()
	c := dns.Client{Net: "tcp", Timeout: exchangeWait}
	r, _, err := c.Exchange(m.Copy(), addr.String())
	if err != nil {
		t.Fatalf("%v\n%v", err, m)
	}
	return dns.RcodeToString[r.Rcode]
}

// updateMessages are messages with one thing that is wrong or odd each.
func updateMessages() (list []updateMessage) {
	empty := func(owner string, typ, class uint16, ttl uint32) dns.RR {
		return &dns.ANY{Hdr: dns.RR_Header{Name: owner + updateZone, Rrtype: typ, Class: class, Ttl: ttl}}
	}
	whole := func(text string, class uint16, ttl uint32) dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		r.Header().Class, r.Header().Ttl = class, ttl
		r.Header().Name = strings.TrimSuffix(r.Header().Name, ".") + "." + updateZone
		return r
	}
	add := func(name string, prerequisite, update dns.RR) *updateMessage {
		m := new(dns.Msg)
		m.SetUpdate(updateZone)
		if prerequisite != nil {
			m.Answer = []dns.RR{prerequisite}
		}
		if update != nil {
			m.Ns = []dns.RR{update}
		}
		list = append(list, updateMessage{name: name, msg: m})
		return &list[len(list)-1]
	}
	ptr := whole("50. PTR x.example.com.", dns.ClassINET, 60)
	add("nothing", nil, nil)
	add("prerequisite with a TTL, ANY", empty("1.", dns.TypeANY, dns.ClassANY, 1), ptr)
	add("prerequisite with a TTL, NONE", empty("51.", dns.TypeANY, dns.ClassNONE, 1), ptr)
	add("prerequisite with a TTL, IN", whole("1. PTR a.example.com.", dns.ClassINET, 1), ptr)
	add("prerequisite with RDATA, ANY", whole("1. PTR a.example.com.", dns.ClassANY, 0), ptr)
	add("prerequisite with RDATA, NONE", whole("51. PTR a.example.com.", dns.ClassNONE, 0), ptr)
	add("prerequisite of class CH", whole("1. PTR a.example.com.", dns.ClassCHAOS, 0), ptr)
	add("prerequisite of an unknown type", empty("1.", 65280, dns.ClassNONE, 0), ptr)
	add("addition of class CH", nil, whole("52. PTR a.example.com.", dns.ClassCHAOS, 60))
	add("addition of type ANY", nil, empty("52.", dns.TypeANY, dns.ClassINET, 0))
	add("addition of type AXFR", nil, empty("52.", dns.TypeAXFR, dns.ClassINET, 0))
	add("deletion with a TTL, ANY", nil, empty("1.", dns.TypePTR, dns.ClassANY, 1))
	add("deletion with a TTL, name", nil, empty("1.", dns.TypeANY, dns.ClassANY, 1))
	add("deletion with a TTL, NONE", nil, whole("1. PTR a.example.com.", dns.ClassNONE, 1))
	add("deletion with RDATA, ANY", nil, whole("1. PTR a.example.com.", dns.ClassANY, 0))
	add("deletion of type AXFR", nil, empty("1.", dns.TypeAXFR, dns.ClassANY, 0))
	add("deletion of type MAILB", nil, empty("1.", dns.TypeMAILB, dns.ClassANY, 0))
	add("deletion of type ANY, NONE", nil, empty("1.", dns.TypeANY, dns.ClassNONE, 0))
	add("deletion of an unknown type", nil, empty("1.", 65280, dns.ClassANY, 0))
	add("deletion of one record", nil, whole("1. PTR a.example.com.", dns.ClassNONE, 0))
	other := func(name, zone string, typ, class uint16) {
		m := add(name, nil, ptr).msg
		m.Question = []dns.Question{{Name: zone, Qtype: typ, Qclass: class}}
	}
	other("another zone", "3.0.192.in-addr.arpa.", dns.TypeSOA, dns.ClassINET)
	other("below the apex", "1."+updateZone, dns.TypeSOA, dns.ClassINET)
	other("zone of type A", updateZone, dns.TypeA, dns.ClassINET)
	other("zone of class CH", updateZone, dns.TypeSOA, dns.ClassCHAOS)
	list[len(list)-1].ours = "NOTAUTH" // RFC 2136 §3.1.2; BIND has no views of that class
	two := add("two zones", nil, ptr).msg
	two.Question = append(two.Question, two.Question[0])
	none := add("no zone", nil, ptr).msg
	none.Question = nil
	return list
}
