package interop

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/synth"
)

// maker is a server that makes names for the addresses of ranges, with the configuration in
// testdata/synthpeers. Its ranges are made4 with inner4 within it, made6, and classless4 in a
// zone of RFC 2317.
type maker struct {
	name, title string
	program     string // empty: ptrd
	optional    bool   // CI does not have it
	version     []string
	templates   [3]string         // that make the same names, of made4, inner4 and made6
	hyphen      bool              // the names of addresses that end with :: end with a hyphen
	others      map[string]string // other ranges, and the templates for them
	cannot      map[string]string // cells of what cannot be configured, by the row
}

var (
	made4      = netip.MustParsePrefix("192.0.2.64/26")
	inner4     = netip.MustParsePrefix("192.0.2.96/28")
	made6      = netip.MustParsePrefix("2001:db8:c0:4000::/50")
	classless4 = netip.MustParsePrefix("198.51.100.128/26")
)

var makers = []maker{
	{
		name: "ptrd", title: "**ptrd**",
		templates: [3]string{"dyn-{dashed}.pool.example.net", "cust-{dashed}.cust.example.net", "dyn-{padded}.pool.example.net"},
	},
	{
		name: "knot", title: "Knot DNS", program: "knotd", version: []string{"-V"},
		templates: [3]string{"dyn-{dashed}.example.net", "cust-{dashed}.example.net", "dyn-{compressed}.example.net"},
		others:    map[string]string{"2001:db8:d0::/48": "long-{padded}.example.net"},
		cannot:    map[string]string{"permuted": "no"},
	},
	{
		name: "powerdns", title: "PowerDNS", program: "pdns_server", version: []string{"--version"},
		templates: [3]string{"dyn-{dashed}.pool.example.net", "dyn-{dashed}.pool.example.net", "{compressed}.pool6.example.net"},
		hyphen:    true,
		others: map[string]string{
			"10.0.1.0/24": "h{hex}.example.net", "10.0.2.0/24": "{dotted}.example.net", "10.0.3.0/24": "{dashed:3-4}.example.net",
			"10.0.4.0/24": "{dashed:4}.{dashed:3}.example.net", "2001:db8:d0::/44": "long-{padded}.example.net",
		},
		cannot: map[string]string{"nested": "no", "permuted": "no"},
	},
	{
		name: "coredns", title: "CoreDNS", program: "coredns", optional: true, version: []string{"-version"},
		templates: [3]string{"dyn-{dashed}.pool.example.net", "cust-{dashed}.cust.example.net", "dyn-{padded}.pool.example.net"},
		cannot:    map[string]string{"permuted": "no"},
	},
	{
		name: "dnsmasq", title: "dnsmasq", program: "dnsmasq", version: []string{"--version"},
		templates: [3]string{"dyn-{dashed}.pool.example.net", "cust-{dashed}.cust.example.net", "dyn-{compressed}.pool.example.net"},
		hyphen:    true,
		others:    map[string]string{"192.0.2.192/27": "seq-{decimal}.example.net", "2001:db8:d0::/64": "seq6-{decimal}.example.net"},
		cannot:    map[string]string{"rrset": "has only PTR", "cut": "no", "permuted": "no", "signed": "no"},
	},
}

