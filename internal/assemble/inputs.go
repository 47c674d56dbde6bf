package assemble

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/source"
)

// inputs are sums over all that the configuration, zones below included, says
// about one item: data decides about what is built, places about where findings
// point to.
type inputs struct {
	data, places [sha256.Size]byte
}

type summer struct{ h hash.Hash }

func (s summer) number(v uint64) { s.h.Write(binary.BigEndian.AppendUint64(nil, v)) }

func (s summer) octets(b []byte) {
	s.number(uint64(len(b)))
	s.h.Write(b)
}

func (s summer) text(t string)            { s.octets([]byte(t)) }
func (s summer) duration(d time.Duration) { s.number(uint64(d)) }
func (s summer) count(n int)              { s.number(uint64(n)) }
func (s summer) position(p source.Position) {
	s.text(p.File)
	s.count(p.Line)
	s.count(p.Col)
}

func (s summer) truth(b bool) {
	if b {
		s.number(1)
	} else {
		s.number(0)
	}
}

func (s summer) sum() (out [sha256.Size]byte) {
	s.h.Sum(out[:0])
	return out
}

func sumInputs(item *config.Zone, lists [][]made, limits *config.Limits) inputs {
	d, p := summer{sha256.New()}, summer{sha256.New()}
	p.text(item.Path)
	p.position(item.Pos)
	d.text(item.Prefix.String())
	d.octets(item.Origin)
	d.octets(item.HostsDomain)
	d.count(limits.GenerateSteps)
	d.number(uint64(limits.ZoneMemory))
	for _, files := range [][]config.File{item.Files, item.Hosts} {
		d.count(len(files))
		for _, f := range files {
			d.text(f.Path)
			p.position(f.Pos)
		}
	}
	d.count(len(item.PTR))
	for _, r := range item.PTR {
		d.text(r.Addr.String())
		d.duration(r.TTL)
		d.count(len(r.Targets))
		for _, t := range r.Targets {
			d.octets(t)
		}
		p.position(r.Pos)
	}
	d.count(len(item.Records))
	for _, r := range item.Records {
		d.octets(r.Owner)
		d.text(r.Type)
		d.text(r.Data)
		d.duration(r.TTL)
		p.position(r.Pos)
	}
	d.octets(item.Contact)
	d.octets(item.SOA.MName)
	for _, t := range []time.Duration{item.TTL, item.NSTTL, item.SOA.Refresh, item.SOA.Retry, item.SOA.Expire, item.SOA.Minimum} {
		d.duration(t)
	}
	for _, b := range []bool{item.Dynamic, takesUpdates(item), item.Explicit.NameServers, item.Explicit.Contact, item.Explicit.SOA, item.Explicit.TTL} {
		d.truth(b)
	}
	d.count(len(item.NameServers))
	for _, ns := range item.NameServers {
		d.octets(ns.Name)
		p.position(ns.Pos)
	}
	for i, list := range lists {
		d.octets(item.Apexes[i])
		d.count(len(list))
		for j := range list {
			r := &list[j]
			d.number(uint64(r.rule))
			d.octets(r.Owner)
			d.number(uint64(r.Type))
			d.number(uint64(r.TTL))
			d.octets(r.Data)
			p.number(uint64(r.Tag))
		}
	}
	return inputs{d.sum(), p.sum()}
}
