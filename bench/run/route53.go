package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
	"github.com/ptrd/ptrd/zone/dname"
)

// The rows of the tables: what clients of the Route 53 API do. Of each kind of page there is one
// from the start, from the middle and from the end of the list.
const (
	rowUpdate  = "UPDATE of one record"
	rowSigned  = "UPDATE of one record, signed, over TCP"
	rowEmpty   = "batch of one record, empty zone"
	rowLarge   = "batch of one record, large zone"
	rowBatches = "batch of 1,000 records"

	rowSets      = "a record set"
	rowZones     = "a hosted zone"
	rowRestarted = "after a restart"

	rowRecords = "ListResourceRecordSets, 300 items"
	rowListed  = "ListHostedZones, 100 items"
	rowNamed   = "ListHostedZonesByName, 100 items"
	rowIndex   = "ListResourceRecordSets, the first after a start"
)

const (
	largeZone = "44.in-addr.arpa"
	batchLen  = 1000

	accessKey   = "AKIABENCH"
	secretKey   = "secret"
	updateKey   = "bench."
	updateMAC   = "c2VjcmV0IG9mIHRoZSBiZW5jaG1hcmtzIG9mIFVQREFURQ=="
	hostedExtra = "limits: {tcp_clients_per_address: 1024}\nkeys: [{name: " + updateKey + ", secret: " + updateMAC + "}]\nroute53: {access_keys: [{id: " + accessKey + ", secret: " + secretKey + "}], delegation_sets: [[ns1.example.net, ns2.example.net]]}\n"
)

// hostedBench is a measurement of the Route 53 API.
type hostedBench struct {
	*lab
	p           *peer.Peer
	s           *server
	api         netip.AddrPort
	o           loadOptions
	connections int
	pages       int // requests of each kind of page
	zones       int // how many hosted zones were made so far
	largeNext   atomic.Int64
}

