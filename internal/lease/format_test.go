package lease

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
)

// noon is the present in these tests: 1796040000.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// clockAt is a clock that a test sets.
type clockAt struct{ time.Time }

func (c *clockAt) now() time.Time { return c.Time }

func neighbour(format, path string) *config.Neighbour {
	return &config.Neighbour{Format: format, File: config.File{Path: path}, Domain: dname.MustParse("lan.example.")}
}

// list returns what a source has, sorted by address and name: address, name, end in seconds from
// noon, file and line.
func list(s *Source) (list []string) {
	for l := range s.All() {
		end := "forever"
		if !l.End.IsZero() {
			end = fmt.Sprint(int(l.End.Sub(noon).Seconds()))
		}
		list = append(list, fmt.Sprintf("%v %v %s %s:%d", l.Addr, l.Name, end, filepath.Base(l.Pos.File), l.Pos.Line))
	}
	slices.Sort(list)
	return list
}

// prepare returns the source of a file.
func prepare(t *testing.T, x *Sources, n *config.Neighbour) *Source {
	list, done := x.Prepare(t.Context(), []*config.Neighbour{n})
	done(true)
	return list[0]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// mustEqual compares lines.
func mustEqual(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

const (
	kea4v1 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname\n"
	kea4v2 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
	kea4   = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
	kea4v3 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
	kea6v1 = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname\n"
	kea6   = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source\n"
	kea6v5 = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
)

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		name, format, text string
		columns            config.Columns
		want               []string
		unnamed            int
		findings           []string
	}{
		{name: "Kea, the first version of the header", format: "kea", text: kea4v1 + `10.0.0.1,00:01,,3600,1796043600,1,0,0,pc1
`, want: []string{"10.0.0.1 pc1.lan.example. 3600 f:2"}},
		{name: "Kea with states", format: "kea", text: kea4v2 + `10.0.0.1,00:01,,3600,1796043600,1,1,1,pc1.example.,0
10.0.0.2,00:02,,3600,1796043600,1,1,1,pc2.example,1
10.0.0.3,00:03,,3600,1796043600,1,1,1,pc3.example.,0
10.0.0.3,00:03,,3600,1796043600,1,1,1,pc3.example.,2
10.0.0.4,00:04,,3600,1796043600,1,0,0,,0
`, want: []string{"10.0.0.1 pc1.example. 3600 f:2"}, unnamed: 1},
		{name: "Kea: later lines, no end, deleted, ended", format: "kea", text: kea4 + `10.0.0.1,00:01,,3600,1796043600,1,0,0,old,0,

10.0.0.1,00:01,,3600,1796043700,1,0,0,new,0,{ "a": "b"&#x2c "c": 1 }
10.0.0.2,00:02,,4294967295,6091007295,1,0,0,always,0,
10.0.0.3,00:03,,3600,1796043600,1,0,0,gone,0,
10.0.0.3,00:03,,0,1796040000,1,0,0,gone,0,
10.0.0.4,00:04,,3600,1796039999,1,0,0,ended,0,
10.0.0.5,00:05,,3600,1796040000,1,0,0,ends-now,0,
`, want: []string{"10.0.0.1 new.lan.example. 3700 f:4", "10.0.0.2 always.lan.example. forever f:5"}},
		{name: "Kea: names with escapes", format: "kea", text: kea4v3 + `10.0.0.1,00:01,,3600,1796043600,1,0,0,a&#x2cb&#x20&#x20c,0,,0
10.0.0.2,00:01,,3600,1796043600,1,0,0,&#xe4bc,0,,0
10.0.0.3,00:01,,3600,1796043600,1,0,0,a&#xzzb,0,,0
10.0.0.4,00:01,,3600,1796043600,1,0,0,a&#x,0,,0
`, want: []string{"10.0.0.1 a-b-c.lan.example. 3600 f:2", "10.0.0.2 bc.lan.example. 3600 f:3", "10.0.0.3 a-xzzb.lan.example. 3600 f:4", "10.0.0.4 a-x.lan.example. 3600 f:5"}},
		{name: "Kea for IPv6, without prefixes", format: "kea", text: kea6v1 + `2001:db8::1,01:02,3600,1796043600,1,1800,0,7,128,1,1,v6.example.
2001:db8:1::,01:02,3600,1796043600,1,1800,2,7,56,0,0,router.example.
2001:db8::2,01:02,3600,1796043600,1,1800,1,7,128,0,0,temporary
`, want: []string{"2001:db8::1 v6.example. 3600 f:2", "2001:db8::2 temporary.lan.example. 3600 f:4"}},
		{name: "Kea for IPv6, later headers", format: "kea", text: kea6v5 + `2001:db8::1,01:02,3600,1796043600,1,1800,0,7,128,1,1,v6.example.,,0,,,,0
2001:db8::2,01:02,3600,1796043600,1,1800,0,7,128,1,1,made.example.,,4,,,,0
2001:db8::3,01:02,3600,1796043600,1,1800,0,7,128,1,1,released.example.,,3,,,,0
`, want: []string{"2001:db8::1 v6.example. 3600 f:2", "2001:db8::2 made.example. 3600 f:3"}},
		{name: "Kea: faults", format: "kea", text: kea4v2 + `10.0.0.1,00:01,,3600,1796043600,1,1,1,pc1.example.,0
10.0.0.2,00:02,,3600,1796043600,1,1,1
10.0.0.300,00:02,,3600,1796043600,1,1,1,pc2,0
10.0.0.2,00:02,,long,1796043600,1,1,1,pc2,0
10.0.0.2,00:02,,3600,-5,1,1,1,pc2,0
10.0.0.2,00:02,,3600,99999999999999999999,1,1,1,pc2,0
10.0.0.1,00:01,,3600,1796043600,1,1,1,'',0
10.0.0.9,00:01,,3600,1796043600,1,1,1,pc9`, want: nil, findings: []string{
			`f:3: the number of values is 8, and the first line names 10 columns; correct or remove it`,
			`f:4: "10.0.0.300" is not an address, such as 192.0.2.1 or 2001:db8::1; correct or remove the record`,
			`f:5: valid_lifetime "long" is not a number of seconds; correct or remove the record`,
			`f:6: expire "-5" is not a number of seconds; correct or remove the record`,
			`f:7: expire "99999999999999999999" is not a number of seconds; correct or remove the record`,
			`f:8: name "''" of 10.0.0.1: a label has neither letter nor digit; correct the name at its client`,
		}},
		{name: "dhcpd", format: "dhcpd", text: `# The format of this file is documented in the dhcpd.leases(5) manual page.
# lease 10.0.0.99 { ends never; binding state active; client-hostname "comment"; }
authoring-byte-order little-endian;
server-duid "\000\001\000\001\"{;";

lease 10.0.0.1 {
  starts 1 2026/11/30 11:00:00;
  ends 1 2026/11/30 13:00:00;
  tstp 1 2026/11/30 13:00:00;
  cltt 1 2026/11/30 11:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 52:54:00:12:34:56;
  uid "\001RT\000\0224V";
  set vendor-class-identifier = "x}y";
  client-hostname "pc1";
  on expiry {
    set client-hostname = "nested";
    if (1) { ends never; }
  }
}
lease 10.0.0.2 {
  ends never;
  binding state active;
  client-hostname "b\"b\040c";
}
lease 10.0.0.3 {
  ends epoch 1796040060; # Mon Nov 30 12:01:00 2026
  binding state active;
  set ddns-rev-name = "3.0.0.10.in-addr.arpa.";
  set ddns-fwd-name = "three.dyn.example";
  client-hostname "other";
}
lease 10.0.0.4 { ends never; binding state free; client-hostname "free"; }
lease 10.0.0.5 { ends never; binding state active; client-hostname "five"; }
lease 10.0.0.5 { ends never; binding state released; client-hostname "five"; }
lease 10.0.0.6 { ends never; abandoned; client-hostname "six"; }
lease 10.0.0.7 { starts 1 2000/01/01 00:00:00 UTC; ends 1 2026/11/30 12:00:05 UTC; client-hostname "seven"; }
lease 10.0.0.8 { ends never; binding state active; }
lease 10.0.0.9 { ends epoch 9223372036854775806; client-hostname "later-than-dates"; }
failover peer "x" state {
  my state normal at 1 2026/11/30 11:00:00;
}
host fixed { dynamic; fixed-address 10.0.0.50; }
`, want: []string{"10.0.0.1 pc1.lan.example. 3600 f:6", "10.0.0.2 b-b-c.lan.example. forever f:23", "10.0.0.3 three.dyn.example. 60 f:28", "10.0.0.7 seven.lan.example. 5 f:39", "10.0.0.9 later-than-dates.lan.example. forever f:41"}, unnamed: 1},
		{name: "dhcpd for IPv6", format: "dhcpd", text: `default-duid "\000\001";
ia-na "\001\000\000\000\000\001" {
  cltt 1 2026/11/30 11:00:00;
  iaaddr 2001:db8::1 {
    binding state active;
    preferred-life 375;
    max-life 600;
    ends 1 2026/11/30 12:10:00;
    set ddns-fwd-name = "six.example";
  }
  iaaddr 2001:db8::2 {
    binding state expired;
    ends 1 2026/11/30 12:10:00;
    set ddns-fwd-name = "expired.example";
  }
}
ia-ta "\001" { iaaddr 2001:db8::3 { binding state active; ends never; set ddns-client-fqdn = "ta"; } }
ia-pd "\001" {
  iaprefix 2001:db8:1::/56 { binding state active; ends never; set ddns-fwd-name = "pd.example"; }
}
`, want: []string{"2001:db8::1 six.example. 600 f:4", "2001:db8::3 ta.lan.example. forever f:17"}},
		{name: "dhcpd: faults", format: "dhcpd", text: `lease 10.0.0.1 {
  ends 1 2026/11/30 13:00:00;
  binding state active;
  client-hostname "cut
lease 10.0.0.2 {
  ends tomorrow;
  client-hostname "two";
}
lease 10.0.0.3 { client-hostname "three"; }
lease 10.0.0.x { ends never; client-hostname "four"; }
lease { ends never; }
}
lease 10.0.0.5 { ends never; client-hostname "five"; }
lease 10.0.0.6 {
  ends never;`, want: []string{"10.0.0.5 five.lan.example. forever f:13"}, findings: []string{
			"f:1: the record is not complete; correct or remove it",
			"f:6: `ends` has no time as `4 2026/12/31 23:59:59`, `epoch 1798761599` or `never`; correct or remove the record",
			"f:9: the lease of 10.0.0.3 has no `ends`; correct or remove the record",
			`f:10: "10.0.0.x" is not an address; correct or remove the record`,
			"f:11: a lease begins with `lease ADDRESS {`; correct or remove it",
		}},
		{name: "dnsmasq", format: "dnsmasq", text: `1796043600 52:54:00:00:00:01 10.0.0.1 pc1 01:52:54:00:00:00:01
0 52:54:00:00:00:02 10.0.0.2 always *
1796043600 06-52:54:00:00:00:03 10.0.0.3 * *
43200 52:54:00:00:00:04 10.0.0.4 router-without-clock *
1796039000 52:54:00:00:00:05 10.0.0.5 ended *
duid 00:01:00:01:2f:00:00:00:52:54:00:00:00:01
1796043600 1234 2001:db8::1 pc1 00:01:00:01
1796043600 T77 2001:db8::2 pc2.example 00:01:00:01
agent-info 10.0.0.1 01:02
vendorclass 10.0.0.1 4d:53:46:54
`, want: []string{"10.0.0.1 pc1.lan.example. 3600 f:1", "10.0.0.2 always.lan.example. forever f:2", "10.0.0.4 router-without-clock.lan.example. forever f:4",
			"2001:db8::1 pc1.lan.example. 3600 f:7", "2001:db8::2 pc2.example. 3600 f:8"}, unnamed: 1},
		{name: "dnsmasq: faults", format: "dnsmasq", text: `1796043600 52:54:00:00:00:01 10.0.0.1 pc1 *
1796043600 10.0.0.2 pc2
soon 52:54:00:00:00:01 10.0.0.3 pc3 *
1796043600 52:54:00:00:00:01 here pc4 *
`, want: []string{"10.0.0.1 pc1.lan.example. 3600 f:1"}, findings: []string{
			`f:2: the line "1796043600 10.0.0.2 pc2" has 3 fields, a lease has 5: end, hardware address, address, name and client identifier; correct or remove it`,
			`f:3: the end "soon" is not a number of seconds; correct or remove the record`,
			`f:4: "here" is not an address, such as 192.0.2.1 or 2001:db8::1; correct or remove the record`,
		}},
		{name: "hosts", format: "hosts", text: `127.0.0.1 localhost
10.0.0.1 pc1 alias # comment
10.0.0.1 pc1.example
10.0.0.2 "pc2"`, want: []string{"10.0.0.1 pc1.example. forever f:3", "10.0.0.1 pc1.lan.example. forever f:2", "127.0.0.1 localhost. forever f:1"}, findings: []string{
			`f:4:10: name "\"pc2\"" of 10.0.0.2: '"' is not allowed in a host name; letters, digits, hyphen, underscore and dots can`,
		}},
		{name: "CSV by names", format: "csv", columns: config.Columns{Address: "ip", Name: "host", Expires: "until"}, text: "\xef\xbb\xbfhost,note,IP, until\r\n" +
			`a,"with, comma",10.0.0.1,2026-11-30T13:00:00+01:00
b,"two
lines ""quoted""",10.0.0.2,2026-11-30T13:00:00Z
c,,10.0.0.3,1796040030

d,,10.0.0.4,
e.example.,,2001:db8::1,never
f,,2001:db8::1,0
,,10.0.0.5,
d,,10.0.0.4,`, want: []string{"10.0.0.2 b.lan.example. 3600 f:3", "10.0.0.3 c.lan.example. 30 f:5", "10.0.0.4 d.lan.example. forever f:11",
			"2001:db8::1 e.example. forever f:8", "2001:db8::1 f.lan.example. forever f:9"}, unnamed: 1},
		{name: "CSV by numbers", format: "csv", columns: config.Columns{Address: "2", Name: "1", Separator: ";"}, text: `name;address
a;10.0.0.1
b;10.0.0.2;more
`, want: []string{"10.0.0.1 a.lan.example. forever f:2", "10.0.0.2 b.lan.example. forever f:3"}},
		{name: "CSV by numbers, without names of columns", format: "csv", columns: config.Columns{Address: "1", Name: "2"}, text: "10.0.0.1,a\n10.0.0.2,b", want: []string{
			"10.0.0.1 a.lan.example. forever f:1", "10.0.0.2 b.lan.example. forever f:2"}},
		{name: "CSV: faults", format: "csv", columns: config.Columns{Address: "1", Name: "2", Expires: "3"}, text: `10.0.0.1,a,
10.0.0.2,b"c,
10.0.0.3,d,
10.0.0.4
10.0.0.5,e,tomorrow
here,f,
10.0.0.6,"g,
`, want: []string{"10.0.0.1 a.lan.example. forever f:1", "10.0.0.3 d.lan.example. forever f:3"}, findings: []string{
			`f:2: the line "10.0.0.2,b\"c," does not follow RFC 4180, which has quotes around a whole value and doubles those in it; correct or remove it`,
			`f:4: the number of values is 1, and column 3 is needed; correct or remove it`,
			`f:5: the end "tomorrow" is not a number of seconds; correct or remove the record`,
			`f:6: "here" is not an address, such as 192.0.2.1 or 2001:db8::1; correct or remove the record`,
			`f:7: the line "10.0.0.6,\"g," does not follow RFC 4180, which has quotes around a whole value and doubles those in it; correct or remove it`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, c.text)
			n := neighbour(c.format, path)
			n.Columns = c.columns
			x := New(Options{Now: (&clockAt{noon}).now, Quiet: time.Nanosecond})
			s := prepare(t, x, n)
			mustEqual(t, "names", list(s), c.want...)
			var findings []string
			st := s.Status()
			for _, f := range st.Findings {
				f.File = filepath.Base(f.File)
				findings = append(findings, f.String())
			}
			mustEqual(t, "findings", findings, c.findings...)
			if st.Skipped != len(findings) || st.Unnamed != c.unnamed || st.Problem != "" {
				t.Errorf("%d skipped, %d without a name, problem %q", st.Skipped, st.Unnamed, st.Problem)
			}
		})
	}
}