// names makes the names of a range with a template.
func names(t testing.TB, template string, p netip.Prefix) func(netip.Addr) string {
	form, err := synth.New(template, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(a netip.Addr) string { return dname.Name(form.Append(nil, a)).String() }
}

// start runs the server with its files and those of zones.txtar, and returns its address.
func (m *maker) start(t *testing.T) netip.AddrPort {
	t.Helper()
	program := ""
	if path, ok := peertest.Find(m.program); m.program == "" {
		program = requireBinary(t)
	} else if m.optional && !ok {
		peertest.Optional(t, m.program+" is not in PATH, and Debian does not have it")
	} else if program = path; !m.optional {
		program = peertest.Require(t, m.program)
	}
	dir, addr := t.TempDir(), freePort(t)
	nested := m.nameOf(t)
	values := strings.NewReplacer("$DIR", dir, "$HOST", addr.Addr().String(), "$PORT", fmt.Sprint(addr.Port()), "$ADDR", addr.String(),
		"$NAME68", nested(netip.MustParseAddr("192.0.2.68")), "$NAME70", nested(netip.MustParseAddr("192.0.2.70")))
	files := map[string]string{}
	for _, archive := range []string{"zones", m.name} {
		b, err := os.ReadFile("testdata/synthpeers/" + archive + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(b).Files {
			files[f.Name] += values.Replace(string(f.Data))
		}
	}
	for name, text := range files {
		mustWrite(dir, name, text)
	}
	if prepare := files["prepare"]; prepare != "" {
		cmd := exec.Command("sh", "-ec", prepare)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", prepare, err, out)
		}
	}
	c := startProcess(t, dir, program, strings.Fields(files["args"])...)
	if !awaitZones(addr, []string{"2.0.192.in-addr.arpa.", "example.net."}, c.ended) {
		requireRunning(t, c)
		t.Fatalf("%s does not answer:\n%s", m.name, c.log())
	}
	t.Cleanup(func() {
		if t.Failed() || testing.Verbose() {
			t.Log(c.log())
		}
	})
	return addr
}

// nameOf returns the name of an address in any of the ranges.
func (m *maker) nameOf(t testing.TB) func(netip.Addr) string {
	outer, inner, six := names(t, m.templates[0], netip.MustParsePrefix("0.0.0.0/0")), names(t, m.templates[1], inner4), names(t, m.templates[2], netip.MustParsePrefix("::/0"))
	return func(a netip.Addr) string {
		switch {
		case inner4.Contains(a):
			return inner(a)
		case a.Is6():
			name := six(a)
			if m.hyphen {
				name = strings.Replace(name, "--0.", "--.", 1)
			}
			return name
		}
		return outer(a)
	}
}

// probing asks a server.
type probing struct {
	t      *testing.T
	client *client
	nameOf func(netip.Addr) string
	id     uint16

	// over all answers
	made, withoutAA, denied, withoutSOA int

	tried int
	wrong []string
}

func (p *probing) ask(q question, w way) *reply {
	p.id++
	r, err := ask(p.client, q, p.id, w)
	if err != nil {
		p.t.Log(err)
		return &reply{fault: "malformed response"}
	}
	return r
}

// seen returns what a reply is, in words.
func seen(r *reply, q question) string {
	switch {
	case r.silent:
		return "no answer"
	case r.fault != "":
		return r.fault
	case r.rcode != dns.RcodeSuccess:
		return dns.RcodeToString[r.rcode]
	case r.kind() == kindReferral:
		return "referral"
	}
	var data []string
	for _, s := range r.answer {
		if s.rtype == q.qtype {
			for _, d := range s.data {
				_, rdata, _ := strings.Cut(d, " ")
				data = append(data, rdata)
			}
		}
	}
	if data == nil {
		return "NODATA"
	}
	return typeString(q.qtype) + " " + strings.Join(data, ", ")
}

// want asks, and records what is not as wanted.
func (p *probing) want(name string, qtype uint16, want string) string {
	q := question{name, qtype}
	r := p.ask(q, way{})
	got := seen(r, q)
	switch kind := r.kind(); {
	case kind == kindData && want == got:
		p.made++
		if !r.aa {
			p.withoutAA++
		}
	case got == "NXDOMAIN", got == "NODATA":
		p.denied++
		if !r.hasAuthority(dns.TypeSOA) {
			p.withoutSOA++
		}
	}
	p.tried++
	if got != want {
		p.t.Logf("%v: %s, want %s", q, got, want)
		switch {
		case !strings.HasPrefix(got, typeString(qtype)+" "):
		case qtype == dns.TypePTR:
			got = "a name"
		case want == "NXDOMAIN":
			got = "an address"
		default:
			got = "another address"
		}
		p.wrong = append(p.wrong, got)
	}
	return got
}

// cell returns what the table has of the queries since the last call.
func (p *probing) cell() string {
	slices.Sort(p.wrong)
	seen := strings.Join(slices.Compact(slices.Clone(p.wrong)), ", ")
	tried, wrong := p.tried, len(p.wrong)
	p.tried, p.wrong = 0, nil
	switch wrong {
	case 0:
		return "yes"
	case tried:
		return "no: " + seen
	}
	return fmt.Sprintf("%d of %d: %s", tried-wrong, tried, seen)
}

func arpa(t testing.TB, a netip.Addr) string {
	name, err := dns.ReverseAddr(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func (p *probing) addressType(a netip.Addr) (uint16, string) {
	if a.Is4() {
		return dns.TypeA, "A " + a.String()
	}
	return dns.TypeAAAA, "AAAA " + a.String()
}

// inRange returns addresses of a range: its first and last, and random ones.
func inRange(p netip.Prefix, random int) []netip.Addr {
	r := rand.New(rand.NewPCG(1, uint64(p.Bits())))
	var list []netip.Addr
	for i := range random + 2 {
		b := p.Addr().AsSlice()
		for j := range b {
			host := byte(0xff) >> min(max(p.Bits()-8*j, 0), 8)
			switch i {
			case 0:
			case 1:
				b[j] |= host
			default:
				b[j] |= byte(r.Uint32()) & host
			}
		}
		a, _ := netip.AddrFromSlice(b)
		list = append(list, a)
	}
	return list
}

// writtenDown are addresses of made4 with records of their own, at the address or at its name.
var writtenDown = []netip.Addr{netip.MustParseAddr("192.0.2.65"), netip.MustParseAddr("192.0.2.66"), netip.MustParseAddr("192.0.2.68")}

const wild6 = "4.0.c.0.0.8.b.d.0.1.0.0.2.ip6.arpa."

// synthRows are the lines of the table.
var synthRows = []struct {
	id, text string
	probe    func(p *probing)
}{
	{"made4", "IPv4: each address of the range has its name", func(p *probing) {
		for _, a := range append(inRange(made4, 20), inRange(inner4, 0)...) {
			if !inner4.Contains(a) && !slices.Contains(writtenDown, a) {
				p.want(arpa(p.t, a), dns.TypePTR, "PTR "+p.nameOf(a))
			}
		}
	}},
	{"made6", "IPv6: each address of the range has its name", func(p *probing) {
		for _, a := range inRange(made6, 30) {
			p.want(arpa(p.t, a), dns.TypePTR, "PTR "+p.nameOf(a))
		}
	}},
	{"back", "the name has this address", func(p *probing) {
		for _, a := range append(inRange(made4, 20), inRange(made6, 30)...) {
			if !slices.Contains(writtenDown, a) && !inner4.Contains(a) {
				qtype, want := p.addressType(a)
				p.want(p.nameOf(a), qtype, want)
			}
		}
	}},
	{"aa", "these answers are authoritative", nil},
	{"nested", "a range within the range has names of its own", func(p *probing) {
		for _, a := range inRange(inner4, 5) {
			p.want(arpa(p.t, a), dns.TypePTR, "PTR "+p.nameOf(a))
			p.want(p.nameOf(a), dns.TypeA, "A "+a.String())
		}
	}},
	{"classless", "a range in a classless zone (RFC 2317)", func(p *probing) {
		for _, a := range inRange(classless4, 5) {
			p.want(strings.Replace(arpa(p.t, a), ".100", ".128-191.100", 1), dns.TypePTR, "PTR "+p.nameOf(a))
		}
	}},
	{"outside4", "IPv4: addresses next to the range have no name", func(p *probing) {
		for _, a := range []string{"192.0.2.63", "192.0.2.128", "192.0.2.0", "192.0.2.255"} {
			p.want(arpa(p.t, netip.MustParseAddr(a)), dns.TypePTR, "NXDOMAIN")
		}
	}},
	{"outside6", "IPv6: addresses next to the range have no name", func(p *probing) {
		for _, a := range []string{"2001:db8:c0:3fff:ffff:ffff:ffff:ffff", "2001:db8:c0:8000::", "2001:db8:c1:4000::"} {
			p.want(arpa(p.t, netip.MustParseAddr(a)), dns.TypePTR, "NXDOMAIN")
		}
	}},
	{"names-outside", "names of addresses outside of the range do not exist", func(p *probing) {
		for _, text := range []string{"192.0.2.63", "192.0.2.128", "198.51.100.1", "2001:db8:c0:3fff:ffff:ffff:ffff:ffff", "2001:db8:c0:8000::"} {
			a := netip.MustParseAddr(text)
			qtype, _ := p.addressType(a)
			p.want(p.nameOf(a), qtype, "NXDOMAIN")
		}
	}},
	{"forms", "an address has one name: other forms of it do not exist", func(p *probing) {
		a := netip.MustParseAddr("192.0.2.70")
		p.want(strings.Replace(p.nameOf(a), "2-70", "2-070", 1), dns.TypeA, "NXDOMAIN")
		p.want(strings.Replace(p.nameOf(a), "0-2-70", "0-02-70", 1), dns.TypeA, "NXDOMAIN")
		six := netip.MustParseAddr("2001:db8:c0:4000::7")
		name := p.nameOf(six)
		for _, text := range []string{six.String(), six.StringExpanded(), "2001:db8:c0:4000:0:0:0:7"} {
			_, rest, _ := strings.Cut(name, ".")
			if other := strings.Repeat("dyn-", strings.Count(name, "dyn-")) + strings.ReplaceAll(text, ":", "-") + "." + rest; other != name {
				p.want(other, dns.TypeAAAA, "NXDOMAIN")
			}
		}
	}},
	{"nonsense", "what is no address has no name", func(p *probing) {
		a := netip.MustParseAddr("192.0.2.70")
		for _, q := range []question{
			{"x." + arpa(p.t, a), dns.TypePTR}, {"0" + arpa(p.t, a), dns.TypePTR}, {"x.2.0.192.in-addr.arpa.", dns.TypePTR},
			{"0." + arpa(p.t, netip.MustParseAddr("2001:db8:c0:4000::7")), dns.TypePTR}, {"g." + wild6, dns.TypePTR},
			{"x." + p.nameOf(a), dns.TypeA}, {strings.Replace(p.nameOf(a), "70", "300", 1), dns.TypeA},
		} {
			p.want(q.name, q.qtype, "NXDOMAIN")
		}
	}},
	{"case", "upper case makes no difference", func(p *probing) {
		for _, text := range []string{"192.0.2.70", "2001:db8:c0:4abc:def::7"} {
			a := netip.MustParseAddr(text)
			p.want(strings.ToUpper(arpa(p.t, a)), dns.TypePTR, "PTR "+p.nameOf(a))
			qtype, want := p.addressType(a)
			p.want(strings.ToUpper(p.nameOf(a)), qtype, want)
		}
	}},
	{"above", "names above the range exist without records (RFC 8020)", func(p *probing) {
		for _, n := range []string{"0.8.b.d.0.1.0.0.2.ip6.arpa.", "c.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "0.c.0.0.8.b.d.0.1.0.0.2.ip6.arpa."} {
			p.want(n, dns.TypeA, "NODATA")
			p.want(n, dns.TypePTR, "NODATA")
		}
	}},
	{"inside", "so do those within it", func(p *probing) {
		for _, n := range []string{"7.0.c.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "a.b.c." + wild6, "f.e.d.c.b.a.9.8.7.6.5." + wild6} {
			p.want(n, dns.TypeA, "NODATA")
			p.want(n, dns.TypePTR, "NODATA")
		}
	}},
	{"domain", "so does the domain that all the names are in", func(p *probing) {
		for _, a := range []string{"192.0.2.70", "2001:db8:c0:4000::7"} {
			_, domain, _ := strings.Cut(p.nameOf(netip.MustParseAddr(a)), ".")
			p.want(domain, dns.TypeTXT, "NODATA")
		}
	}},
	{"types", "other types at a made name: no data", func(p *probing) {
		for _, text := range []string{"192.0.2.70", "2001:db8:c0:4000::7"} {
			a := netip.MustParseAddr(text)
			p.want(arpa(p.t, a), dns.TypeTXT, "NODATA")
			p.want(arpa(p.t, a), dns.TypeA, "NODATA")
			p.want(p.nameOf(a), dns.TypeMX, "NODATA")
		}
		p.want(p.nameOf(netip.MustParseAddr("192.0.2.70")), dns.TypeAAAA, "NODATA")
	}},
	{"soa", "negative answers have the SOA record (RFC 2308)", nil},
	{"static", "a PTR record of the zone takes precedence", func(p *probing) {
		p.want(arpa(p.t, writtenDown[0]), dns.TypePTR, "PTR static.example.net.")
		p.want(arpa(p.t, netip.MustParseAddr("2001:db8:c0:4800::1")), dns.TypePTR, "PTR static.example.net.")
	}},
	{"neighbour", "the address after it has its name still", func(p *probing) {
		for _, text := range []string{"2001:db8:c0:4800::2", "2001:db8:c0:4800::1:1"} {
			a := netip.MustParseAddr(text)
			p.want(arpa(p.t, a), dns.TypePTR, "PTR "+p.nameOf(a))
		}
	}},
	{"rrset", "next to a record of another type, the name is made", func(p *probing) {
		p.want(arpa(p.t, writtenDown[1]), dns.TypePTR, "PTR "+p.nameOf(writtenDown[1]))
		p.want(arpa(p.t, writtenDown[1]), dns.TypeTXT, "TXT \"no ptr here\"")
	}},
	{"address", "an address record of the zone takes precedence", func(p *probing) {
		p.want(p.nameOf(writtenDown[2]), dns.TypeA, "A 192.0.2.10")
	}},
	{"cut", "a delegation within the range takes precedence", func(p *probing) {
		for _, text := range []string{"2001:db8:c0:4500::", "2001:db8:c0:4500::7", "2001:db8:c0:45ff:1:2:3:4"} {
			want := "referral"
			if strings.HasPrefix(text, "2001:db8:c0:45ff") {
				a := netip.MustParseAddr(text)
				want = "PTR " + p.nameOf(a)
			}
			p.want(arpa(p.t, netip.MustParseAddr(text)), dns.TypePTR, want)
		}
	}},
	{"alias", "an alias of a made name is followed", func(p *probing) {
		p.want("alias.example.net.", dns.TypeA, "A 192.0.2.70")
	}},
	{"permuted", "names from which the address cannot be read lead back to it", func(p *probing) {
		a := netip.MustParseAddr("203.0.113.70")
		q := question{arpa(p.t, a), dns.TypePTR}
		name := strings.TrimPrefix(seen(p.ask(q, way{}), q), "PTR ")
		if strings.Contains(name, "70") {
			p.t.Errorf("the permuted name %s", name)
		}
		p.want(name, dns.TypeA, "A "+a.String())
	}},
	{"transfer", "a secondary of other software has the names", func(p *probing) { p.transfer() }},
	{"signed", "names are signed as they are made (DNSSEC)", func(p *probing) {
		q := question{"70.113.0.203.in-addr.arpa.", dns.TypePTR}
		r := p.ask(q, way{tcp: true, size: 4096, do: true})
		p.tried++
		if !slices.ContainsFunc(r.answer, func(s rrset) bool { return s.rtype == dns.TypePTR && len(s.data) == 1 && len(s.sigs) > 0 }) {
			p.t.Logf("%v: %v", q, r)
			p.wrong = append(p.wrong, "unsigned")
		}
	}},
}

// transfer counts the names in a transfer of the zone.
func (p *probing) transfer() {
	m := new(dns.Msg)
	m.SetAxfr("2.0.192.in-addr.arpa.")
	records, err := new(dns.Transfer).In(m, p.client.addr.String())
	if err != nil {
		p.t.Fatal(err)
	}
	made, rules := 0, 0
	for e := range records {
		if e.Error != nil {
			p.t.Logf("transfer: %v", e.Error)
		}
		for _, r := range e.RR {
			switch r.Header().Rrtype {
			case dns.TypePTR:
				made++
			case dns.TypeSOA, dns.TypeNS, dns.TypeTXT:
			default:
				rules++
			}
		}
	}
	p.tried++
	switch {
	case made > 60:
	case rules > 0:
		p.wrong = append(p.wrong, "the rules")
	default:
		p.wrong = append(p.wrong, "nothing")
	}
}

// column returns the cells of a server, and its version.
func (m *maker) column(t *testing.T) (cells []string, version string) {
	addr := m.start(t)
	if m.version != nil {
		path, _ := peertest.Find(m.program)
		out, _ := exec.Command(path, m.version...).CombinedOutput()
		version = versionNumber.FindString(string(out))
	}
	p := &probing{t: t, client: newClient(addr), nameOf: m.nameOf(t)}
	defer p.client.close()
	for _, row := range synthRows {
		cell := m.cannot[row.id]
		if cell == "" && row.probe != nil {
			row.probe(p)
			cell = p.cell()
		}
		cells = append(cells, cell)
	}
	for i, row := range synthRows {
		switch row.id {
		case "aa":
			p.tried, p.wrong = p.made, slices.Repeat([]string{"without AA"}, p.withoutAA)
		case "soa":
			p.tried, p.wrong = p.denied, slices.Repeat([]string{"without SOA"}, p.withoutSOA)
		default:
			continue
		}
		cells[i] = p.cell()
	}
	// What the manual of ptrd says is the same.
	for text, template := range m.others {
		prefix := netip.MustParsePrefix(text)
		nameOf := names(t, template, prefix)
		for _, a := range inRange(prefix, 10) {
			q := question{arpa(t, a), dns.TypePTR}
			if got, want := seen(p.ask(q, way{}), q), "PTR "+nameOf(a); got != want {
				t.Errorf("%v: %s, and the template %s makes %s", q, got, template, want)
			}
		}
	}
	return cells, version
}

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

const synthDoc = "../../docs/synthesis-compared.md"

// TestSynthPeers holds the table of docs/synthesis-compared.md against what the servers send. The
// columns of servers that are not here are left as they are.
func TestSynthPeers(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(synthDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), "<!-- table -->\n")
	table, after, ok := strings.Cut(rest, "<!-- end -->\n")
	if !ok {
		t.Fatalf("%s has no table", synthDoc)
	}
	var cells [][]string // of the document: rows, and their columns with the text in front
	for line := range strings.Lines(table) {
		var row []string
		for _, c := range strings.Split(strings.Trim(line, "|\n"), "|") {
			row = append(row, strings.TrimSpace(c))
		}
		cells = append(cells, row)
	}
	const head = 2 // lines
	at := func(row, column int) string {
		if row < len(cells) && column < len(cells[row]) {
			return cells[row][column]
		}
		return ""
	}
	lines := []string{"|", "| ---"}
	for _, row := range synthRows {
		lines = append(lines, "| "+row.text)
	}
	var mu sync.Mutex
	columns, versions := map[string][]string{}, map[string]string{}
	t.Run("servers", func(t *testing.T) {
		for i := range makers {
			m := &makers[i]
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				column, version := m.column(t)
				mu.Lock()
				defer mu.Unlock()
				columns[m.name], versions[m.name] = column, version
			})
		}
	})
	for i, m := range makers {
		title := at(0, i+1)
		if columns[m.name] != nil {
			title = strings.TrimSpace(m.title + " " + versions[m.name])
		}
		lines[0], lines[1] = lines[0]+" | "+title, lines[1]+" | ---"
		for r := range synthRows {
			cell := at(head+r, i+1)
			if columns[m.name] != nil {
				if got := columns[m.name][r]; got != cell && !*update {
					t.Errorf("%s (version %s): %s: %q, and in %s %q; go test ./internal/interop -run %s -update writes it", m.name, versions[m.name], synthRows[r].text, got, synthDoc, cell, t.Name())
				} else {
					cell = got
				}
			}
			lines[head+r] += " | " + cell
		}
	}
	if !*update {
		return
	}
	doc := before + "<!-- table -->\n" + strings.Join(lines, " |\n") + " |\n<!-- end -->\n" + after
	if err := os.WriteFile(synthDoc, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSynthGenerate compares templates with what BIND makes of $GENERATE. Those of the other
// servers are compared in TestSynthPeers.
func TestSynthGenerate(t *testing.T) {
	t.Parallel()
	program := peertest.Require(t, "named-compilezone")
	doc, err := os.ReadFile("../../docs/synthesis.md")
	if err != nil {
		t.Fatal(err)
	}
	for line, template := range map[string]string{
		"$GENERATE 64-127 $ PTR dhcp-$.example.net.":        "dhcp-{dashed:4}.example.net",
		"$GENERATE 64-127 $ PTR dhcp-${0,3,d}.example.net.": "dhcp-{padded:4}.example.net",
		"$GENERATE 64-127 $ PTR dhcp-${0,2,x}.example.net.": "dhcp-{hex:4}.example.net",
	} {
		if row := fmt.Sprintf("`%s` | `%s` |", line, template); !strings.Contains(string(doc), row) {
			t.Errorf("docs/synthesis.md does not have %s", row)
		}
		zone := mustWrite(t.TempDir(), "zone", "$TTL 1h\n@ SOA a b 1 1 1 1 1\n@ NS ns.example.net.\n"+line+"\n")
		out, err := exec.Command(program, "-q", "-o", "-", "2.0.192.in-addr.arpa", zone).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		theirs := map[string]string{}
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) == 5 && f[3] == "PTR" {
				theirs[f[0]] = f[4]
			}
		}
		nameOf := names(t, template, made4)
		count := 0
		for a := made4.Addr(); made4.Contains(a); a = a.Next() {
			count++
			if got, want := theirs[arpa(t, a)], nameOf(a); got != want {
				t.Errorf("%s: %s has %s, %s makes %s", line, a, got, template, want)
			}
		}
		if len(theirs) != count {
			t.Errorf("%s: %d names, want %d", line, len(theirs), count)
		}
	}
	for _, m := range makers {
		for _, template := range m.others {
			if _, field, _ := strings.Cut(template, "{"); !strings.Contains(string(doc), "{"+field) {
				t.Errorf("docs/synthesis.md does not have {%s of %s", field, m.name)
			}
		}
	}
}
