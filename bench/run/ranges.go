package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
)

// Suffixes of the names of servers: with the same names in a master file, and by the same rule for
// each of thousands of parts of the range.
const (
	storedSuffix = "-stored"
	manySuffix   = "-many-ranges"
)

// rangesPatience is the time in which a server has to come up that has a rule, or a million names. The
// names of dnsmasq for IPv6 are other ones, so that it is always left out there.
const rangesPatience = 20 * time.Second

// ranges measures servers that make the names of all addresses of a range, and ptrd with the same
// names stored, and by thousands of ranges, in turn.
func ranges(ctx context.Context, args []string) error {
	c := newCommon("ranges")
	sets := c.set.String("sets", "made4-1M,made6-1M", "data `sets`, as made4-1k")
	l, err := c.parse(ctx, args)
	if err != nil {
		return err
	}
	if c.quick {
		c.unlessGiven("sets", "made4-1k,made6-1k")
	}
	for _, suffix := range []string{"", storedSuffix, manySuffix} {
		for one := range strings.SplitSeq(c.ptrd, ",") {
			name, path, ok := strings.Cut(one, "=")
			if !ok {
				return fmt.Errorf("--ptrd %q is not NAME=PATH", one)
			}
			p, err := peer.Ptrd(name+suffix, path)
			if err != nil {
				return err
			}
			l.peers = append(l.peers, p)
		}
	}
	l.addPeers(peer.Makers())
	if err := l.recordVersions(); err != nil {
		return err
	}
	for _, set := range list(*sets) {
		d, err := l.openData(set)
		if err != nil {
			return err
		}
		if err := d.set.WriteEmpty(filepath.Join(l.dir, "data")); err != nil {
			return err
		}
		if err := l.rangesOf(d, c.load()); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return l.publish(c.doc, "ranges", l.rangeTables(), nil)
}

// rangesOf measures one set.
func (l *lab) rangesOf(d *data, o loadOptions) error {
	servers := l.startEach(d, "udp", rangesPatience, func(p *peer.Peer) peer.Site {
		site := d.site()
		if p != nil && !strings.HasSuffix(p.Name, storedSuffix) {
			site.Role, site.Zones = peer.Ranges, d.Empty
			if strings.HasSuffix(p.Name, manySuffix) {
				site.Role = peer.ManyRanges
			}
		}
		return site
	})
	defer func() {
		for _, s := range servers {
			s.Stop()
		}
	}()
	return l.inTurn(kindRanges, d.set.Name, servers, func(*server) (*data, string) { return d, d.set.Name }, o)
}

// rangeTables returns a table for each set, and a sentence about made and stored names.
func (l *lab) rangeTables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. Median of all runs, in brackets the least and the greatest.\n\n", l.text(kindMachine, ""))
	for _, set := range report.Keys(l.of(kindRanges, "", ""), setOf) {
		fmt.Fprintf(&b, "%s\n", l.loadTable(kindRanges, set))
		for _, s := range report.Keys(l.of(kindRanges, set, ""), serverOf) {
			stored, many := l.of(kindRanges, set, s+storedSuffix), l.of(kindRanges, set, s+manySuffix)
			if stored == nil {
				continue
			}
			fmt.Fprintf(&b, "An answer with a made name costs %s %v times as much as one with a stored name", s, ratio(l.of(kindRanges, set, s), stored))
			if many != nil {
				fmt.Fprintf(&b, "; %v times with a rule for each of 16,384 parts of the range", ratio(many, stored))
			}
			b.WriteString(". Both are medians of the rounds.\n\n")
		}
	}
	var versions []string
	for _, s := range report.Keys(l.of(kindRanges, "", ""), serverOf) {
		if v := l.text(kindVersion, s); v != "" && !strings.HasSuffix(s, storedSuffix) && !strings.HasSuffix(s, manySuffix) {
			versions = append(versions, s+" "+v)
		}
	}
	fmt.Fprintf(&b, "Versions: %s.\n", strings.Join(versions, ", "))
	return b.String()
}