// TestUnfit: a file that is none of its format is not used, and the names stay as they are.
func TestUnfit(t *testing.T) {
	for _, c := range []struct{ format, good, bad, want string }{
		{"kea", kea4v1 + "10.0.0.1,,,3600,1796043600,1,0,0,pc1\n", "# pc\n", "it does not begin with the names of Kea's columns; give the path of a file of the memfile backend (`lease-database`)"},
		{"dnsmasq", "0 x 10.0.0.1 pc1 *\n", "# leases\n", "no line of it is valid"},
		{"dnsmasq", "0 x 10.0.0.1 pc1 *\n", "0 x 10.0.0.1 pc1 *\n0 x 10.0.0.2 p", "its last line is not complete"},
		{"hosts", "10.0.0.1 pc1\n", "# nothing\n", "no line of it is valid"},
		{"csv", "ip,host\n10.0.0.1,pc1\n", "address,host\n10.0.0.1,pc1\n", `its first line has no column "ip", only "address, host"; correct ` + "`columns`"},
	} {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, c.good)
		n := neighbour(c.format, path)
		n.Columns = config.Columns{Address: "ip", Name: "host"}
		clock := &clockAt{noon}
		x := New(Options{Now: clock.now, Quiet: time.Nanosecond})
		s := prepare(t, x, n)
		before := list(s)
		if len(before) != 1 {
			t.Fatalf("%s: %q", c.format, before)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, path, c.bad)
		s.look(t.Context())
		clock.Time = clock.Add(time.Second)
		changed, _ := s.look(t.Context())
		mustEqual(t, c.format, list(s), before...)
		if st := s.Status(); st.Problem != c.want || len(changed) > 0 {
			t.Errorf("%s: problem %q, changed %v", c.format, st.Problem, changed)
		}
		write(t, path, c.good)
		clock.Time = clock.Add(time.Second)
		s.look(t.Context())
		clock.Time = clock.Add(time.Second)
		s.look(t.Context())
		if st := s.Status(); st.Problem != "" {
			t.Errorf("%s: problem %q remains", c.format, st.Problem)
		}
	}
}

