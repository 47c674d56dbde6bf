package hostsfile

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
)

// read returns one line for each name and finding, names first.
func read(t *testing.T, text string, o Options) string {
	t.Helper()
	var b strings.Builder
	o.Table = new(source.Table)
	res := Read("hosts", strings.NewReader(text), o, func(a netip.Addr, n dname.Name, tag zone.Tag) {
		p, ok := o.Table.Position(tag)
		if !ok {
			t.Errorf("tag of %v has no position", a)
		}
		fmt.Fprintf(&b, "%v %v %v\n", p, a, n)
	})
	for _, f := range res.Findings {
		fmt.Fprintf(&b, "%v %s\n", f.Severity, o.Table.Locate(f))
	}
	return b.String()
}

func inside(prefixes ...string) func(netip.Addr) bool {
	return func(a netip.Addr) bool {
		for _, p := range prefixes {
			if netip.MustParsePrefix(p).Contains(a) {
				return true
			}
		}
		return false
	}
}

func TestRead(t *testing.T) {
	lab := dname.MustParse("lab.example")
	const empty = "the file has no host; write a line with an address and a name, or remove it from the zone if it is empty on purpose\n"
	for _, c := range []struct {
		name, text string
		o          Options
		want       string
	}{
		{"first name only", "192.0.2.1\tmail.example.com mail www.example.com # all\n", Options{},
			"hosts:1:1 192.0.2.1 mail.example.com.\n"},
		{"several lines of one address", "192.0.2.1 a.example\n192.0.2.1 b.example\n", Options{},
			"hosts:1:1 192.0.2.1 a.example.\nhosts:2:1 192.0.2.1 b.example.\n"},
		{"usual file, only what is wanted", "127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\nff02::1 ip6-allnodes\n\n  192.0.2.7 x.example\n",
			Options{Wants: inside("192.0.2.0/24")}, "hosts:6:3 192.0.2.7 x.example.\n"},
		{"domain", "192.0.2.1 nas\n192.0.2.2 a.example\n", Options{Domain: lab},
			"hosts:1:1 192.0.2.1 nas.lab.example.\nhosts:2:1 192.0.2.2 a.example.\n"},
		{"no domain", "192.0.2.1 nas\n192.0.2.2 a a.example\n", Options{},
			"error hosts:1:11: name \"nas\" of 192.0.2.1: it has no dot, so it is not a full name; write it with its domain, or name the domain of all such names (`hosts_domain`)\n" +
				"error hosts:2:11: name \"a\" of 192.0.2.2: it has no dot, so it is not a full name; write a.example before it, for only the first name of a line is used\n"},
		{"localhost has no domain", "127.0.0.1 localhost\n::1 LocalHost ip6-localhost\n", Options{Domain: lab},
			"hosts:1:1 127.0.0.1 localhost.\nhosts:2:1 ::1 LocalHost.\n"},
		{"final dot, case kept", "192.0.2.1 Mail.Example.\n", Options{}, "hosts:1:1 192.0.2.1 Mail.Example.\n"},
		{"scoped and mapped", "fe80::1%eth0 r.example\n::ffff:192.0.2.1 m.example\n", Options{},
			"hosts:1:1 fe80::1 r.example.\nhosts:2:1 192.0.2.1 m.example.\n"},
		{"line ends and mark", "\xef\xbb\xbf192.0.2.1 a.example\r\n192.0.2.2 b.example", Options{},
			"hosts:1:1 192.0.2.1 a.example.\nhosts:2:1 192.0.2.2 b.example.\n"},
		{"faults do not end it", "192.0.2.300 a.example\nmail.example 192.0.2.1\n192.0.2.0/24 n.example\n192.0.2.1\n192.0.2.1 a..example\n192.0.2.1 ä.example\n192.0.2.1 a,b.example\nfoo\n192.0.2.9 z.example\n", Options{},
			"hosts:9:1 192.0.2.9 z.example.\n" +
				"error hosts:1:1: \"192.0.2.300\" is not an address; write four numbers from 0 to 255 without leading zeros\n" +
				"error hosts:2:1: \"mail.example\" is not an address; the address comes first, then its name\n" +
				"error hosts:3:1: \"192.0.2.0/24\" is not an address; a prefix cannot have a name here, only single addresses can\n" +
				"error hosts:4:10: address 192.0.2.1 has no name; write one after it\n" +
				"error hosts:5:13: name \"a..example\" of 192.0.2.1: two dots with no label between them\n" +
				"error hosts:6:11: name \"ä.example\" of 192.0.2.1: it is not ASCII; write xn--4ca.example\n" +
				"error hosts:7:12: name \"a,b.example\" of 192.0.2.1: ',' is not allowed in a host name; letters, digits, hyphen, underscore and dots can\n" +
				"error hosts:8:1: \"foo\" is not an address; write one like 192.0.2.1 or 2001:db8::1, then its name\n"},
		{"too long a line", "192.0.2.1 a.example\n" + strings.Repeat("x", 3*maxLine) + "\n192.0.2.2 b.example\n" + strings.Repeat("x", maxLine+1), Options{},
			"hosts:1:1 192.0.2.1 a.example.\nhosts:3:1 192.0.2.2 b.example.\nerror hosts:2:1: the line is longer than 65536 octets; is this a hosts file?\nerror hosts:4:1: the line is longer than 65536 octets; is this a hosts file?\n"},
		{"empty", "", Options{}, "error hosts:1:1: " + empty},
		{"comments only", "# none\n\n", Options{}, "error hosts:1:1: " + empty},
		{"hosts of others only", "127.0.0.1 localhost\n", Options{Wants: inside("192.0.2.0/24")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, c.text, c.o); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hosts")
	if err := os.WriteFile(path, []byte("192.0.2.1 a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(path string, o Options, emit func(netip.Addr, dname.Name, zone.Tag)) *Result {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return Read(path, f, o, emit)
	}
	var table source.Table
	n := 0
	emit := func(netip.Addr, dname.Name, zone.Tag) { n++ }
	if res := load(path, Options{Table: &table}, emit); len(res.Findings) > 0 || res.Names != 1 || n != 1 {
		t.Errorf("got %+v, %d names emitted", res, n)
	}
	res := load(dir, Options{Table: &table}, emit)
	if len(res.Findings) != 1 || res.Findings[0].Severity != finding.Error || !strings.HasPrefix(table.Locate(res.Findings[0]).String(), dir+": cannot read the file: ") {
		t.Errorf("a directory: got %+v", res)
	}
}

// FuzzRead: any text is read without a panic, and every name is one that can be
// written down and read again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1 a.example b # c\n",
		"fe80::1%eth0 r\n::ffff:1.2.3.4 m.\n",
		"\xef\xbb\xbf1.2.3.4\ta\x00b\r\n",
		"1.2.3.4 " + strings.Repeat("a", 64) + ".example",
		"1.2.3.4 " + strings.Repeat("a.", 130),
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, withDomain bool) {
		o := Options{Table: new(source.Table)}
		if withDomain {
			o.Domain = dname.MustParse("lab.example")
		}
		names := 0
		res := Read("hosts", strings.NewReader(string(text)), o, func(a netip.Addr, n dname.Name, tag zone.Tag) {
			names++
			if again, err := dname.Parse(n.String()); err != nil || !again.Equal(n) || !a.IsValid() || a.Zone() != "" {
				t.Errorf("%v %v: %v", a, n, err)
			}
		})
		if res.Names != names {
			t.Errorf("result %+v, %d names", res, names)
		}
	})
}
