package admin

import (
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

func (s sink) transfers(x Transfers) {
	for name, counts := range map[string]map[string]uint64{
		"ptrd_transfer_answers_total": x.Answers, "ptrd_transfer_records_total": x.Records, "ptrd_transfer_bytes_total": x.Octets,
		"ptrd_notify_out_total": x.Notifies,
	} {
		for label, n := range counts {
			s.count(name, n, label)
		}
	}
}

// maxPairs is up to how many pairs of a zone and a secondary each has its own metrics.
const maxPairs = 5 * maxZoneSeries

// downstream sends the metrics of servers that are notified, of single ones if zones does.
func (s sink) downstream(list []Downstream, v *answer.View, now time.Time) {
	each := s.hasZones(v) && len(list) <= maxPairs
	states := map[string]int{"current": 0, "waiting": 0, "failing": 0}
	var longest, ratio float64
	for i := range list {
		x := &list[i]
		behind := 0.0
		if !x.Behind.IsZero() {
			behind = now.Sub(x.Behind).Seconds()
		}
		switch {
		case x.Failing:
			states["failing"]++
		case behind > 0:
			states["waiting"]++
		default:
			states["current"]++
		}
		longest = max(longest, behind)
		if x.Expire > 0 {
			ratio = max(ratio, behind/x.Expire.Seconds())
		}
		if !each {
			continue
		}
		s.gauge("ptrd_zone_secondary_behind_seconds", behind, x.Zone, x.Address.String())
		if x.HasSerial {
			s.gauge("ptrd_zone_secondary_serial", float64(x.Serial), x.Zone, x.Address.String())
		}
	}
	for state, n := range states {
		s.gauge("ptrd_zone_secondaries", float64(n), state)
	}
	s.gauge("ptrd_zone_secondaries_behind_seconds", longest)
	s.gauge("ptrd_zone_secondaries_expiry_ratio", ratio)
}

// state sends the metrics of the server as a whole.
func (s sink) state(x State) {
	for c, n := range x.Conditions {
		s.gauge("ptrd_conditions", float64(n), c.Name, c.Severity)
	}
	if x.HasFree {
		s.gauge("ptrd_state_free_bytes", float64(x.Free))
	}
	for listener, at := range x.Certificates {
		s.gauge("ptrd_certificate_expiry_timestamp_seconds", unix(at), listener)
	}
}

// signedUntil returns when the signature over the SOA of a zone expires; zero: there is none.
func signedUntil(z *zone.Zone, now time.Time) time.Time {
	soa, ok := z.Get(z.Apex(), rr.TypeSOA)
	if !ok || soa.Sigs() == 0 {
		return time.Time{}
	}
	it := soa.SigData()
	it.Next()
	return rr.SignatureEnd(it.Head, now)
}

// fcrdns sends what audits found.
func (s sink) fcrdns(x FCRDNS) {
	if x.All == nil {
		return
	}
	for state, n := range x.All {
		s.gauge("ptrd_fcrdns_addresses", float64(n), state)
	}
	for zone, states := range x.Zones {
		for state, n := range states {
			s.gauge("ptrd_fcrdns", float64(n), zone, state)
		}
	}
	s.gauge("ptrd_fcrdns_completed_timestamp_seconds", unix(x.Completed))
}

// derived sends what zones derive, of single ones if zones does, and the files that it comes from.
func (s sink) derived(x Derived, v *answer.View) {
	all := map[string]int{"records": 0, "conflicts": 0, "drift": 0}
	for _, z := range x.Zones {
		for kind, n := range map[string]int{"records": z.Records, "conflicts": z.Conflicts, "drift": z.Drifted} {
			all[kind] += n
			if s.hasZones(v) {
				s.gauge("ptrd_zone_derived", float64(n), z.Zone, kind)
			}
		}
	}
	for kind, n := range all {
		s.gauge("ptrd_derived_"+kind, float64(n))
	}
	for _, f := range x.Files {
		s.gauge("ptrd_lease_file_usable", bit(!f.Failing), f.Path)
		s.gauge("ptrd_lease_file_names", float64(f.Names), f.Path)
		s.gauge("ptrd_lease_file_skipped", float64(f.Skipped), f.Path)
		if !f.Read.IsZero() {
			s.gauge("ptrd_lease_file_read_timestamp_seconds", unix(f.Read), f.Path)
		}
	}
}

// hasZones reports whether single zones have metrics.
func (sink) hasZones(v *answer.View) bool {
	return v != nil && (v.Policy.CountsZones || v.Zones.Len() <= maxZoneSeries)
}

// secondaries sends the metrics of secondary zones, of single ones if zones does.
func (s sink) secondaries(x Secondaries, v *answer.View) {
	each := s.hasZones(v)
	good, ratio := 0, 0.0
	for _, z := range x.Zones {
		if span := z.Expires.Sub(z.Checked); !z.Checked.IsZero() && span > 0 {
			ratio = max(ratio, min(1, time.Since(z.Checked).Seconds()/span.Seconds()))
		}
		if z.Good {
			good++
		}
		if each && !z.Checked.IsZero() {
			s.gauge("ptrd_secondary_checked_timestamp_seconds", unix(z.Checked), z.Zone)
		}
		if each && !z.Expires.IsZero() {
			s.gauge("ptrd_secondary_expires_timestamp_seconds", unix(z.Expires), z.Zone)
		}
	}
	s.gauge("ptrd_secondary_zones_expiry_ratio", ratio)
	s.gauge("ptrd_secondary_zones", float64(good), "good")
	s.gauge("ptrd_secondary_zones", float64(len(x.Zones)-good), "failed")
	for what, n := range x.Counts {
		s.count("ptrd_secondary_checks_total", n, what)
	}
	for result, n := range x.Notifies {
		s.count("ptrd_notify_total", n, result)
	}
	s.count("ptrd_secondary_records_total", x.Records)
}

func (s sink) zones(v *answer.View, lastGood int) {
	if v == nil {
		return
	}
	each := s.hasZones(v)
	now, first := time.Now(), time.Time{}
	var unavailable, records int
	var bytes int64
	for z := range v.Zones.All() {
		if !z.IsAvailable() {
			unavailable++
			continue
		}
		n := z.Stats()
		records += n.Records
		bytes += n.Bytes
		until := signedUntil(z, now)
		if !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
		if !each {
			continue
		}
		name := z.Apex().String()
		s.gauge("ptrd_zone_serial", float64(z.Serial()), name)
		s.gauge("ptrd_zone_records", float64(n.Records), name)
		s.gauge("ptrd_zone_bytes", float64(n.Bytes), name)
		if !until.IsZero() {
			s.gauge("ptrd_zone_signature_expiry_timestamp_seconds", unix(until), name)
		}
		if own := v.Policy.Zones.Of(z); own != nil && own.Queries != nil {
			s.count("ptrd_zone_queries_total", own.Queries.Load(), name)
		}
	}
	if !first.IsZero() {
		s.gauge("ptrd_signatures_expiry_timestamp_seconds", unix(first))
	}
	s.gauge("ptrd_zones", float64(v.Zones.Len()-unavailable-lastGood), "served")
	s.gauge("ptrd_zones", float64(lastGood), "last_good")
	s.gauge("ptrd_zones", float64(unavailable), "unavailable")
	s.gauge("ptrd_records", float64(records))
	s.gauge("ptrd_zone_data_bytes", float64(bytes))
}
