package delegation

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// rootHints has the names and addresses of the root servers, as IANA publishes them.
//
//go:embed root.hints
var rootHints []byte

// RootServers returns the root servers that are built in.
func RootServers() []Server {
	var h hints
	s, err := h.servers("root.hints", zonefile.ReadBytes("root.hints", rootHints, h.options(), h.add))
	if err != nil {
		panic(err) // the file is part of the program
	}
	return s
}

// LoadHints reads a file of root hints: a master file with the NS records of the root and
// the addresses of the servers.
func LoadHints(path string) ([]Server, error) {
	var h hints
	return h.servers(path, zonefile.Load(path, h.options(), h.add))
}

// hints collects the records of a hints file.
type hints struct {
	table source.Table
	names []dname.Name
	addrs map[string][]netip.Addr // by the key of the server name
}

func (h *hints) options() zonefile.Options {
	return zonefile.Options{Origin: dname.Root(), Table: &h.table, HasFallbackTTL: true}
}

func (h *hints) add(r zone.Record) {
	switch {
	case r.Type == rr.TypeNS && r.Owner.IsRoot():
		h.names = append(h.names, dname.Name(r.Data).AppendLower(nil))
	case r.Type == rr.TypeA || r.Type == rr.TypeAAAA:
		a, _ := netip.AddrFromSlice(r.Data)
		if h.addrs == nil {
			h.addrs = map[string][]netip.Addr{}
		}
		h.addrs[r.Owner.Key()] = append(h.addrs[r.Owner.Key()], a)
	}
}

// servers returns the root servers with their addresses.
func (h *hints) servers(path string, res *zonefile.Result) (out []Server, err error) {
	for _, f := range res.Findings {
		if f.Severity == finding.Error {
			return nil, errors.New(h.table.Locate(f).String())
		}
	}
	for _, n := range h.names {
		for _, a := range h.addrs[n.Key()] {
			out = append(out, Glue{n, a}.server())
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s: no root server with an address; a hints file has NS records of the name `.` and A or AAAA records of the servers", path)
	}
	return out, nil
}
