package fcrdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var errLost = errors.New("no server answered")

// world answers from master file lines; names in lost are not known.
type world struct {
	records []dns.RR
	lost    []string
	asked   []string
}

func newWorld(t *testing.T, text string, lost ...string) *world {
	w := &world{lost: lost}
	for line := range strings.Lines(text) {
		r, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		if r != nil {
			w.records = append(w.records, r)
		}
	}
	return w
}

func (w *world) lookup(_ context.Context, name dname.Name, t rr.Type) (out []dns.RR, err error) {
	w.asked = append(w.asked, fmt.Sprint(name, " ", t))
	for _, n := range w.lost {
		if strings.EqualFold(name.String(), n) {
			return nil, errLost
		}
	}
	for _, r := range w.records {
		if strings.EqualFold(r.Header().Name, name.String()) && r.Header().Rrtype == uint16(t) {
			out = append(out, r)
		}
	}
	return out, nil
}

func TestConfirm(t *testing.T) {
	const v4, v6 = "5.2.0.192.in-addr.arpa. ", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. "
	const lost = "lost.example."
	for _, c := range []struct {
		what, address string
		text          string
		want          Result
		names         string // each with what is known of it
	}{
		{"confirmed", "192.0.2.5", v4 + "PTR mail.example.\nmail.example. A 192.0.2.5", Pass, "mail.example. [192.0.2.5] confirmed"},
		{"confirmed, IPv6", "2001:db8::1", v6 + "PTR mail.example.\nmail.example. AAAA 2001:db8::1\nmail.example. A 192.0.2.5", Pass, "mail.example. [2001:db8::1] confirmed"},
		{"IPv4 in IPv6 form", "::ffff:192.0.2.5", v4 + "PTR mail.example.\nmail.example. A 192.0.2.5", Pass, "mail.example. [192.0.2.5] confirmed"},
		{"one of several addresses", "192.0.2.5", v4 + "PTR mail.example.\nmail.example. A 192.0.2.4\nmail.example. A 192.0.2.5", Pass, "mail.example. [192.0.2.4 192.0.2.5] confirmed"},
		{"the second name", "192.0.2.5", v4 + "PTR a.example.\n" + v4 + "PTR b.example.\nb.example. A 192.0.2.5", Pass, "a.example. [], b.example. [192.0.2.5] confirmed"},
		{"a name twice", "192.0.2.5", v4 + "PTR a.example.\n" + v4 + "PTR A.example.", Fail, "a.example. []"},
		{"confirmed, another name is not known", "192.0.2.5", v4 + "PTR " + lost + "\n" + v4 + "PTR b.example.\nb.example. A 192.0.2.5", Pass, lost + " not known, b.example. [192.0.2.5] confirmed"},
		{"no name", "192.0.2.5", "", PermError, ""},
		{"no address", "192.0.2.5", v4 + "PTR mail.example.", Fail, "mail.example. []"},
		{"another address", "192.0.2.5", v4 + "PTR mail.example.\nmail.example. A 192.0.2.6", Fail, "mail.example. [192.0.2.6]"},
		{"the other family only", "192.0.2.5", v4 + "PTR mail.example.\nmail.example. AAAA 2001:db8::1", Fail, "mail.example. []"},
		{"addresses are not known", "192.0.2.5", v4 + "PTR " + lost, TempError, lost + " not known"},
		{"of one of two names", "192.0.2.5", v4 + "PTR a.example.\n" + v4 + "PTR " + lost + "\na.example. A 192.0.2.6", TempError, "a.example. [192.0.2.6], " + lost + " not known"},
	} {
		w := newWorld(t, c.text, lost)
		r := Confirm(t.Context(), w.lookup, netip.MustParseAddr(c.address), DefaultLimits())
		var names []string
		for _, n := range r.Names {
			text := n.Name.String()
			switch {
			case errors.Is(n.Err, errLost):
				text += " not known"
			default:
				text += fmt.Sprint(" ", n.Addresses)
			}
			if n.Confirmed {
				text += " confirmed"
			}
			names = append(names, text)
		}
		if got := strings.Join(names, ", "); r.Result != c.want || got != c.names || r.Err != nil || r.Omitted != 0 {
			t.Errorf("%s: %s %q, %v\nwant %s %q", c.what, r.Result, got, r.Err, c.want, c.names)
		}
	}
	w := newWorld(t, v4+"PTR mail.example.", "5.2.0.192.in-addr.arpa.")
	if r := Confirm(t.Context(), w.lookup, netip.MustParseAddr("192.0.2.5"), DefaultLimits()); r.Result != TempError || !errors.Is(r.Err, errLost) {
		t.Errorf("the names are not known: %+v", r)
	}
}

// TestLimits: an address with thousands of names, or a name with thousands of addresses, costs
// no more than the limits, and the number of what was left out is reported.
func TestLimits(t *testing.T) {
	var text strings.Builder
	const all = 1000
	for i := range all {
		fmt.Fprintf(&text, "5.2.0.192.in-addr.arpa. PTR h%d.example.\nh0.example. A 10.0.%d.%d\n", i, i/256, i%256)
	}
	text.WriteString("h0.example. A 192.0.2.5\n")
	w := newWorld(t, text.String())
	limits := Limits{Names: 3, Addresses: 5}
	r := Confirm(t.Context(), w.lookup, netip.MustParseAddr("192.0.2.5"), limits)
	if len(w.asked) != 1+limits.Names || len(r.Names) != limits.Names || r.Omitted != all-limits.Names {
		t.Errorf("%d questions, %d names, %d omitted", len(w.asked), len(r.Names), r.Omitted)
	}
	if n := r.Names[0]; r.Result != Pass || !n.Confirmed || len(n.Addresses) != limits.Addresses || n.Omitted != all+1-limits.Addresses {
		t.Errorf("%s, %d addresses, %d omitted", r.Result, len(n.Addresses), n.Omitted)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.asked = nil
	if r := Confirm(ctx, w.lookup, netip.MustParseAddr("192.0.2.5"), limits); r.Result != TempError || !errors.Is(r.Err, context.Canceled) || len(w.asked) > 0 {
		t.Errorf("%+v after %d questions", r, len(w.asked))
	}
}
