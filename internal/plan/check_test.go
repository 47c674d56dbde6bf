package plan

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// sound is a parent zone without gaps: parts in each way, addresses that stay, and a child below.
const sound = `$TTL 600
@ SOA ns.isp.example. hostmaster.isp.example. 1 3600 600 86400 300
@ NS ns.isp.example.
@ NS ns2.isp.example.
0/26 NS ns1.a.example.
0/26 NS ns2.a.example.
$GENERATE 0-63 $ CNAME $.0/26
64-127 NS ns.64-127
ns.64-127 A 203.0.113.65
$GENERATE 64-127 $ CNAME $.64-127
lab NS ns.lab.example.
$GENERATE 128-135 $ CNAME $.lab
136 NS ns.single.example.
137 CNAME host.elsewhere.example.
144-159 DNAME rev.e.example.
$GENERATE 144-159 $ CNAME $.144-159
200 PTR gw.isp.example.
201 CNAME 200
224-231 NS ns1.h.example.
$GENERATE 225-230 $ CNAME $.224-231
_udp NS ns.sd.example.
`

func check(apex, parent string, children ...string) string {
	var list []*Content
	for _, c := range children {
		name, text, _ := strings.Cut(c, "\n")
		list = append(list, ReadText(dname.MustParse(name), "child", []byte(text)))
	}
	var b strings.Builder
	for _, f := range Check(ReadText(dname.MustParse(apex), "parent", []byte(parent)), list) {
		b.WriteString(f.Report() + " [" + f.Rule + "]\n")
	}
	return b.String()
}

const (
	net113 = "113.0.203.in-addr.arpa."
	childA = "0/26." + net113 + "\n$TTL 600\n@ SOA ns1.a.example. h.a.example. 1 3600 600 86400 300\n@ NS ns1.a.example.\n@ NS ns2.a.example.\n"
	childB = "64-127." + net113 + "\n$TTL 600\n@ SOA ns h.b.example. 1 3600 600 86400 300\n@ NS ns\nns A 203.0.113.65\n"
)

