package answer

import (
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// identify answers questions of class CH about the server itself: id.server (RFC
// 4892 §3) and the older names that BIND made common. Everything else in that
// class is refused.
func (r *Responder) identify(v *View, q *Request, buf []byte) (int, Verdict) {
	m := &r.m
	var text string
	switch string(m.question.Name.AppendLower(r.key[:0])) {
	case "\x07version\x04bind\x00", "\x07version\x06server\x00":
		text = v.Policy.Version
	case "\x02id\x06server\x00", "\x08hostname\x04bind\x00":
		text = v.Policy.Server
	}
	if text == "" || m.question.Type != rr.TypeTXT && m.question.Type != rr.TypeANY {
		return r.fail(v, q, buf, wire.RCodeRefused, CountNotOurs, wire.EDENotAuthoritative, "")
	}
	r.begin(v.Policy, buf)
	data := append(r.key[:0], 0)
	data = append(data, text[:min(len(text), len(r.key)-1)]...) // one character-string
	data[0] = byte(len(data) - 1)
	owner := wire.Owner{Name: dname.Name(m.question.Name)}
	f := wire.AA
	if !r.w.Record(wire.Answer, &owner, rr.TypeTXT, rr.ClassCH, 0, data, nil) {
		f |= wire.TC
	}
	return r.finish(v.Policy, q, f, wire.RCodeNoError, CountIdentity, 0, "")
}
