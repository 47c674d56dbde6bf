package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// writer changes its own names of a zone, one UPDATE after the other, each under the
// condition that the one before was carried out.
type writer struct {
	zone  *crashZone
	label string
	conn  *dns.Conn // nil: none
	fails bool      // the disk of the server does, so that updates may be refused, or not be answered

	unanswered bool // no answer came for the last update, which may still be carried out

	acked atomic.Int64 // number of the last update that NOERROR came for
	sent  atomic.Int64 // this one, or the next
}

func (w *writer) owner(label string) string { return label + "." + w.label }

// records returns owner, type and data of all that is there after update n.
func (w *writer) records(n int) (list [][3]string) {
	if n == 0 {
		return nil
	}
	list = append(list, [3]string{w.owner("seq"), "TXT", text(n)})
	for i := max(1, n-ringSize+1); i <= n; i++ {
		list = append(list, [3]string{w.owner(fmt.Sprintf("r%d", i%ringSize)), "PTR", fmt.Sprintf("n%d.example.com.", i)})
	}
	if n%5 != 0 {
		list = append(list, [3]string{w.owner("odd"), "TXT", text(n)})
	}
	if last := n - n%bulkEvery; last > 0 {
		for i := range bulkSize {
			list = append(list, [3]string{w.owner(fmt.Sprintf("b%d", i)), "PTR", fmt.Sprintf("n%d.example.com.", last)})
		}
	}
	return list
}

// message returns update n.
func (w *writer) message(n int) *dns.Msg {
	z := w.zone
	m := new(dns.Msg)
	m.SetUpdate(z.apex)
	seq := z.rr(w.owner("seq"), "TXT", text(n-1))
	if n == 1 {
		m.RRsetNotUsed([]dns.RR{seq})
	} else {
		m.Used([]dns.RR{seq})
	}
	set := func(r dns.RR) {
		m.RemoveRRset([]dns.RR{r})
		m.Insert([]dns.RR{r})
	}
	set(z.rr(w.owner("seq"), "TXT", text(n)))
	ptr := fmt.Sprintf("n%d.example.com.", n)
	set(z.rr(w.owner(fmt.Sprintf("r%d", n%ringSize)), "PTR", ptr))
	if odd := z.rr(w.owner("odd"), "TXT", text(n)); n%5 != 0 {
		set(odd)
	} else {
		m.RemoveName([]dns.RR{odd})
	}
	if n%bulkEvery == 0 {
		for i := range bulkSize {
			set(z.rr(w.owner(fmt.Sprintf("b%d", i)), "PTR", ptr))
		}
	}
	return m
}

// exchangeWait is how long an answer may take; the machine may have other work.
const exchangeWait = time.Minute

// failsWait is how long to wait for an answer of a server whose disk fails: there may be
// none.
const failsWait = 5 * time.Second

// exchange sends a message over the connection of the writer and reads the answer.
func (w *writer) exchange(addr netip.AddrPort, m *dns.Msg) (*dns.Msg, error) {
	var r *dns.Msg
	err := error(nil)
	wait := exchangeWait
	if w.fails {
		wait = failsWait
	}
	if w.conn == nil {
		w.conn, err = dns.DialTimeout("tcp", addr.String(), wait)
	}
	if err == nil {
		_ = w.conn.SetDeadline(time.Now().Add(wait)) // a connection that is gone says so below
		err = w.conn.WriteMsg(m)
	}
	if err == nil {
		r, err = w.conn.ReadMsg()
	}
	switch {
	case err != nil:
		w.hangUp()
		return nil, err
	case r.Id != m.Id:
		return nil, &broken{fmt.Errorf("an answer with id %d to %v", r.Id, m)}
	}
	return r, nil
}

func (w *writer) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// broken is an error that is none of the network's.
type broken struct{ error }

// next sends the next update, after it found out what became of the last one if no
// answer came. The error is a *broken where an acknowledged update is not there.
func (w *writer) next(addr netip.AddrPort) error {
	acked, sent := w.acked.Load(), w.sent.Load()
	if acked != sent {
		m := new(dns.Msg)
		m.SetQuestion(w.owner("seq")+"."+w.zone.apex, dns.TypeTXT)
		r, err := w.exchange(addr, m)
		if err != nil {
			return err
		}
		n := int64(0)
		switch {
		case r.Rcode == dns.RcodeSuccess && len(r.Answer) == 1:
			if n, err = strconv.ParseInt(r.Answer[0].(*dns.TXT).Txt[0], 10, 64); err != nil {
				return &broken{err}
			}
		case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
			return &broken{fmt.Errorf("no answer about %s:\n%v", w.owner("seq"), r)}
		}
		if n != acked && n != sent {
			return &broken{fmt.Errorf("update %d of writer %s was acknowledged and %d sent, %d is there", acked, w.label, sent, n)}
		}
		w.acked.Store(n)
		w.sent.Store(n)
		acked = n
	}
	w.sent.Store(acked + 1)
	r, err := w.exchange(addr, w.message(int(acked+1)))
	if err != nil {
		w.unanswered = w.fails
		return err
	}
	unanswered := w.unanswered
	w.unanswered = false
	switch {
	case w.fails && r.Rcode == dns.RcodeServerFailure:
		w.sent.Store(acked) // it is not there, now or ever
		return errors.New("refused")
	case unanswered && (r.Rcode == dns.RcodeNXRrset || r.Rcode == dns.RcodeYXRrset):
		return errors.New("the one before was carried out meanwhile")
	case r.Rcode != dns.RcodeSuccess:
		return &broken{fmt.Errorf("update %d of writer %s:\n%v", acked+1, w.label, r)}
	}
	w.acked.Store(acked + 1)
	return nil
}
