package delegation

import (
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// rootHints has the names and addresses of the root servers, as IANA publishes them.
//
//go:embed root.hints
var rootHints string

// RootServers returns the root servers that are built in.
func RootServers() []Server {
	s, err := ReadHints(strings.NewReader(rootHints), "root.hints")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return s
}

// maxHints is far above the 26 addresses of the root servers.
const maxHints = 1000

// ReadHints reads a file of root hints: a master file with the NS records of the root and
// the addresses of the servers. name is that of the file, for errors.
func ReadHints(r io.Reader, name string) ([]Server, error) {
	var names []string
	addrs := map[string][]netip.Addr{}
	z := dns.NewZoneParser(io.LimitReader(r, 1<<20), ".", name)
	for n := 0; n < maxHints; n++ {
		record, ok := z.Next()
		if !ok {
			break
		}
		owner := strings.ToLower(record.Header().Name)
		switch v := record.(type) {
		case *dns.NS:
			if owner == "." {
				names = append(names, strings.ToLower(v.Ns))
			}
		case *dns.A, *dns.AAAA:
			addrs[owner] = append(addrs[owner], addrOf(v))
		}
	}
	if err := z.Err(); err != nil {
		return nil, fmt.Errorf("%w; a hints file is a master file with the NS records of the root and the addresses of the servers", err)
	}
	var out []Server
	for _, n := range names {
		slices.SortFunc(addrs[n], netip.Addr.Compare)
		for _, a := range addrs[n] {
			out = append(out, Server{Name: nameOf(n), Addr: netip.AddrPortFrom(a, 0)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no root server with an address; a hints file has NS records of the name `.` and A or AAAA records of the servers", name)
	}
	return out, nil
}

// addrOf returns the address of an A or AAAA record; invalid for others.
func addrOf(r dns.RR) netip.Addr {
	var a netip.Addr
	switch v := r.(type) {
	case *dns.A:
		a, _ = netip.AddrFromSlice(v.A.To4())
	case *dns.AAAA:
		a, _ = netip.AddrFromSlice(v.AAAA)
	}
	return a
}