// route53 measures the Route 53 API of ptrd: batches next to UPDATE messages, pages of large
// lists, and memory. Clients sign each request and keep their connections; what they cost is on
// the other processor.
func route53(ctx context.Context, args []string) error {
	c := newCommon("route53")
	sets := c.set.Int("sets", 1_000_000, "record sets of the large zone")
	zones := c.set.Int("zones", 10_000, "hosted zones")
	connections := c.set.Int("connections", 60, "connections of clients, and UPDATE messages in flight")
	pages := c.set.Int("pages", 200, "requests of each kind of page")
	l, err := c.parse(ctx, args)
	if err != nil {
		return err
	}
	if c.quick {
		c.unlessGiven("sets", "20000")
		c.unlessGiven("zones", "500")
		c.unlessGiven("pages", "20")
	}
	if err := c.findPtrd(l); err != nil {
		return err
	}
	d, err := l.openData("v4-1k")
	if err != nil {
		return err
	}
	for run := range c.runs {
		for _, p := range l.peers {
			fmt.Fprintf(l.out, "# run %d  %s\n", run+1, p.Name)
			b := &hostedBench{lab: l, p: p, o: c.load(), connections: *connections, pages: *pages}
			if err := b.run(d, *sets, *zones); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	return l.publish(c.doc, "route53", l.route53Tables(), nil)
}

// run measures everything once.
func (b *hostedBench) run(d *data, sets, zones int) (err error) {
	site := d.site()
	site.Role, site.Extra = peer.Hosted, hostedExtra
	if b.s, _, err = b.startServer(b.p, site, d); err != nil {
		return err
	}
	defer func() { b.s.Stop() }()
	b.api = netip.AddrPortFrom(b.s.at.Addr(), uint16(b.s.site.ControlPort()))
	for _, step := range []func() error{
		func() error { return b.fill(sets) },
		func() error { return b.writes(d) },
		func() error { return b.restart(sets) },
		func() error { return b.recordPages(sets) },
		func() error { return b.makeZones(zones) },
		func() error { return b.zonePages(zones) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// add records the values of a row.
func (b *hostedBench) add(row string, v map[string]float64) error {
	fmt.Fprintf(b.out, "%-50s %8.0f/s  %8.1f CPU µs  p50 %8.2f ms  %6.0f octets  client %.0f %%\n",
		row, v[valueUpdates], v[valueCPU], v[valueUpdateP50], v[valueOctets], 100*v[valueBusy])
	return b.Add(record{Kind: kindRoute53, Set: row, Server: b.p.Name, Values: v})
}

// during returns the values of requests that f makes: how many, and how long each took.
func (b *hostedBench) during(f func() (took []time.Duration, failed int, err error)) (map[string]float64, error) {
	machine.Settle(b.o.wait, serverCPU, generatorCPU)
	before, begin := b.s.Usage(), time.Now()
	ownBefore, _ := machine.Own()
	took, failed, err := f()
	length := time.Since(begin)
	if err == nil && len(took) == 0 {
		err = errors.New("no request succeeded")
	}
	if err != nil {
		return nil, err
	}
	used, _ := b.s.Usage().Since(before)
	own, _ := machine.Own()
	slices.Sort(took)
	n := len(took)
	return map[string]float64{
		valueUpdates: float64(n) / length.Seconds(), valueWrong: float64(failed), valueLength: length.Seconds(),
		valueUpdateP50: took[n/2].Seconds() * 1e3, valueUpdateP99: took[n*99/100].Seconds() * 1e3,
		valueCPU: used.Seconds() * 1e6 / float64(n), valueBusy: (own - ownBefore).Seconds() / length.Seconds(),
	}, nil
}

// concurrently has several clients make requests, one after the other each, until request returns
// errEnough or time is up; 0 is no limit of time.
func (b *hostedBench) concurrently(clients int, length time.Duration, client func() (request func() error, end func(), err error)) (took []time.Duration, failed int, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	ctx := b.ctx
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	for range clients {
		request, end, clientErr := client()
		if clientErr != nil {
			return nil, 0, clientErr
		}
		defer end()
		group.Go(func() {
			for ctx.Err() == nil {
				begin := time.Now()
				requestErr := request()
				one := time.Since(begin)
				if errors.Is(requestErr, errEnough) {
					return
				}
				mu.Lock()
				if requestErr == nil {
					took = append(took, one)
				} else {
					failed++
					err = requestErr
				}
				mu.Unlock()
				if requestErr != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return took, failed, err
}

var errEnough = errors.New("there is no further request")

// posts is concurrently with the requests that next returns, until the path is empty.
func (b *hostedBench) posts(connections int, length time.Duration, next func() (path, body string)) ([]time.Duration, int, error) {
	return b.concurrently(connections, length, func() (func() error, func(), error) {
		c, err := dialAPI(b.api)
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			path, body := next()
			if path == "" {
				return errEnough
			}
			_, err := c.call(http.MethodPost, path, body)
			return err
		}, func() { c.Close() }, nil
	})
}

// fill makes the large zone, in batches of as many records as the API takes.
func (b *hostedBench) fill(sets int) error {
	id, err := b.createZone(largeZone)
	if err != nil {
		return err
	}
	before := b.memory()
	n := 0
	var mu sync.Mutex
	v, err := b.during(func() ([]time.Duration, int, error) {
		return b.posts(4, 0, func() (string, string) {
			mu.Lock()
			defer mu.Unlock()
			if n >= sets {
				return "", ""
			}
			from := n
			n = min(n+batchLen, sets)
			return "hostedzone/" + id + "/rrset", changesOf("CREATE", largeZone, from, n-from)
		})
	})
	if err != nil {
		return err
	}
	v[valueOctets], v[valueCount] = (b.memory()-before)/float64(sets), float64(sets)
	return b.add(rowSets, v)
}

// memory returns the octets that the server has on its own, so without the pages of its
// journal that the kernel has read and can drop.
func (b *hostedBench) memory() float64 {
	time.Sleep(settleMemory)
	return float64(b.s.Memory().Private)
}

// writes compares batches with UPDATE messages, in turn and with as many in flight.
func (b *hostedBench) writes(d *data) error {
	large, err := b.zoneID(largeZone)
	if err != nil {
		return err
	}
	single := func(zone, id string, next *atomic.Int64) func() ([]time.Duration, int, error) {
		return func() ([]time.Duration, int, error) {
			return b.posts(b.connections, b.o.length, func() (string, string) {
				return "hostedzone/" + id + "/rrset", changesOf("UPSERT", zone, int(next.Add(-1))&(1<<24-1), 1)
			})
		}
	}
	empty, emptyID, err := b.newZone()
	if err != nil {
		return err
	}
	other, otherID, err := b.newZone()
	if err != nil {
		return err
	}
	var emptyNext, otherNext atomic.Int64
	for _, row := range []struct {
		name string
		run  func() ([]time.Duration, int, error)
	}{
		{rowUpdate, func() ([]time.Duration, int, error) {
			ctx, cancel := context.WithTimeout(b.ctx, b.o.length)
			defer cancel()
			u := updater{at: b.s.at, apex: dname.MustParse(d.apexes[0] + "."), inFlight: b.connections}
			err := u.run(ctx)
			return u.took, u.failed, err
		}},
		{rowSigned, func() ([]time.Duration, int, error) { return b.signedUpdates(d.apexes[0] + ".") }},
		{rowEmpty, single(empty, emptyID, &emptyNext)},
		{rowLarge, single(largeZone, large, &b.largeNext)},
		{rowBatches, func() ([]time.Duration, int, error) {
			return b.posts(b.connections, b.o.length, func() (string, string) {
				from := int(otherNext.Add(batchLen)) - batchLen
				return "hostedzone/" + otherID + "/rrset", changesOf("CREATE", other, from, batchLen)
			})
		}},
	} {
		v, err := b.during(row.run)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if err := b.add(row.name, v); err != nil {
			return err
		}
	}
	return nil
}

// signedUpdates sends UPDATE messages of one record, each with a TSIG record and after the response
// to the one before: as a client of the API does.
func (b *hostedBench) signedUpdates(apex string) ([]time.Duration, int, error) {
	var next atomic.Int64
	return b.concurrently(b.connections, b.o.length, func() (func() error, func(), error) {
		c, err := net.DialTimeout("tcp", b.s.at.String(), startPatience)
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			conn := &dns.Conn{Conn: c, TsigSecret: map[string]string{updateKey: updateMAC}} // it has the MAC of one exchange
			n := next.Add(1)
			m := new(dns.Msg)
			m.SetUpdate(apex)
			m.Insert([]dns.RR{&dns.PTR{
				Hdr: dns.RR_Header{Name: fmt.Sprintf("%d.%d.%d.%s", n&255, n>>8&255, n>>16&255, apex), Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 3600},
				Ptr: fmt.Sprintf("h%d.signed.example.net.", n),
			}})
			m.SetTsig(updateKey, dns.HmacSHA256, 300, time.Now().Unix())
			if err := conn.WriteMsg(m); err != nil {
				return err
			}
			r, err := conn.ReadMsg()
			if err == nil && r.Rcode != dns.RcodeSuccess {
				err = fmt.Errorf("UPDATE: %s", dns.RcodeToString[r.Rcode])
			}
			return err
		}, func() { c.Close() }, nil
	})
}

// restart measures the memory that the zones take after a restart, and the first page, for which
// the order of the names is computed.
func (b *hostedBench) restart(sets int) error {
	b.s.Stop()
	begin := time.Now()
	if err := b.s.start("udp"); err != nil {
		return err
	}
	name, target := record24(largeZone, 0)
	up, err := b.s.awaitUp(b.ctx, begin, []probe{{name, target}}, startPatience)
	if err != nil {
		return err
	}
	if err := b.add(rowRestarted, map[string]float64{valueStart: up.Seconds(), valueOctets: b.memory() / float64(sets)}); err != nil {
		return err
	}
	id, err := b.zoneID(largeZone)
	if err != nil {
		return err
	}
	return b.page(rowIndex, []string{"hostedzone/" + id + "/rrset"}, 1)
}

// recordPages measures pages of the large zone.
func (b *hostedBench) recordPages(sets int) error {
	id, err := b.zoneID(largeZone)
	if err != nil {
		return err
	}
	var paths []string
	for _, n := range []int{0, sets / 2, sets - 1} {
		// In the order of the API, the last label of the reversed name decides first.
		name, _ := record24(largeZone, n)
		paths = append(paths, "hostedzone/"+id+"/rrset?name="+url.QueryEscape(name))
	}
	paths[0] = "hostedzone/" + id + "/rrset"
	return b.page(rowRecords, paths, b.pages)
}

// page measures pages of a list: from its start, its middle and its end, in turn.
func (b *hostedBench) page(row string, paths []string, n int) error {
	c, err := dialAPI(b.api)
	if err != nil {
		return err
	}
	defer c.Close()
	for i, path := range paths {
		v, err := b.during(func() (took []time.Duration, failed int, err error) {
			for range n {
				begin := time.Now()
				if _, err := c.call(http.MethodGet, path, ""); err != nil {
					return nil, 0, err
				}
				took = append(took, time.Since(begin))
			}
			return took, 0, nil
		})
		if err != nil {
			return err
		}
		if len(paths) > 1 {
			err = b.add(row+", "+[]string{"start", "middle", "end"}[i], v)
		} else {
			err = b.add(row, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeZones makes many hosted zones.
func (b *hostedBench) makeZones(zones int) error {
	before := b.memory()
	var mu sync.Mutex
	last := b.zones + zones
	v, err := b.during(func() ([]time.Duration, int, error) {
		return b.posts(b.connections, 0, func() (string, string) {
			mu.Lock()
			defer mu.Unlock()
			if b.zones == last {
				return "", ""
			}
			_, body := b.creation()
			return "hostedzone", body
		})
	})
	if err != nil {
		return err
	}
	v[valueOctets], v[valueCount] = (b.memory()-before)/float64(zones), float64(zones)
	return b.add(rowZones, v)
}

// zonePages measures pages of the hosted zones.
func (b *hostedBench) zonePages(zones int) error {
	c, err := dialAPI(b.api)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, list := range []struct{ row, path, marker, element string }{
		{rowListed, "hostedzone", "marker", "NextMarker"},
		{rowNamed, "hostedzonesbyname", "dnsname", "NextDNSName"},
	} {
		paths := []string{list.path}
		for path := list.path; ; {
			out, err := c.call(http.MethodGet, path, "")
			if err != nil {
				return err
			}
			next := elementOf(out, list.element)
			if next == "" {
				break
			}
			path = list.path + "?" + list.marker + "=" + url.QueryEscape(next)
			paths = append(paths, path)
		}
		last := max(len(paths)-2, 0) // the last page may be a short one
		if err := b.page(list.row, []string{paths[0], paths[last/2], paths[last]}, b.pages); err != nil {
			return err
		}
	}
	return nil
}

// route53Tables returns the tables of the document.
func (l *lab) route53Tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. Median of all runs, in brackets the least and the greatest.\n\n", l.text(kindMachine, ""))
	for _, server := range report.Keys(l.of(kindRoute53, "", ""), serverOf) {
		if len(l.peers) > 1 {
			fmt.Fprintf(&b, "**%s**\n\n", server)
		}
		sum := func(row, value string) report.Summary { return l.summary(kindRoute53, row, server, value) }
		t := report.Table{Head: []string{"request", "a second", "p50 ms", "p99 ms", "CPU µs of the server", "busy client"}}
		for _, row := range []string{rowUpdate, rowSigned, rowEmpty, rowLarge, rowBatches} {
			t.Add(row, sum(row, valueUpdates), sum(row, valueUpdateP50), sum(row, valueUpdateP99), sum(row, valueCPU), sum(row, valueBusy))
		}
		fmt.Fprintf(&b, "%s\n", &t)
		t = report.Table{Head: []string{"what is made", "count", "seconds", "CPU s of the server", "octets of memory each"}}
		for _, row := range []string{rowSets, rowZones} {
			n := sum(row, valueCount)
			perRequest := sum(row, valueCPU)
			requests := n.Median
			if row == rowSets {
				requests /= batchLen
			}
			t.Add(row, n, sum(row, valueLength), perRequest.Scaled(requests*1e-6), sum(row, valueOctets))
		}
		t.Add(rowSets+", "+rowRestarted, sum(rowSets, valueCount), sum(rowRestarted, valueStart), "", sum(rowRestarted, valueOctets))
		fmt.Fprintf(&b, "%s\n", &t)
		t = report.Table{Head: []string{"page", "p50 ms", "p99 ms", "CPU µs of the server"}}
		rows := []string{rowIndex}
		for _, row := range []string{rowRecords, rowListed, rowNamed} {
			for _, at := range []string{"start", "middle", "end"} {
				rows = append(rows, row+", "+at)
			}
		}
		for _, row := range rows {
			t.Add(row, sum(row, valueUpdateP50), sum(row, valueUpdateP99), sum(row, valueCPU))
		}
		fmt.Fprintf(&b, "%s\n", &t)
	}
	return b.String()
}
