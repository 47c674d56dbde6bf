package plan

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Content is a zone as it was read, whether it can be served or not.
type Content struct {
	Apex    dname.Name
	Records []zone.Record

	name  string            // of the file; empty: it is none
	read  []finding.Finding // about the text
	table *source.Table     // of the tags of the records
}

// ReadFile reads a master file.
func ReadFile(apex dname.Name, path string) *Content {
	return newContent(apex, path, func(o zonefile.Options, emit func(zone.Record)) *zonefile.Result {
		return zonefile.Load(path, o, emit)
	})
}

// ReadText reads the text of a master file. Findings about it have no position if name is empty.
func ReadText(apex dname.Name, name string, text []byte) *Content {
	return newContent(apex, name, func(o zonefile.Options, emit func(zone.Record)) *zonefile.Result {
		return zonefile.ReadBytes(name, text, o, emit)
	})
}

func newContent(apex dname.Name, name string, read func(zonefile.Options, func(zone.Record)) *zonefile.Result) *Content {
	c := &Content{Apex: apex, name: name, table: new(source.Table)}
	res := read(zonefile.Options{Origin: apex, Table: c.table, FallbackTTL: 3600, HasFallbackTTL: true}, func(r zone.Record) {
		c.Records = append(c.Records, zone.Record{Owner: r.Owner.Clone(), Type: r.Type, TTL: r.TTL, Data: slices.Clone(r.Data), Tag: r.Tag})
	})
	for _, f := range res.Findings {
		c.read = append(c.read, c.table.Locate(f))
	}
	return c
}

// Error returns the first error in the text; nil: there is none.
func (c *Content) Error() error {
	for _, f := range c.read {
		if f.Severity == finding.Error {
			return fmt.Errorf("%s", f)
		}
	}
	return nil
}

// HasSOA reports whether the text is of the zone, and not of a part of it.
func (c *Content) HasSOA() bool {
	return slices.ContainsFunc(c.Records, func(r zone.Record) bool { return r.Type == rr.TypeSOA && r.Owner.Equal(c.Apex) })
}

// Transfer reads a zone from a server by AXFR (RFC 5936), without a signature.
func Transfer(ctx context.Context, apex dname.Name, server netip.AddrPort) (*Content, error) {
	const within = 30 * time.Second // for the connection, and for each message
	fail := func(err error) error {
		return fmt.Errorf("AXFR of %v from %v: %w; allow the address of this host to transfer the zone, or give a master file", apex, server, err)
	}
	d := net.Dialer{Timeout: within}
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, fail(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	t := &dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: within, WriteTimeout: within}
	m := new(dns.Msg)
	m.SetAxfr(apex.String())
	messages, err := t.In(m, "")
	if err != nil {
		return nil, fail(err)
	}
	var text strings.Builder
	soas := 0
	for msg := range messages {
		if msg.Error != nil {
			return nil, fail(msg.Error)
		}
		for _, r := range msg.RR {
			if r.Header().Rrtype == dns.TypeSOA {
				if soas++; soas > 1 {
					continue
				}
			}
			text.WriteString(r.String() + "\n")
		}
	}
	return ReadText(apex, "", []byte(text.String())), nil
}
