package spf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"gopkg.in/yaml.v3"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var errLost = errors.New("no server answered")

// words is a value or a list of values.
type words []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	for _, c := range n.Content {
		*w = append(*w, c.Value)
	}
	return nil
}

// suite is a section of the test suite of RFC 7208.
type suite struct {
	Description string
	Tests       map[string]struct {
		Spec                 words
		Helo, Host, MailFrom string
		Result               words
		Explanation          string
	}
	ZoneData map[string][]yaml.Node
}

// zoneData are the names of a section, by dname.Name.Key.
type zoneData map[string]*owner

// owner has what a name has.
type owner struct {
	records map[string][]words // by type
	fails   bool
}

func (s *suite) zones(t *testing.T) zoneData {
	z := zoneData{}
	for name, list := range s.ZoneData {
		o := &owner{records: map[string][]words{}}
		for _, n := range list {
			if n.Kind == yaml.ScalarNode { // TIMEOUT
				o.fails = true
				continue
			}
			var one map[string]words
			if err := n.Decode(&one); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for typ, value := range one {
				o.fails = o.fails || slices.Contains([]string{"TIMEOUT", "SERVFAIL", "CNAMELOOP"}, typ)
				o.records[typ] = append(o.records[typ], value)
			}
		}
		// RFC 7208 has no type SPF; the suite has it where an older one used both.
		if o.records["TXT"] == nil {
			o.records["TXT"] = o.records["SPF"]
		}
		z[nameOf(name).Key()] = o
	}
	return z
}

// lookup implements [fcrdns.Lookup].
func (z zoneData) lookup(_ context.Context, name dname.Name, t rr.Type) (out []dns.RR, err error) {
	key := name.Key()
	for range 10 {
		o := z[key]
		if o == nil {
			return nil, nil
		}
		if alias := o.records["CNAME"]; alias != nil {
			key = nameOf(alias[0][0]).Key()
			continue
		}
		for _, value := range o.records[t.String()] {
			switch {
			case len(value) == 0 || value[0] == "NONE":
			case t == rr.TypeTXT:
				txt := &dns.TXT{}
				for _, s := range value {
					txt.Txt = append(txt.Txt, escape(s))
				}
				out = append(out, txt)
			case t == rr.TypeMX && value[1] == "":
				out = append(out, &dns.MX{Mx: "."})
			default:
				r, err := dns.NewRR(fmt.Sprintf(". 60 IN %v %s", t, strings.Join(value, " ")))
				if err != nil {
					return nil, err
				}
				out = append(out, r)
			}
		}
		if len(out) == 0 && o.fails {
			return nil, errLost
		}
		return out, nil
	}
	return nil, errLost
}

// escape returns a character-string as package dns has it.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// suiteModule is a Go module that has the test suite of RFC 7208.
const suiteModule = "blitiri.com.ar/go/spf@v1.6.0"

// suitePath returns the path of the test suite.
func suitePath(t *testing.T) string {
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", suiteModule).Output()
	var m struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil {
		peertest.Missing(t, "the test suite of RFC 7208, which is in "+suiteModule+", cannot be downloaded: "+err.Error())
	}
	return filepath.Join(m.Dir, "testdata", "rfc7208-tests.yml")
}

