package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
)

// primaryPort is that of the server that secondaries have the zone from.
const primaryPort = firstPort + 50

// transfers measures AXFR of a large zone. In: each server is the secondary of an NSD, with
// nothing kept, from its start until it answers for the zone. Out: each gives the zone to one
// client that only counts records.
func transfers(ctx context.Context, args []string) error {
	c := newCommon("transfers")
	set := c.set.String("set", "v4-1M", "data `set` of one zone")
	way := c.set.String("way", "in", "`in` or out")
	c.set.String("peers", "NSD,Knot", "other servers; - for none")
	l, d, err := c.parseOneZone(ctx, args, set, "")
	if err != nil {
		return err
	}
	once, head := l.transferIn, []string{"server", "seconds", "CPU seconds", "peak MB", "MB afterwards (PSS)"}
	switch *way {
	case "in":
		stop, err := l.startPrimary(d)
		if err != nil {
			return err
		}
		defer stop()
	case "out":
		once, head = l.transferOut, []string{"server", "seconds", "CPU seconds", "peak MB", "MB (octets of messages)"}
	default:
		return fmt.Errorf("--way %q is not in or out", *way)
	}
	err = l.each(c.runs, func(p *peer.Peer) (record, error) {
		one, err := once(p, d)
		one.Kind, one.Set, one.Server = kindTransfers, *way+" "+d.set.Name, p.Name
		return one, err
	}, func(run int, p *peer.Peer, v map[string]float64) {
		fmt.Fprintf(l.out, "transfer %s run %d  %-12s %6.2f s\n", *way, run, p.Name, v[valueLength])
	})
	if err != nil {
		return err
	}
	t := report.Table{Head: head}
	of := *way + " " + d.set.Name
	for _, s := range report.Keys(l.of(kindTransfers, of, ""), serverOf) {
		t.Add(s, l.summary(kindTransfers, of, s, valueLength), l.summary(kindTransfers, of, s, valueCPU),
			l.summary(kindTransfers, of, s, valuePeak).Scaled(1e-6), l.summary(kindTransfers, of, s, valuePSS).Scaled(1e-6))
	}
	return l.publish(c.doc, "transfers", t.String(), nil)
}

// startPrimary starts an NSD with the zone, on both processors.
func (l *lab) startPrimary(d *data) (stop func(), err error) {
	for _, p := range peer.All() {
		if p.Name != "NSD" {
			continue
		}
		if err := p.Find(); err != nil {
			return nil, err
		}
		site := d.site()
		site.Role, site.Port = peer.Transfers, primaryPort
		s, _, err := l.startServer(p, site, d)
		if err != nil {
			return nil, fmt.Errorf("the primary: %w", err)
		}
		return s.Stop, nil
	}
	return nil, errors.New("NSD is not among the peers")
}

func (l *lab) transferIn(p *peer.Peer, d *data) (record, error) {
	s, took, err := l.startServer(p, peer.Site{Apexes: d.apexes, Role: peer.Secondary, Primary: primaryPort}, d, serverCPU, generatorCPU)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	if !sleep(l.ctx, 2*time.Second) { // what it still has to do, as writing the zone to disk
		return record{}, l.ctx.Err()
	}
	spent, _ := s.Usage().Since(machine.Usage{})
	m := s.Memory()
	return record{Values: map[string]float64{
		valueLength: took.Seconds(), valueCPU: spent.Seconds(), valuePeak: float64(m.Peak), valuePSS: float64(m.PSS),
	}}, nil
}

func (l *lab) transferOut(p *peer.Peer, d *data) (record, error) {
	site := d.site()
	site.Role = peer.Transfers
	s, _, err := l.startServer(p, site, d)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	before, begin := s.Usage(), time.Now()
	octets, err := readTransfer(s.at, d.apexes[0])
	if err != nil {
		return record{}, err
	}
	took := time.Since(begin)
	spent, _ := s.Usage().Since(before)
	return record{Values: map[string]float64{
		valueLength: took.Seconds(), valueCPU: spent.Seconds(), valuePeak: float64(s.Memory().Peak), valuePSS: float64(octets),
	}}, nil
}

// readTransfer reads a whole AXFR as fast as it comes, and returns the octets of its
// messages.
func readTransfer(at netip.AddrPort, apex string) (octets int64, err error) {
	const patience = time.Minute
	conn, err := net.DialTimeout("tcp", at.String(), patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	q, err := new(dns.Msg).SetAxfr(apex + ".").Pack()
	if err != nil {
		return 0, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(conn, 1<<18)
	for soas := 0; soas < 2; { // the stream ends with the SOA that it begins with
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return octets, fmt.Errorf("after %d octets: %w", octets, err)
		}
		size := int(binary.BigEndian.Uint16(head[:]))
		m, err := r.Peek(size)
		if err != nil {
			return octets, fmt.Errorf("after %d octets: %w", octets, err)
		}
		octets += int64(size)
		n, ok := countSOA(m)
		if !ok {
			return octets, errors.New("the transfer was refused or broken off")
		}
		soas += n
		_, _ = r.Discard(size) // they were there a moment ago
	}
	return octets, nil
}

// countSOA returns how many of the answers of a message are SOA records, and false if the
// message has none or is not well-formed.
func countSOA(m []byte) (n int, ok bool) {
	if len(m) < 12 || m[3]&15 != 0 || m[6]|m[7] == 0 {
		return 0, false
	}
	at := 12
	for range binary.BigEndian.Uint16(m[4:]) {
		at = skipName(m, at) + 4
	}
	for range binary.BigEndian.Uint16(m[6:]) {
		if at = skipName(m, at); at+10 > len(m) {
			return 0, false
		}
		if binary.BigEndian.Uint16(m[at:]) == dns.TypeSOA {
			n++
		}
		at += 10 + int(binary.BigEndian.Uint16(m[at+8:]))
	}
	return n, true
}

// skipName returns where the name at an offset ends.
func skipName(m []byte, at int) int {
	for at < len(m) && m[at] != 0 {
		if m[at] >= 0xc0 {
			return at + 2
		}
		at += 1 + int(m[at])
	}
	return at + 1
}