func TestCheckSound(t *testing.T) {
	for name, children := range map[string][]string{
		"alone":    nil,
		"children": {childA + "1 PTR one.a.example.\n63 PTR last.a.example.\n", childB + "64 PTR b.example.\n"},
	} {
		if got := check(net113, sound, children...); got != "" {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

var update = flag.Bool("update", false, "rewrite testdata")

// gaps are changes of the sound zone, one gap each.
var gaps = []struct {
	name     string
	old, new string   // in the sound zone
	children []string // at hand
	rules    string   // of all findings, in their order
}{
	{"no CNAMEs", "$GENERATE 64-127 $ CNAME $.64-127\n", "", nil, "addresses-unreachable"},
	{"CNAMEs end early", "$GENERATE 64-127 $ CNAME", "$GENERATE 64-126 $ CNAME", nil, "addresses-unreachable"},
	{"CNAMEs start late", "$GENERATE 64-127 $ CNAME", "$GENERATE 65-127 $ CNAME", nil, "addresses-unreachable"},
	{"hole in CNAMEs", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-90 $ CNAME $.64-127\n$GENERATE 92-127 $ CNAME $.64-127\n", nil, "addresses-unreachable"},
	{"ends left out, but in use", "", "", []string{"224-231." + net113 + "\n@ 60 SOA ns1.h.example. h.h.example. 1 3600 600 86400 300\n@ 60 NS ns1.h.example.\n231 60 PTR b.h.example.\n"}, "addresses-unreachable"},
	{"DNAME without CNAMEs", "$GENERATE 144-159 $ CNAME $.144-159\n", "", nil, "addresses-unreachable"},
	{"no NS", "0/26 NS ns1.a.example.\n0/26 NS ns2.a.example.\n", "", nil, "alias-not-delegated"},
	{"no NS, child at hand", "0/26 NS ns1.a.example.\n0/26 NS ns2.a.example.\n", "", []string{childA + "1 PTR a.example.\n"}, "alias-not-delegated"},
	{"no NS, child on the same server", "0/26 NS ns1.a.example.\n0/26 NS ns2.a.example.\n", "", []string{childA + "@ NS ns.isp.example.\n1 PTR a.example.\n"}, "alias-not-delegated"},
	{"CNAMEs in another style", "$ CNAME $.0/26", "$ CNAME $.0-63", nil, "alias-not-delegated"},
	{"label misspelt", "lab NS ns.lab", "lap NS ns.lab", nil, "alias-not-delegated"},
	{"one CNAME misspelt", "201 CNAME 200", "201 CNAME 20O", nil, "alias-not-delegated"},
	{"ranges overlap", "64-127 NS ns.64-127\n", "64-127 NS ns.64-127\n32-95 NS ns.x.example.\n", nil, "delegation-unused"},
	{"ranges overlap, both in use", "$GENERATE 0-63 $ CNAME $.0/26", "32/27 NS ns.x.example.\n$GENERATE 0-31 $ CNAME $.0/26\n$GENERATE 32-63 $ CNAME $.32/27", nil, "delegations-overlap"},
	{"delegated twice", "0/26 NS ns2.a.example.\n", "0/26 NS ns2.a.example.\n0-63 NS ns2.a.example.\n", nil, "delegation-unused"},
	{"free label without CNAMEs", "lab NS", "spare NS ns.spare.example.\nlab NS", nil, "delegation-unused"},
	{"PTR next to CNAME", "200 PTR", "70 PTR old.example.\n71 PTR old.example.\n200 PTR", nil, "ptr-next-to-cname"},
	{"PTR in place of CNAME", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-125 $ CNAME $.64-127\n126 PTR old.example.\n127 PTR old.example.\n", nil, "ptr-in-parent"},
	{"PTR below the cut", "200 PTR", "70.64-127 PTR b.example.\n200 PTR", nil, "occluded"},
	{"PTR below an address that is delegated", "136 NS", "x.136 PTR b.example.\n136 NS", nil, "occluded"},
	{"CNAME and NS at an address", "136 NS", "136 CNAME 136.lab\n136 NS", nil, "cname-and-other-data"},
	{"two CNAMEs", "$GENERATE 128-135", "127 CNAME 127.lab\n$GENERATE 128-135", nil, "several-cnames"},
	{"data below a DNAME", "200 PTR", "150.144-159 PTR e.example.\n200 PTR", nil, "occluded"},
	{"DNAME and NS", "144-159 DNAME", "144-159 NS ns.e.example.\n144-159 DNAME", nil, "dname-and-ns"},
	{"DNAME at an address", "200 PTR gw.isp.example.", "202 DNAME x.example.\n200 PTR gw.isp.example.", nil, "dname-at-address"},
	{"DNAME to itself", "144-159 DNAME rev.e.example.", "144-159 DNAME rev.144-159", nil, "alias-loop"},
	{"no glue", "ns.64-127 A 203.0.113.65\n", "", nil, "ns-without-address"},
	{"server is an alias", "lab NS ns.lab.example.", "lab NS ns9\nns9 CNAME ns.lab.example.", nil, "ns-is-alias"},
	{"server without dot", "lab NS ns.lab.example.", "lab NS ns.lab.example", nil, "missing-dot"},
	{"server is an address", "lab NS ns.lab.example.", "lab NS 192.0.2.53.", nil, "address-as-target"},
	{"target without dot", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-126 $ CNAME $.64-127\n127 CNAME 127.64-127.113.0.203.in-addr.arpa\n", nil, "missing-dot"},
	{"octets in normal order", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-126 $ CNAME $.64-127\n127 CNAME 127.64-127.203.0.113.in-addr.arpa.\n", nil, "octets-in-normal-order"},
	{"range reversed", "64-127 NS ns.64-127\n", "127-64 NS ns.64-127\n", nil, "range-label"},
	{"host bits in label", "0/26 NS ns1", "1/26 NS ns1.a.example.\n0/26 NS ns1", nil, "range-label"},
	{"range ends at 256", "200 PTR", "240-256 NS ns.x.example.\n200 PTR", nil, "range-label"},
	{"CNAME of another part", "200 PTR gw.isp.example.", "200 CNAME 200.64-127", nil, "alias-of-other-part"},
	{"CNAME of another address", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-126 $ CNAME $.64-127\n127 CNAME 126.64-127\n", nil, "alias-of-other-address"},
	{"two addresses, one target", "$GENERATE 128-135 $ CNAME $.lab", "$GENERATE 128-133 $ CNAME $.lab\n134 CNAME x.lab\n135 CNAME x.lab", nil, "alias-shared"},
	{"CNAMEs in a circle", "200 PTR gw.isp.example.", "200 CNAME 201", nil, "alias-loop alias-loop"},
	{"CNAME out of the part", "$GENERATE 64-127 $ CNAME $.64-127\n", "$GENERATE 64-126 $ CNAME $.64-127\n127 CNAME host.example.\n", nil, "alias-elsewhere"},
	{"DS without NS", "200 PTR", "x DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A\n200 PTR", nil, "ds-without-ns"},
	{"child with other servers", "", "", []string{strings.Replace(childA, "@ NS ns2", "@ NS ns3", 1)}, "other-servers"},
	{"child with another address", "", "", []string{strings.Replace(childB, "203.0.113.65", "203.0.113.66", 1)}, "glue-differs"},
	{"child counts from 1", "", "", []string{childB + "1 PTR b.example.\n"}, "child-names-differ"},
	{"child has another address too", "", "", []string{childB + "64 PTR b.example.\n1 PTR b.example.\n"}, "child-name-unreachable"},
	{"CNAMEs of hosts, child lacks one", "$GENERATE 64-127 $ CNAME $.64-127\n", "70 CNAME 70.64-127\n71 CNAME 71.64-127\n", []string{childB + "70 PTR b.example.\n"}, "addresses-unreachable child-name-missing"},
	{"child that is not delegated", "", "", []string{strings.ReplaceAll(childA, "0/26", "240/28")}, "child-not-delegated"},
	{"target without dot, in the zone of hosts", "200 PTR gw.isp.example.", "200 CNAME gw.isp.example", nil, "alias-not-delegated"},
	{"syntax", "200 PTR gw.isp.example.", "200 PTR", nil, "missing-field alias-not-delegated"},
}

const soa = "$TTL 600\n@ SOA ns.isp.example. hostmaster.isp.example. 1 3600 600 86400 300\n@ NS ns.isp.example.\n"

// others are gaps in zones of other prefixes, and zones without any.
var others = []struct {
	name, apex, zone, rules string
}{
	{"one zone of a /20 is missing", "0.203.in-addr.arpa.", "$GENERATE 16-22 $ NS ns.a.example.\n$GENERATE 24-31 $ NS ns.a.example.\n", "delegation-missing"},
	{"a whole /20", "0.203.in-addr.arpa.", "$GENERATE 16-31 $ NS ns.a.example.\n", ""},
	{"three zones of other prefixes", "0.203.in-addr.arpa.", "1 NS ns.a.example.\n5 NS ns.a.example.\n9 NS ns.a.example.\n", ""},
	{"one nibble is missing", "8.b.d.0.1.0.0.2.ip6.arpa.", "4 NS ns.a.example.\n5 NS ns.a.example.\n7 NS ns.a.example.\n", "delegation-missing"},
	{"a part below a zone that is delegated", "0.203.in-addr.arpa.", "113 NS ns.a.example.\n64-127.113 NS ns.b.example.\n", "occluded"},
	{"a part in a larger zone", "0.203.in-addr.arpa.", "64-127.113 NS ns.b.example.\n$GENERATE 64-126 $.113 CNAME $.64-127.113\n", "addresses-unreachable"},
	{"a part of a classless zone", "64-127.113.0.203.in-addr.arpa.", "64/28 NS ns.b.example.\n$GENERATE 64-78 $ CNAME $.64/28\n80 PTR a.example.\n", "addresses-unreachable"},
	{"a range that is no prefix", "113.0.203.in-addr.arpa.", "65-126 NS ns.b.example.\n$GENERATE 65-126 $ CNAME $.65-126\n", ""},
	{"a label that may be a range or a length", "113.0.203.in-addr.arpa.", "24-31 NS ns.b.example.\n24 CNAME 24.24-31\n25 CNAME 25.24-31\n28-31 NS ns.c.example.\n$GENERATE 28-31 $ CNAME $.28-31\n", ""},
	{"another numbering", "113.0.203.in-addr.arpa.", "64-67 NS ns.b.example.\n64 CNAME 0.64-67\n65 CNAME 1.64-67\n66 CNAME 2.64-67\n67 CNAME 3.64-67\n", ""},
	{"targets in the same zone", "113.0.203.in-addr.arpa.", "$GENERATE 0-7 $ CNAME $.0/29\n$GENERATE 0-7 $.0/29 PTR h$.example.\n", ""},
	{"a wildcard", "113.0.203.in-addr.arpa.", "* PTR unknown.example.\n0/29 NS ns.b.example.\n1 CNAME 1.0/29\n", ""},
	{"targets elsewhere", "113.0.203.in-addr.arpa.", "$GENERATE 0-7 $ CNAME $.rev.customer.example.\n", ""},
	{"addresses on their own", "113.0.203.in-addr.arpa.", "$GENERATE 0-7 $ NS ns.customer.example.\n", ""},
	{"an address on its own in a part", "113.0.203.in-addr.arpa.", "0-7 NS ns.b.example.\n3 NS ns.c.example.\n$GENERATE 0-2 $ CNAME $.0-7\n$GENERATE 4-7 $ CNAME $.0-7\n", ""},
	{"no reverse zone", "example.com.", "a NS ns.b.example.\n64-127 NS ns.b.example.\nwww CNAME a\n", ""},
}

// TestCheckGaps: each gap is found, and nothing else; testdata/gaps.txt has the texts.
func TestCheckGaps(t *testing.T) {
	var all strings.Builder
	for _, tt := range gaps {
		if !strings.Contains(sound, tt.old) {
			t.Fatalf("%s: %q is not there", tt.name, tt.old)
		}
		got := check(net113, strings.Replace(sound, tt.old, tt.new, 1), tt.children...)
		if r := rulesOf(got); r != tt.rules {
			t.Errorf("%s: rules %q, want %q:\n%s", tt.name, r, tt.rules, got)
		}
		fmt.Fprintf(&all, "# %s\n%s\n", tt.name, got)
	}
	for _, tt := range others {
		got := check(tt.apex, soa+tt.zone)
		if r := rulesOf(got); r != tt.rules {
			t.Errorf("%s: rules %q, want %q:\n%s", tt.name, r, tt.rules, got)
		}
		fmt.Fprintf(&all, "# %s\n%s\n", tt.name, got)
	}
	path := filepath.Join("testdata", "gaps.txt")
	if *update {
		writeFile(t, path, []byte(all.String()))
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != all.String() {
		t.Errorf("%s differs (%v); look at it after go test ./internal/plan -run Gaps -update", path, err)
	}
}

// rulesOf returns the rules of findings as check prints them.
func rulesOf(findings string) string {
	var rules []string
	for _, m := range regexp.MustCompile(`(?m) \[([a-z0-9-]+)\]$`).FindAllStringSubmatch(findings, -1) {
		rules = append(rules, m[1])
	}
	return strings.Join(rules, " ")
}

// TestPlansHaveNoGaps: what plan makes has no gaps, and without any one of its lines it has some.
func TestPlansHaveNoGaps(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 1))
	for _, tr := range trials(*whole) {
		tr.make(t)
		var children []*Content
		for _, f := range tr.plan.Files {
			if f.Kind == "child" {
				apex, _, _ := strings.Cut(f.Text, " ")
				children = append(children, ReadText(dname.MustParse(apex), "child", []byte(f.Text)))
			}
		}
		for apex, text := range tr.parents {
			parent := dname.MustParse(apex)
			for _, text := range []string{text.String(), tr.short[apex].String()} {
				for _, list := range [][]*Content{nil, children} {
					if found := Check(ReadText(parent, "parent", []byte(text)), list); len(found) > 0 {
						t.Fatalf("%s, seed %d: %v", tr.name, *seed, found[0])
					}
				}
			}
			lines := strings.SplitAfter(text.String(), "\n")
			at := random.IntN(len(lines))
			for !regexp.MustCompile(` (CNAME|DNAME|NS|A) `).MatchString(lines[at]) || strings.HasPrefix(lines[at], apex) {
				at = random.IntN(len(lines))
			}
			if tr.o.DName != "" && tr.o.Parts == nil {
				continue // nothing else in the zone names a DNAME on a boundary
			}
			without := strings.Join(slices.Delete(slices.Clone(lines), at, at+1), "")
			if found := Check(ReadText(parent, "parent", []byte(without)), children); len(found) == 0 {
				t.Errorf("%s, seed %d: nothing is found in %s without %q", tr.name, *seed, apex, lines[at])
			}
		}
	}
}

// TestCheckRealZones looks at zones of other people: see TestRealZones of zonefile. Of those that
// BIND accepts, one leads to a part that it does not delegate.
func TestCheckRealZones(t *testing.T) {
	dir := os.Getenv("PTRD_ZONES_REAL")
	if dir == "" {
		t.Skip("PTRD_ZONES_REAL is not set to a directory of real zones")
	}
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	gaps := map[string]string{"144-jlu5-ansible-dn42-108.22.172.in-addr.arpa.zone_dotfixed.zone": "alias-not-delegated"}
	for _, row := range strings.Split(strings.TrimSpace(string(index)), "\n")[1:] {
		cols := strings.Split(row, "\t")
		if cols[4] != "ok" {
			continue
		}
		var rules []string
		found := Check(ReadFile(dname.MustParse(cols[1]), filepath.Join(dir, cols[0])), nil)
		for _, f := range found {
			rules = append(rules, f.Rule)
		}
		if got := strings.Join(rules, " "); got != gaps[cols[0]] {
			t.Errorf("%s: %q, want %q: %v", cols[0], got, gaps[cols[0]], found)
		}
	}
}
