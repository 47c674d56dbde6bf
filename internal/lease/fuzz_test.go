package lease

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
)

// parse reads a file by reads of the sizes that from has.
func parse(n *config.Neighbour, from io.Reader) (*content, *reader) {
	c := newContent(noon.Unix())
	r := newReader(n, c, "f")
	_ = r.records(from, new(sync.Mutex))
	return c, r
}

func dump(c *content) (list []string) {
	for a := range c.entries {
		for e := c.entries[a]; e != nil; e = e.next {
			list = append(list, fmt.Sprint(c.lease(e), e.end))
		}
	}
	slices.Sort(list)
	return list
}

// FuzzParse: no octets make a parser of a file panic or hang, and what it reads does not depend on the sizes in
// which the octets come. Its state is consistent, and each name is one that DNS has.
func FuzzParse(f *testing.F) {
	all := []string{"kea", "dhcpd", "dnsmasq", "hosts", "csv"}
	for i, seed := range []string{
		kea4 + "10.0.0.1,00:01,,3600,1796043600,1,0,0,a&#x2cb,0,\n10.0.0.1,,,0,1,1,0,0,,2,\n",
		kea6 + "2001:db8::1,01:02,3600,1796043600,1,1800,2,7,56,1,1,v6.example.,,0,,,\n",
		"lease 10.0.0.1 {\n ends 1 2026/11/30 13:00:00; binding state active; client-hostname \"p\\\"\\040c\"; on expiry { x; } }\nlease 10.0.0.2 {\n",
		"ia-na \"\\001\" { iaaddr 2001:db8::1 { ends epoch 1796043600; # c\n set ddns-fwd-name = \"a.b\"; } }\nlease 10.0.0.2 {\n}",
		"1796043600 52:54:00:00:00:01 10.0.0.1 pc1 *\nduid 00:01\n0 1 2001:db8::1 * *\n",
		"10.0.0.1 a b # c\n::1 localhost\n10.0.0.1 c",
		"ip,host,until\n10.0.0.1,\"a\"\"\nb\",2026-11-30T13:00:00Z\n10.0.0.2,b\"c,0\n10.0.0.3,d,1",
	} {
		f.Add(uint8([]int{0, 0, 1, 1, 2, 3, 4}[i]), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		n := neighbour(all[int(which)%len(all)], "f")
		n.Columns = config.Columns{Address: "ip", Name: "host", Expires: "until"}
		if which >= 128 {
			n.Columns = config.Columns{Address: "1", Name: "2", Separator: ";"}
		}
		c, r := parse(n, bytes.NewReader(data))
		again, r2 := parse(n, iotest.OneByteReader(bytes.NewReader(data)))
		if x, y := dump(c), dump(again); !slices.Equal(x, y) || c.skipped != again.skipped || r.offset != r2.offset || r.line != r2.line {
			t.Errorf("%q, %d skipped, %d octets; an octet at a time %q, %d, %d", x, c.skipped, r.offset, y, again.skipped, r2.offset)
		}
		count := 0
		for a, e := range c.entries {
			for ; e != nil; e = e.next {
				count++
				if e.addr != a || (e.place >= 0) != (e.end > c.now && e.end != forever) || e.line < 1 {
					t.Errorf("entry %+v of %v", e, a)
				}
				if name := c.lease(e).Name; !name.Equal(mustParse(t, name.String())) {
					t.Errorf("name %q", e.name)
				}
			}
		}
		if count != c.count || len(c.faults.Listed()) > 101 {
			t.Errorf("%d entries, counted %d, %d findings", count, c.count, len(c.faults.Listed()))
		}
	})
}

func mustParse(t *testing.T, text string) dname.Name {
	n, err := dname.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
