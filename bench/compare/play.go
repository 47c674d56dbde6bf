package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// play runs all scenes.
func (c *comparison) play() error {
	scenes, err := readScenes(c.sets)
	if err != nil {
		return err
	}
	for i := range uint64(15) {
		scenes = append(scenes, randomScene(c.seed*1000+i))
	}
	c.scenes = len(scenes)
	if err := c.begin(); err != nil {
		return err
	}
	for round := 0; ; round++ {
		for i, s := range scenes {
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			if round > 0 && c.total() >= c.requests {
				return c.compareNotifies()
			}
			if err := c.playScene(s, round*len(scenes)+i, max(500, c.requests/len(scenes))); err != nil {
				return fmt.Errorf("scene %s: %w", s.name, err)
			}
			if round > 0 {
				continue
			}
			switch i {
			case len(scenes) / 2:
				err = c.restart(false, syscall.SIGTERM)
			case len(scenes) * 3 / 4:
				err = c.restart(false, syscall.SIGKILL)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (c *comparison) total() (n int) {
	for _, k := range c.asked {
		n += k
	}
	return n
}

func (c *comparison) begin() error {
	c.members = []string{"member0.test"}
	if err := c.primary.write("ptrd.yaml", primaryConfig(c.primary, c.sides, c.members)); err != nil {
		return err
	}
	if err := c.primary.start(c.ctx); err != nil {
		return err
	}
	c.value = setting{udpSize: 1232, require: "limited"}
	err := c.both(func(s *side) error {
		if err := s.write("ptrd.yaml", s.config(c, c.value)); err != nil {
			return err
		}
		return s.start(c.ctx)
	})
	if err != nil {
		return err
	}
	return c.follow()
}

// follow waits until both sides have what the primary has.
func (c *comparison) follow() error { return c.both(c.followed) }

func (c *comparison) followed(s *side) error {
	for _, z := range append([]string{"sec1.example.", "sec2.example.", "66.18.198.in-addr.arpa.", "cat.primary.test."}, c.members...) {
		z = dns.Fqdn(z)
		err := s.await(c.ctx, z, func() bool {
			want, err := c.primary.exchange(soaQuery(z))
			if err != nil {
				return false
			}
			got, err := s.exchange(soaQuery(z))
			return err == nil && bytes.Equal(got[0][4:], want[0][4:]) // without the ID and flags
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// restart stops and starts both sides, with their state, or with an empty directory and
// the configuration that is to be next.
func (c *comparison) restart(empty bool, how syscall.Signal) error {
	c.events["restart"]++
	return c.both(func(s *side) error {
		if err := s.stop(how); err != nil {
			return err
		}
		if empty {
			if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
				return err
			}
			s.serials = serials{}
			if err := s.write("ptrd.yaml", s.config(c, c.value)); err != nil {
				return err
			}
		} else if s == c.sides[0] {
			s.program = c.this
		}
		if err := s.start(c.ctx); err != nil {
			return err
		}
		return c.followed(s)
	})
}

// reload has both sides read their files again. Their exit codes are compared.
func (c *comparison) reload(args ...string) error {
	c.events["reload"]++
	codes := map[*side]int{}
	texts := map[*side]string{}
	for _, s := range c.sides {
		var err error
		if codes[s], texts[s], err = s.command(append([]string{"reload"}, args...)...); err != nil {
			return err
		}
	}
	if codes[c.sides[0]] != codes[c.sides[1]] {
		c.differ("reload", fmt.Sprintf("reload: exit code %d here, %d there\n%s\n%s", codes[c.sides[0]], codes[c.sides[1]], texts[c.sides[0]], texts[c.sides[1]]))
	}
	if codes[c.sides[0]] != 0 {
		c.events["reload with an error"]++
		if c.verbose {
			fmt.Println(texts[c.sides[0]])
		}
	}
	return nil
}

// configure has both sides serve other zones.
func (c *comparison) configure(v setting) error {
	if err := c.both(func(s *side) error { return s.write("ptrd.yaml", s.config(c, v)) }); err != nil {
		return err
	}
	return c.reload()
}

func (c *comparison) writeBoth(file, text string) error {
	return c.both(func(s *side) error { return s.write(file, text) })
}

// playScene serves the zones of a scene and asks for about so many requests.
func (c *comparison) playScene(s *scene, number, requests int) error {
	c.value = setting{udpSize: []int{1232, 4096, 512, 1232}[number%4], require: []string{"limited", "never", "limited", "always"}[number/4%4], zones: s.zones}
	for _, z := range s.zones {
		if err := c.writeBoth(z.file, z.text); err != nil {
			return err
		}
	}
	// In later rounds zones of the same name follow each other, some with a serial that is
	// refused.
	if s.fresh && number < c.scenes {
		if err := c.restart(true, syscall.SIGTERM); err != nil {
			return err
		}
	}
	if err := c.configure(c.value); err != nil {
		return err
	}
	if err := c.learnCookie(); err != nil {
		return err
	}
	names := slices.Concat(s.names, c.lastingNames())
	zones := slices.Concat(s.apexes(), lastingNames, lastingNames)
	end := c.total() + requests
	for part := 0; c.total() < end; part++ {
		steps := []func() error{
			func() error { return c.queries(names, 400) },
			func() error { return c.oddities(names, 150) },
			func() error { return c.oddStream(names) },
			func() error { return c.stream(names, zones, false) },
			func() error { return c.updates(names) },
			func() error { return c.transfers(zones) },
		}
		if part%3 == 0 {
			steps = append(steps, func() error { return c.stream(names, zones, true) })
		}
		if part == 0 {
			steps = append(steps, func() error { return c.edits(s, number) }, func() error { return c.transfers(zones) })
		}
		if part == 0 && number%3 == 0 {
			steps = append(steps, func() error { return c.secondaries(number) }, func() error { return c.transfers(zones) })
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastingNames returns names of the zones that stay: those that updates change, and others.
func (c *comparison) lastingNames() (out []dname.Name) {
	for _, z := range lastingNames {
		for _, n := range append([]string{"many", "7", "12", "occ.sub", "q.wild", "ns.other", "a.b.c.d", "65", "200", "193", "version", "zones", "zz"}, changed...) {
			if n == "@" {
				out = append(out, dname.MustParse(z))
				continue
			}
			out = append(out, dname.MustParse(n+"."+z))
		}
	}
	for _, a := range []string{"2001:db9::2", "2001:db9::25", "2001:db9:1::7", "2001:db9:0:1::", "2001:db9:f000::1", "2001:db9:102::1", "198.18.5.1", "198.18.0.66", "198.18.0.130", "198.18.0.200"} {
		out = append(out, dname.FromAddr(netip.MustParseAddr(a)))
	}
	return out
}

// learnCookie gets a server cookie from the other side, which both take.
func (c *comparison) learnCookie() error {
	client := []byte("8 octets")
	for _, s := range c.sides[1:] {
		m, err := s.exchange(edns(soaQuery("dyn.example."), 1232, 0, 0, 0, option(10, client)))
		if err != nil {
			return err
		}
		i := bytes.Index(m[0], client)
		if i < 0 || i+24 > len(m[0]) {
			return fmt.Errorf("%s sends no cookie: %x", s.name, m[0])
		}
		c.gen.cookie = bytes.Clone(m[0][i : i+24])
	}
	return nil
}

func (c *comparison) queries(names []dname.Name, n int) error {
	var requests []*request
	for range n {
		requests = append(requests, c.gen.query(names))
	}
	return c.ask("UDP", c.gen.client(), requests)
}

func (c *comparison) oddities(names []dname.Name, n int) error {
	g := c.gen
	var requests []*request
	for range n {
		switch g.IntN(8) {
		case 0:
			requests = append(requests, g.identity())
		case 1:
			requests = append(requests, g.class(names))
		case 2:
			requests = append(requests, g.opcode(names))
		case 3, 4:
			requests = append(requests, g.badEDNS(names))
		case 5:
			requests = append(requests, g.signed(names))
		default:
			requests = append(requests, g.malformed(names))
		}
	}
	return c.ask("UDP", c.gen.client(), requests)
}

// stream asks on a connection.
func (c *comparison) stream(names []dname.Name, zones []string, secure bool) error {
	g := c.gen
	var requests []*request
	for range 60 {
		switch g.IntN(12) {
		case 0:
			requests = append(requests, g.identity())
		case 1:
			requests = append(requests, g.badEDNS(names))
		case 2:
			requests = append(requests, g.signed(names))
		case 3:
			requests = append(requests, g.transfer(zones))
		case 4:
			requests = append(requests, g.opcode(names))
		default:
			requests = append(requests, g.query(names))
		}
	}
	way, tail := "TCP", []byte(nil)
	if secure {
		way = "TLS"
	}
	switch g.IntN(4) {
	case 0: // a message that ends too early
		tail = append([]byte{0, 40}, g.octetsOf(g.IntN(40))...)
	case 1: // one that is too short
		tail = append([]byte{0, 5}, g.octetsOf(5)...)
	}
	from := g.client()
	return c.compare(way, requests, func(s *side) (replies, error) { return s.askStream(from, secure, requests, tail) })
}

// oddStream sends messages that are malformed, some of which end the connection.
func (c *comparison) oddStream(names []dname.Name) error {
	g := c.gen
	for range 4 {
		requests := []*request{g.malformed(names)}
		if err := c.compare("TCP", requests, func(s *side) (replies, error) { return s.askStream(clients[0], false, requests, nil) }); err != nil {
			return err
		}
	}
	return nil
}

// updates changes zones, and asks what became of it.
func (c *comparison) updates(names []dname.Name) error {
	g := c.gen
	var requests []*request
	for range 25 {
		requests = append(requests, g.update(updated))
	}
	from := g.client()
	if err := c.compare("TCP", requests, func(s *side) (replies, error) { return s.askInTurn(from, requests) }); err != nil {
		return err
	}
	for range 3 {
		if err := c.ask("UDP", from, []*request{g.update(updated)}); err != nil {
			return err
		}
	}
	requests = nil
	for range 120 {
		zone := pick(g, updated)
		n := dname.MustParse(g.owner(zone))
		b := g.question(n, pick(g, changedTypes), 1)
		requests = append(requests, g.made("query after UPDATE", edns(b, 4096, 0, 0, 0, nil)))
	}
	return c.ask("UDP", clients[0], requests)
}

// transfers asks for whole zones and for what changed in them, and sends NOTIFY messages.
func (c *comparison) transfers(zones []string) error {
	g := c.gen
	var requests, datagrams []*request
	for range 30 {
		requests = append(requests, g.transfer(zones))
	}
	for range 6 {
		datagrams = append(datagrams, g.transfer(zones), g.notify(zones))
	}
	from := g.client()
	err := c.compare("TCP", requests, func(s *side) (replies, error) { return s.askStream(from, false, requests, nil) })
	if err != nil {
		return err
	}
	return c.ask("UDP", g.client(), datagrams)
}

// edits changes files, one of them so that it is refused, with a reload after each.
func (c *comparison) edits(s *scene, number int) error {
	good, soa := plainZone(number+1), "@ SOA ns1.example.com. hostmaster.example.com. %d 86400 7200 3600000 600\n@ NS ns1.example.com.\n"
	steps := []map[string]string{
		{"plain.zone": good, "filed.zone": plainZone(number + 2), "serial.zone": fmt.Sprintf(soa, 8+number) + plainZone(number)},
		{"plain.zone": good + "bad PTR\n", "hosts": fmt.Sprintf("198.18.9.1 one\n198.18.9.%d new\n", number%250)},
		{"plain.zone": good, "serial.zone": fmt.Sprintf(soa, 3) + plainZone(number+1), // an older serial
			"big.zone": bigZone([]int{5000, 4990, 1500, 5100}[number%4])},
	}
	for _, step := range steps {
		for _, file := range slices.Sorted(maps.Keys(step)) {
			if err := c.writeBoth(file, step[file]); err != nil {
				return err
			}
		}
		if err := c.reload(); err != nil {
			return err
		}
		if err := c.queries(slices.Concat(s.names, c.lastingNames()), 100); err != nil {
			return err
		}
	}
	if err := c.reload("--accept-shrink", "big.test"); err != nil {
		return err
	}
	// A configuration that is refused changes nothing.
	if err := c.both(func(side *side) error { return side.write("ptrd.yaml", side.config(c, c.value)+"listen: {}\n") }); err != nil {
		return err
	}
	if err := c.reload(); err != nil {
		return err
	}
	if err := c.queries(slices.Concat(s.names, c.lastingNames()), 100); err != nil {
		return err
	}
	if err := c.configure(c.value); err != nil {
		return err
	}
	if s.edit == nil {
		return nil
	}
	for range 3 {
		for _, z := range s.edit(c.gen) {
			if err := c.writeBoth(z.file, z.text); err != nil {
				return err
			}
		}
		if err := c.reload(); err != nil {
			return err
		}
		if err := c.queries(s.names, 200); err != nil {
			return err
		}
		if err := c.transfers(s.apexes()); err != nil {
			return err
		}
	}
	return nil
}

// secondaries changes the zones of the primary and the members of its catalog, and waits
// until both sides have followed.
func (c *comparison) secondaries(number int) error {
	g := c.gen
	for range 4 {
		r := g.update([]string{"sec1.example.", "sec2.example.", "66.18.198.in-addr.arpa."})
		if _, err := c.primary.askInTurn(clients[0], []*request{r}); err != nil {
			return err
		}
		c.events["change at the primary"]++
		if err := c.follow(); err != nil {
			return err
		}
	}
	c.members = []string{"member0.test"}
	for i := range 1 + number%3 {
		c.members = append(c.members, fmt.Sprintf("member%d.test", i+1))
	}
	if err := c.primary.write("ptrd.yaml", primaryConfig(c.primary, c.sides, c.members)); err != nil {
		return err
	}
	if _, _, err := c.primary.command("reload"); err != nil {
		return err
	}
	return c.follow()
}

// ask sends requests over UDP to both sides and compares the answers. The requests that
// may stay without an answer go last, so that there are few waits for nothing.
func (c *comparison) ask(way string, from netip.Addr, requests []*request) error {
	slices.SortStableFunc(requests, func(a, b *request) int { return rank(a) - rank(b) })
	return c.compare(way, requests, func(s *side) (replies, error) { return s.askUDP(from, requests) })
}

func rank(r *request) int {
	if r.maybeSilent {
		return 1
	}
	return 0
}
