package handover

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fixed answers each question with one message.
type fixed struct {
	*model
	reply *dns.Msg
}

func (s *fixed) Ask(context.Context, netip.Addr, Question) (*dns.Msg, string) {
	return s.reply.Copy(), ""
}

// FuzzCheck: no reply of a server makes a rule fail.
func FuzzCheck(f *testing.F) {
	for _, m := range []*model{newModel(), newModel().sign(0).cds(), func() *model {
		m := newModel().sign(0).put("@ NSEC3PARAM 1 0 0 -")
		m.nsec3 = true
		return m
	}()} {
		for _, q := range append(first(m.zone), questions(m.zone, nil)...) {
			if r, _ := m.Ask(f.Context(), m.servers()[0], q); r != nil {
				if b, err := r.Pack(); err == nil {
					f.Add(b)
				}
			}
		}
	}
	m := newModel().sign(0)
	z := m.handover()
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(dns.Msg)
		if r.Unpack(b) != nil {
			return
		}
		facts := Collect(t.Context(), z, &fixed{m, r}, time.Unix(1800000000, 0))
		for _, n := range facts.Check(all) {
			if n.Tag == "" || n.Text == "" || len(n.Where) == 0 {
				t.Errorf("%+v", n)
			}
		}
	})
}