// TestRFC7208 is the test suite of RFC 7208.
func TestRFC7208(t *testing.T) {
	f, err := os.Open(suitePath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	count := 0
	for d := yaml.NewDecoder(f); ; {
		var s suite
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		z := s.zones(t)
		for name, c := range s.Tests {
			count++
			r := Check(t.Context(), z.lookup, netip.MustParseAddr(c.Host), c.Helo, c.MailFrom)
			if !slices.Contains(c.Result, string(r.Result)) {
				t.Errorf("%s, %s (RFC 7208 §%s): %s (%s), want %s", s.Description, name, strings.Join(c.Spec, ", §"), r.Result, r.Reason, strings.Join(c.Result, " or "))
			}
			if want := strings.TrimPrefix(c.Explanation, "DEFAULT"); c.Explanation != "" && !strings.EqualFold(r.Explanation, want) { // the case of hexadecimal digits is free
				t.Errorf("%s, %s: explanation %q, want %q", s.Description, name, r.Explanation, want)
			}
		}
	}
	if t.Logf("%d tests", count); count < 150 {
		t.Errorf("%d tests, the suite has more", count)
	}
}

// TestNotKnown: what no server answers is not known, and what no record needs is not asked.
func TestNotKnown(t *testing.T) {
	z := zoneData{}
	for name, o := range map[string]*owner{
		"example.com":        {records: map[string][]words{"TXT": {{"v=spf1 a:host.example.com -all"}}}},
		"host.example.com":   {records: map[string][]words{"A": {{"192.0.2.5"}}}, fails: true}, // AAAA
		"exists.example.com": {records: map[string][]words{"TXT": {{"v=spf1 exists:host.example.com -all"}}}},
		"lost.example.com":   {records: map[string][]words{"TXT": {{"v=spf1 a:gone.example.com -all"}}}},
		"gone.example.com":   {fails: true},
		"txt.example.com":    {fails: true},
		"octets.example.com": {records: map[string][]words{"TXT": {{"v=spf1 ip4:192.0.2.5 ", "-all"}, {"v=spf10 \x00"}}}},
	} {
		z[nameOf(name).Key()] = o
	}
	for _, c := range []struct {
		address, domain string
		want            Result
	}{
		{"192.0.2.5", "example.com", Pass},
		{"192.0.2.6", "example.com", Fail},
		{"2001:db8::1", "example.com", TempError},
		{"2001:db8::1", "exists.example.com", Pass}, // which is about IPv4,
		{"192.0.2.5", "exists.example.com", Pass},
		{"192.0.2.5", "lost.example.com", TempError},
		{"192.0.2.5", "txt.example.com", TempError},
		{"192.0.2.5", "absent.example.com", None},
		{"::ffff:192.0.2.5", "octets.example.com", Pass},
		{"192.0.2.6", "octets.example.com", Fail},
	} {
		if r := Check(t.Context(), z.lookup, netip.MustParseAddr(c.address), "helo.example.com", "a@"+c.domain); r.Result != c.want {
			t.Errorf("%s from %s: %s (%s), want %s", c.domain, c.address, r.Result, r.Reason, c.want)
		}
	}
}

// TestBounds: records that refer to themselves and to each other cost a bounded number of lookups.
func TestBounds(t *testing.T) {
	var include strings.Builder
	for i := range 100 {
		fmt.Fprintf(&include, " include:i%d.example.com", i)
	}
	const many = 100
	z := zoneData{}
	add := func(name, typ string, value ...string) {
		key := nameOf(name).Key()
		if z[key] == nil {
			z[key] = &owner{records: map[string][]words{}}
		}
		z[key].records[typ] = append(z[key].records[typ], value)
	}
	add("self.example.com", "TXT", "v=spf1 include:self.example.com -all")
	add("redirect.example.com", "TXT", "v=spf1 redirect=redirect.example.com")
	add("wide.example.com", "TXT", "v=spf1"+include.String()+" -all")
	add("deep.example.com", "TXT", "v=spf1"+strings.Repeat(" include:deep.example.com", many)+" -all")
	add("p.example.com", "TXT", "v=spf1"+strings.Repeat(" exists:%{p}.%{p}.%{p}.example.com", 9)+" ?all")
	add("ptr.example.com", "TXT", "v=spf1"+strings.Repeat(" ptr", 9)+" ?all")
	add("mx.example.com", "TXT", "v=spf1 mx -all")
	for i := range many {
		add(fmt.Sprintf("i%d.example.com", i), "TXT", "v=spf1 a -all")
		add(fmt.Sprintf("i%d.example.com", i), "A", "192.0.2.9")
		add("5.2.0.192.in-addr.arpa", "PTR", fmt.Sprintf("i%d.example.com.", i))
		add("mx.example.com", "MX", "0", fmt.Sprintf("i%d.example.com.", i))
	}
	for name, want := range map[string]Result{
		"self": PermError, "redirect": PermError, "wide": PermError, "deep": PermError, "mx": PermError, "p": PermError, "ptr": Neutral,
	} {
		lookups := 0
		r := Check(t.Context(), func(ctx context.Context, n dname.Name, typ rr.Type) ([]dns.RR, error) {
			lookups++
			return z.lookup(ctx, n, typ)
		}, netip.MustParseAddr("192.0.2.5"), "helo.example.com", "a@"+name+".example.com")
		if r.Result != want || lookups > 1+2*maxTerms+maxNames+1 {
			t.Errorf("%s: %s (%s) after %d lookups, want %s", name, r.Result, r.Reason, lookups, want)
		}
	}
}

// TestReport: a report names the record and the term that decided.
func TestReport(t *testing.T) {
	z := zoneData{}
	for name, text := range map[string]string{
		"example.com": "v=spf1 include:_spf.example.net ~all", "_spf.example.net": "v=spf1 ip4:192.0.2.0/28 -all",
		"moved.example.com": "v=spf1 redirect=example.com", "bad.example.com": "v=spf1 ip4:192.0.2.300 -all",
	} {
		z[nameOf(name).Key()] = &owner{records: map[string][]words{"TXT": {{text}}}}
	}
	for _, c := range []struct{ address, sender, want string }{
		{"192.0.2.5", "a@example.com", `pass example.com "include:_spf.example.net"`},
		{"192.0.2.99", "a@example.com", `softfail example.com "~all"`},
		{"192.0.2.99", "a@moved.example.com", `softfail example.com "~all"`},
		{"192.0.2.5", "a@none.example.com", `none none.example.com "" none.example.com has no SPF record`},
		{"192.0.2.5", "", `none helo.example.com "" helo.example.com has no SPF record`},
		{"192.0.2.5", "a@bad.example.com", `permerror bad.example.com "" the SPF record of bad.example.com is malformed: "ip4:192.0.2.300" is not an address or a prefix of its family (RFC 7208 §5.6)`},
	} {
		r := Check(t.Context(), z.lookup, netip.MustParseAddr(c.address), "helo.example.com", c.sender)
		if got := strings.TrimSpace(fmt.Sprintf("%s %s %q %s", r.Result, r.Domain, r.Term, r.Reason)); got != c.want {
			t.Errorf("%s from %s:\n%s\nwant\n%s", c.sender, c.address, got, c.want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=spf1 a:%{ir2-.}.example.com/24//64 -all", "v=spf1 exp=%{H9r+} redirect=%%%_%-.x", "v=spf1 ip6:::/0 mx:foo:bar/baz.example.com"} {
		f.Add(s, "a-b@example.com")
	}
	f.Fuzz(func(t *testing.T, record, sender string) {
		lookup := func(_ context.Context, _ dname.Name, typ rr.Type) ([]dns.RR, error) {
			if typ == rr.TypeTXT {
				return []dns.RR{&dns.TXT{Txt: []string{escape(record)}}}, nil
			}
			return nil, nil
		}
		if r := Check(t.Context(), lookup, netip.MustParseAddr("2001:db8::1"), "helo", sender); r.Result == "" || r.Result == TempError {
			t.Errorf("%q from %q: %+v", record, sender, r)
		}
	})
}