// TestSuggestion: the file of another program is named as that, and no file is refused for that alone.
func TestSuggestion(t *testing.T) {
	files := map[string]string{
		"kea":     kea4 + keaLine(1, "pc1", 3600),
		"dhcpd":   "# The format of this file is documented in the dhcpd.leases(5) manual page.\nauthoring-byte-order little-endian;\n\nlease 10.0.0.1 {\n  ends never;\n  binding state active;\n  client-hostname \"pc1\";\n}\n",
		"dnsmasq": "0 52:54:00:00:00:02 10.0.0.1 pc1 *\n",
		"hosts":   "# made by hand\n10.0.0.1\tpc1\n",
	}
	for _, format := range []string{"kea", "dhcpd", "dnsmasq", "hosts", "csv"} {
		for of, text := range files {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, text)
			n := neighbour(format, path)
			n.Columns = config.Columns{Address: "ip", Name: "host"}
			problem := prepare(t, New(Options{Now: (&clockAt{noon}).now, Quiet: time.Nanosecond}), n).Status().Problem
			want := "; it looks like a file of " + of + ": give its path as `" + of + "`"
			if format == of && problem != "" || format != of && !strings.HasSuffix(problem, want) {
				t.Errorf("a file of %s as one of %s: problem %q", of, format, problem)
			}
		}
	}
}
