package secondary

import (
	"encoding/binary"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// timers are the REFRESH, RETRY and EXPIRE of an SOA, within bounds: whoever writes
// 0 there must not make us ask without end, and whoever writes years must not make
// us forget the zone.
type timers struct{ refresh, retry, expire time.Duration }

const (
	leastRefresh, mostRefresh = 30 * time.Second, 24 * time.Hour
	leastRetry, mostRetry     = 10 * time.Second, 24 * time.Hour

	// Without a zone there are no timers: the first try is soon repeated, later ones
	// less often.
	firstRetry, lastRetry = 10 * time.Second, 15 * time.Minute

	// notifyGap is the least time between two checks that NOTIFY asks for. A burst of
	// changes at the primary becomes few transfers.
	notifyGap = time.Second
)

// timersOf returns the timers that the SOA of a zone sets.
func timersOf(z *zone.Zone) timers {
	soa, _ := z.Get(z.Apex(), rr.TypeSOA)
	data := soa.First(nil)
	number := func(i int) time.Duration {
		return time.Duration(binary.BigEndian.Uint32(data[len(data)-20+4*i:])) * time.Second
	}
	t := timers{
		refresh: min(max(number(1), leastRefresh), mostRefresh),
		retry:   min(max(number(2), leastRetry), mostRetry),
		expire:  number(3),
	}
	// A zone that expires before it is refreshed would come and go.
	t.expire = max(t.expire, t.refresh+t.retry)
	return t
}

// backoff is the wait after so many failures in a row, for a first of d and at most
// most: a zone that cannot be served as it comes is not to be fetched every few
// seconds.
func backoff(d, most time.Duration, failures int) time.Duration {
	for ; failures > 1 && d < most; failures-- {
		d *= 2
	}
	return min(d, max(most, 0))
}

// spread returns a time between three quarters of d and d, so that zones of one
// primary do not all ask at once. random is from 0 to 1.
func spread(d time.Duration, random float64) time.Duration {
	return d - time.Duration(random*float64(d)/4)
}

// The note that keeps a zone's times: when it was checked last and when it expires,
// in Unix seconds.
const (
	notePrefix = "secondary/"
	noteTimes  = notePrefix + "times"
)

func timesNote(checked, expires time.Time) zone.Note {
	b := binary.BigEndian.AppendUint64(nil, uint64(checked.Unix()))
	return zone.Note{Key: noteTimes, Value: binary.BigEndian.AppendUint64(b, uint64(expires.Unix()))}
}

func readTimes(notes []zone.Note) (checked, expires time.Time, ok bool) {
	for _, n := range notes {
		if n.Key == noteTimes && len(n.Value) == 16 {
			at := func(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint64(b)), 0) }
			return at(n.Value), at(n.Value[8:]), true
		}
	}
	return checked, expires, false
}
