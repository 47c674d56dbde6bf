package handover

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// between is the time between two looks at all servers. A secondary transfers a zone within seconds of
// a NOTIFY, or after the refresh time of the SOA record.
const between = 2 * time.Second

// wait waits until all servers have the zone with the same serial, at most for q.Wait, and returns
// those that do not have it.
func (q *Request) wait(ctx context.Context, z *Zone) []string {
	if q.Wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	least := uint32(0)
	if q.Serial != nil {
		least = q.Serial(z)
	}
	last := ""
	behind := []string{"the servers, which did not answer"}
	for {
		now := find(ctx, z, q.Source(), q.Now()).f.behind(least)
		if ctx.Err() != nil {
			return behind // some questions had no time
		}
		if behind = now; len(behind) == 0 {
			return nil
		}
		if text := fmt.Sprintf("%v: waiting for %s", z.Apex, strings.Join(behind, ", ")); text != last && q.Progress != nil {
			q.Progress(text)
			last = text
		}
		select {
		case <-ctx.Done():
			return behind
		case <-time.After(between):
		}
	}
}

// behind returns the servers that do not have the highest serial, or the least one if that is higher,
// in serial number arithmetic (RFC 1982).
func (f *Facts) behind(least uint32) []string {
	highest := least
	for _, s := range f.Servers {
		if soa := f.soa(s); soa != nil && (highest == 0 || int32(soa.Serial-highest) > 0) {
			highest = soa.Serial
		}
	}
	var out []string
	for _, s := range f.Servers {
		switch soa := f.soa(s); {
		case soa == nil:
			out = append(out, fmt.Sprintf("%v (does not serve the zone)", s))
		case soa.Serial != highest:
			out = append(out, fmt.Sprintf("%v (serial %d, not %d)", s, soa.Serial, highest))
		}
	}
	if len(f.Servers) == 0 {
		return []string{"an address of a name server"}
	}
	return out
}
