package secondary

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Handle answers a NOTIFY (RFC 1996) and requests a check of its zone. The addresses of the
// primaries may send one, signed or not, and the Notifiers. A forged NOTIFY causes at most one SOA
// query a second.
func (k *Follower) Handle(_ context.Context, r *deferred.Request) {
	q := r.Question()
	rcode, ede := k.notified(q.Name, r.Client.Addr(), r.Key, r.Message)
	if rcode != wire.RCodeNoError {
		k.totals.Refused.Add(1)
		k.o.Log.LogAttrs(context.Background(), slog.LevelDebug, "NOTIFY refused", r.LogAttrs()...)
		_ = r.Fail(rcode, ede, "") // the sender may be gone
		return
	}
	r.Begin(0)
	_ = r.Send(wire.AA, wire.RCodeNoError, 0, "")
}

// notified handles a NOTIFY of the zone at apex and returns the RCODE and extended error of the answer.
func (k *Follower) notified(apex dname.Name, from netip.Addr, key *tsig.Key, msg []byte) (wire.RCode, uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tasks[apex.Key()]
	if t == nil {
		return wire.RCodeNotAuth, wire.EDENotAuthoritative
	}
	from = from.Unmap().WithZone("")
	preferred := -1
	for i := range t.conf.Primaries {
		if t.conf.Primaries[i].Address.Addr() == from {
			preferred = i
			break
		}
	}
	if preferred < 0 && !t.conf.Notifiers.Allow(from, key) {
		return wire.RCodeRefused, wire.EDEProhibited
	}
	// RFC 1996 §3.7: the records in it are hints.
	if serial, ok := hintedSerial(msg); ok && t.failures == 0 && t.good != nil && t.served.IsAvailable() && !t.good.Serial().Before(serial) {
		k.totals.Needless.Add(1)
		return wire.RCodeNoError, 0
	}
	k.totals.Notified.Add(1)
	if preferred >= 0 {
		t.preferred = preferred
	}
	k.requestCheck(t, t.tried.Add(notifyGap))
	return wire.RCodeNoError, 0
}

// hintedSerial returns the serial of the SOA in the answer section of a NOTIFY, if it has one.
func hintedSerial(msg []byte) (serial zone.Serial, ok bool) {
	h, _ := wire.ReadHeader(msg)
	q, off := wire.ReadQuestion(msg, wire.HeaderLen)
	if off < 0 || h.Answers == 0 {
		return 0, false
	}
	raw, next := wire.ReadRecord(msg, off)
	if next < 0 || raw.Type != rr.TypeSOA || raw.Class != rr.ClassIN {
		return 0, false
	}
	data, ok := wire.AppendRData(nil, msg, raw, next)
	if !ok {
		return 0, false
	}
	s, err := soaOf(&zone.Record{Owner: q.Name, Data: data})
	return s.serial, err == nil
}
