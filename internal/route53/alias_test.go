package route53

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// aliasTo is a change of an alias.
func aliasTo(action, name, kind, id, target string) string {
	return fmt.Sprintf("<Change><Action>%s</Action><ResourceRecordSet><AliasTarget><DNSName>%s</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth><HostedZoneId>%s</HostedZoneId></AliasTarget><Name>%s</Name><Type>%s</Type></ResourceRecordSet></Change>",
		action, target, id, name, kind)
}

// TestAliasLimit: the aliases of one target are so many that a change of it stays possible, and a
// batch does not change more of them than that.
func TestAliasLimit(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	values := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("192.0.2.%d", i))
		}
		return list
	}
	l.must(id, change("CREATE", "www.example.com", "A", 60, values(200)...))
	aliases := func(action string, from, to int) (list []string) {
		for i := from; i < to; i++ {
			list = append(list, aliasTo(action, fmt.Sprintf("a%d.example.com", i), "A", id, "www.example.com"))
		}
		return list
	}
	l.must(id, aliases("CREATE", 0, 50)...)
	refused := func(message string, changes ...string) {
		t.Helper()
		if got := l.batch(id, changes...); got.code != "InvalidChangeBatch" || got.message != message {
			t.Errorf("%+v", got)
		}
	}
	refused("[RRSet with DNS name www.example.com., type A would have 200 values and 51 aliases with the same values; these may be 10000 records]", aliases("CREATE", 50, 51)...)
	refused("[RRSet with DNS name www.example.com., type A would have 201 values and 50 aliases with the same values; these may be 10000 records]", change("UPSERT", "www.example.com", "A", 60, values(201)...))
	l.must(id, change("UPSERT", "www.example.com", "A", 90, values(200)...))
	l.must(id, append(aliases("DELETE", 0, 1), aliases("CREATE", 50, 51)...)...) // one for another
	l.must(id, change("CREATE", "two.example.com", "A", 60, values(1)...), aliasTo("CREATE", "b.example.com", "A", id, "two.example.com"))
	l.must(id, change("CREATE", "many.example.com", "A", 60, "192.0.2.1"))
	for i := range 2 {
		var list []string
		for j := range 600 {
			list = append(list, aliasTo("CREATE", fmt.Sprintf("m%d.example.com", i*600+j), "A", id, "many.example.com"))
		}
		l.must(id, list...)
	}
	if got := l.batch(id, change("DELETE", "many.example.com", "A", 60, "192.0.2.1")); strings.Count(got.message, "that target was not found") != 1000 || !strings.HasSuffix(got.message, ", and 200 more]") {
		t.Errorf("%d faults: %.100q", strings.Count(got.message, "that target was not found"), got.message)
	}
	refused("[Number of records of aliases limit of 10000 exceeded.]", change("UPSERT", "www.example.com", "A", 60, values(200)...), change("UPSERT", "two.example.com", "A", 90, values(1)...))
}

// aRecord returns an A record with the address 192.0.2.n.
func aRecord(name string, ttl uint32, n byte) zone.Record {
	return zone.Record{Owner: dname.MustParse(name), Type: rr.TypeA, TTL: ttl, Data: []byte{192, 0, 2, n}}
}

// changeBy changes records of a zone as another source does.
func (l *lab) changeBy(source string, apex dname.Name, removed, added []zone.Record) {
	l.t.Helper()
	if _, err := l.writer.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		z := set.Get(apex)
		soa, _ := z.Get(apex, rr.TypeSOA)
		data := soa.First(nil)
		next := append([]byte{}, data...)
		next[len(next)-17]++
		c := &zone.Changeset{Apex: apex, From: z.Serial(), To: z.Serial() + 1,
			Removed: append([]zone.Record{{Owner: apex, Type: rr.TypeSOA, TTL: soa.TTL, Data: data}}, removed...),
			Added:   append([]zone.Record{{Owner: apex, Type: rr.TypeSOA, TTL: soa.TTL, Data: next}}, added...)}
		applied, err := z.Apply(c)
		return &zone.Batch{Changes: []zone.Change{{Zone: applied, Apex: apex, Base: z, Kept: true, Steps: []zone.Step{{Changeset: c, Source: source}}}}}, err
	}}); err != nil {
		l.t.Fatal(err)
	}
}

