// Package fcrdns confirms reverse names: an address has a name whose own addresses include it.
// This is the procedure "iprev" of RFC 8601 §3, with what a receiving mail server concludes.
//
//	address → PTR → names → A or AAAA of each → Report
//
// It sends nothing itself: a [Lookup] answers its questions, so that commands can use a client
// that walks from the root, the zones of a snapshot, or both. What a Lookup does not know stays
// unknown here: a name is wrong only if an answer says so.
package fcrdns

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Lookup returns the records of a type at the end of the aliases of a name. None without an
// error means that there are none, by NXDOMAIN or NODATA; with an error it is not known
// whether there are any. It may be called by several goroutines.
type Lookup func(ctx context.Context, name dname.Name, t rr.Type) ([]dns.RR, error)

// Result is that of RFC 8601 §2.7.3.
type Result string

// The results.
const (
	Pass      Result = "pass"      // a name leads back to the address
	Fail      Result = "fail"      // there are names, and none of them does
	TempError Result = "temperror" // it is not known
	PermError Result = "permerror" // there is no name
)

// Limits bound what one address can cost.
type Limits struct {
	// Names is how many names of an address are looked up. A receiving server that tries all
	// could be made to send thousands of questions (RFC 8601 §3); 10 is the limit of
	// RFC 7208 §4.6.4.
	Names int

	// Addresses is how many addresses of each name the Report has. All of them are compared.
	Addresses int
}

// DefaultLimits returns the limits for a Report that a person reads.
func DefaultLimits() Limits { return Limits{Names: 10, Addresses: 20} }

// Report is what is known of the names of an address.
type Report struct {
	Address netip.Addr
	Result  Result
	Names   []Name // in the order of their records, which differs from one answer to the next
	Omitted int    // names beyond the limit, which were not looked up
	Err     error  // why the names are not known
}

// Name is a name of an address.
type Name struct {
	Name      dname.Name
	Addresses []netip.Addr // of the family of the address
	Omitted   int          // addresses beyond the limit, which were compared
	Confirmed bool         // the address is one of them
	Err       error        // why its addresses are not known
}

// Confirm looks up the names of an address, and the addresses of each.
func Confirm(ctx context.Context, lookup Lookup, address netip.Addr, limits Limits) *Report {
	address = address.Unmap().WithZone("")
	r := &Report{Address: address}
	var targets []string
	targets, r.Err = ask(ctx, lookup, dname.FromAddr(address), rr.TypePTR, func(record dns.RR) string {
		if p, ok := record.(*dns.PTR); ok {
			return strings.ToLower(p.Ptr)
		}
		return ""
	})
	switch {
	case r.Err != nil:
		r.Result = TempError
		return r
	case len(targets) == 0:
		r.Result = PermError
		return r
	}
	if n := len(targets) - limits.Names; n > 0 {
		targets, r.Omitted = targets[:limits.Names], n
	}
	for _, text := range targets {
		r.Names = append(r.Names, confirm(ctx, lookup, text, address, limits.Addresses))
	}
	r.Result = r.result()
	return r
}

// result returns what the names of a report mean together. One that confirms the address is
// enough; without one it is not known as long as any is not.
func (r *Report) result() Result {
	result := Fail
	for i := range r.Names {
		if r.Names[i].Confirmed {
			return Pass
		}
		if r.Names[i].Err != nil {
			result = TempError
		}
	}
	return result
}

// confirm looks up the addresses of a name.
func confirm(ctx context.Context, lookup Lookup, text string, address netip.Addr, most int) (n Name) {
	if n.Name, n.Err = dname.Parse(text); n.Err != nil {
		return n
	}
	n.Addresses, n.Err = ask(ctx, lookup, n.Name, rr.AddressType(address), delegation.AddressOf)
	n.Confirmed = slices.Contains(n.Addresses, address)
	if more := len(n.Addresses) - most; more > 0 {
		n.Addresses, n.Omitted = n.Addresses[:most], more
	}
	return n
}

// ask returns the values of the records of a name, each once, without those that have none.
func ask[T comparable](ctx context.Context, lookup Lookup, name dname.Name, t rr.Type, value func(dns.RR) T) (out []T, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%v %v was not looked up: %w", name, t, err)
	}
	records, err := lookup(ctx, name, t)
	if err != nil {
		return nil, err
	}
	var none T
	seen := map[T]bool{none: true}
	for _, record := range records {
		if v := value(record); !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out, nil
}