// TestAliasOfOthers: a record set that another source changes itself, or whose target it removes, is
// no alias any more.
func TestAliasOfOthers(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	apex := dname.MustParse("example.com")
	l.must(id, change("CREATE", "www.example.com", "A", 60, "192.0.2.1"))
	for _, name := range []string{"a", "b", "c"} {
		l.must(id, aliasTo("CREATE", name+".example.com", "A", id, "www.example.com"))
	}
	check := func(what string, want map[string]string) {
		t.Helper()
		for range 2 {
			got := map[string]string{}
			for _, set := range l.list(id, "").Sets {
				if set.Type == "A" {
					got[strings.TrimSuffix(set.Name, ".example.com.")] = strings.TrimPrefix(fmt.Sprint(set.TTL, set.Values), "0[]")
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
			l.stop()
			l.start()
		}
	}
	check("created", map[string]string{"www": "60 [192.0.2.1]", "a": "0 []", "b": "0 []", "c": "0 []"})
	l.changeBy("rollback", apex, []zone.Record{aRecord("a.example.com", 60, 1), aRecord("b.example.com", 60, 1), aRecord("www.example.com", 60, 1)},
		[]zone.Record{aRecord("a.example.com", 60, 9), aRecord("b.example.com", 60, 2), aRecord("www.example.com", 60, 2)})
	check("one changed with the target, another to other data", map[string]string{"www": "60 [192.0.2.2]", "a": "60 [192.0.2.9]", "b": "0 []", "c": "0 []"})
	l.changeBy("rollback", apex, []zone.Record{aRecord("b.example.com", 60, 2)}, nil)
	check("one removed", map[string]string{"www": "60 [192.0.2.2]", "a": "60 [192.0.2.9]", "c": "0 []"})
	l.changeBy("rollback", apex, []zone.Record{aRecord("www.example.com", 60, 2)}, nil)
	check("the target removed", map[string]string{"a": "60 [192.0.2.9]"})
	l.must(id, change("CREATE", "www.example.com", "A", 60, "192.0.2.3"), change("CREATE", "c.example.com", "A", 60, "192.0.2.4"))
	check("created again", map[string]string{"www": "60 [192.0.2.3]", "a": "60 [192.0.2.9]", "c": "60 [192.0.2.4]"})
}

// TestAlias: an alias has the data and the TTL of its target, in the same changeset.
func TestAlias(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	apex := dname.MustParse("example.com")
	served := func(name string) string {
		z := l.writer.Set().Get(apex)
		set, ok := z.Get(dname.MustParse(name), rr.TypeA)
		if !ok {
			return ""
		}
		out := fmt.Sprint(set.TTL)
		for it := set.Data(); it.Next(); {
			out += fmt.Sprint(" ", append(append([]byte{}, it.Head...), it.Tail...))
		}
		return out
	}
	check := func(what, name, want string) {
		t.Helper()
		if got := served(name); got != want {
			t.Errorf("%s: %s has %q, want %q", what, name, got, want)
		}
	}
	l.must(id, aliasTo("CREATE", "example.com", "A", id, "www.example.com"), aliasTo("CREATE", `\052.example.com`, "A", id, "www.example.com."), change("CREATE", "www.example.com", "A", 60, "192.0.2.1"))
	check("created", "example.com", "60 [192 0 2 1]")
	check("created", "*.example.com", "60 [192 0 2 1]")
	before := l.writer.Set().Get(apex).Serial()
	l.must(id, change("UPSERT", "www.example.com", "A", 90, "192.0.2.1", "192.0.2.2"))
	check("changed", "example.com", "90 [192 0 2 1] [192 0 2 2]")
	if after := l.writer.Set().Get(apex).Serial(); after != before+1 {
		t.Errorf("serial %d after %d, must be one step", after, before)
	}
	listing := func() string { return l.call("GET", "hostedzone/"+id+"/rrset", "").body }
	want := "<ResourceRecordSet><Name>example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>" + id + "</HostedZoneId><DNSName>www.example.com.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>"
	if !strings.Contains(listing(), want) {
		t.Errorf("%s", listing())
	}
	for _, c := range []struct{ what, change, message string }{
		{"target deleted", change("DELETE", "www.example.com", "A", 90, "192.0.2.1", "192.0.2.2"), "[Tried to create an alias [name='\\052.example.com.', type='A'] that targets www.example.com., type A in zone example.com., but that target was not found, Tried to create an alias [name='example.com.', type='A'] that targets www.example.com., type A in zone example.com., but that target was not found]"},
		{"no target", aliasTo("CREATE", "x.example.com", "A", id, "none.example.com"), "[Tried to create an alias [name='x.example.com.', type='A'] that targets none.example.com., type A in zone example.com., but that target was not found]"},
		{"outside", aliasTo("CREATE", "x.example.com", "A", id, "example.org"), "[Tried to create an alias that targets example.org., type A in zone example.com., but the alias target name does not lie within the target zone]"},
		{"alias of an alias", aliasTo("CREATE", "x.example.com", "A", id, "example.com"), "[Tried to create an alias that targets example.com., type A in zone example.com., which is an alias itself]"},
		{"another zone", aliasTo("CREATE", "x.example.com", "A", "Z2FDTNDATAQYW2", "d1.cloudfront.net"), "AliasTarget with HostedZoneId Z2FDTNDATAQYW2 is not offered: an alias can target records of its own hosted zone " + id + " alone; record set [name='x.example.com', type='A']"},
		{"there already", aliasTo("CREATE", "example.com", "A", id, "www.example.com"), "[Tried to create resource record set [name='example.com.', type='A'] but it already exists]"},
		{"deleted as records", change("DELETE", "example.com", "A", 90, "192.0.2.1", "192.0.2.2"), "[Tried to delete resource record set [name='example.com.', type='A'] but the values provided do not match the current values]"},
	} {
		if got := l.batch(id, c.change); got.status != 400 || got.message != c.message {
			t.Errorf("%s: %d %s, want %s", c.what, got.status, got.message, c.message)
		}
	}
	l.stop()
	l.start()
	if !strings.Contains(listing(), want) {
		t.Errorf("after a restart: %s", listing())
	}
	// Another source changes the target, as a rollback does.
	l.changeBy("rollback", apex, []zone.Record{aRecord("www.example.com", 90, 1)}, nil)
	check("changed by another source", "example.com", "90 [192 0 2 2]")
	l.must(id, change("UPSERT", "www.example.com", "A", 30, "192.0.2.3"))
	check("changed after a restart", "*.example.com", "30 [192 0 2 3]")
	l.must(id, aliasTo("DELETE", "example.com", "A", id, "www.example.com"), aliasTo("DELETE", "*.example.com", "A", id, "www.example.com"), change("DELETE", "www.example.com", "A", 30, "192.0.2.3"))
	check("deleted", "example.com", "")
	if got := l.call("DELETE", "hostedzone/"+id, ""); got.status != 200 {
		t.Errorf("%+v", got)
	}
}
