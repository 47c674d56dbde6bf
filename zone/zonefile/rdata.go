package zonefile

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// rdata turns the tokens behind a type into RDATA in wire form. It is used again for one record
// after the other.
type rdata struct {
	rr.Parser
	out   []byte
	words []rr.Word
	typ   *token
	toks  []token
}

// ParseRData reads RDATA of type t in presentation form, as it follows the
// type in a master file; relative names start at origin. The error's text starts
// with the column, counted from 1 in octets of text.
func ParseRData(t rr.Type, text string, origin dname.Name) ([]byte, error) {
	if t.IsMeta() {
		return nil, fmt.Errorf("%v is not a type of stored data (RFC 6895 §3.1)", t)
	}
	var lex lexer
	lex.reset([]byte(strings.TrimRight(text, " \t\r\n")))
	lex.next()
	bad := lex.fault
	if bad == nil && lex.pos < lex.end {
		bad = &fault{line: lex.line, col: 1, text: "more than one line; write the data of one record, in parentheses if it needs more lines"}
	}
	var r rdata
	if bad == nil && !r.read(t, &token{line: 1, col: 1}, lex.toks, origin) {
		bad = r.place(r.firstError())
	}
	switch {
	case bad == nil:
		return r.out, nil
	case bad.line > 1:
		return nil, fmt.Errorf("line %d, column %d: %s", bad.line, bad.col, bad.text)
	}
	return nil, fmt.Errorf("column %d: %s", bad.col, bad.text)
}

// read makes out from toks; typ is the token of the type. It returns false if Faults has an error.
func (r *rdata) read(t rr.Type, typ *token, toks []token, origin dname.Name) (ok bool) {
	r.typ, r.toks = typ, toks
	r.words = r.words[:0]
	for i := range toks {
		r.words = append(r.words, rr.Word{Text: toks[i].text, Quoted: toks[i].quoted, Joined: toks[i].joined})
	}
	r.out, ok = r.Parse(r.out[:0], t, r.words, origin)
	return ok
}

// firstError returns the first fault that is an error.
func (r *rdata) firstError() *rr.Fault {
	for i := range r.Faults {
		if !r.Faults[i].Warning {
			return &r.Faults[i]
		}
	}
	return nil
}

// tokenOf returns the token that a fault is about.
func (r *rdata) tokenOf(f *rr.Fault) *token {
	if f.Word < 0 || len(r.toks) == 0 {
		return r.typ
	}
	return &r.toks[f.Word]
}

// place returns a fault with its place in the file.
func (r *rdata) place(f *rr.Fault) *fault {
	t := r.tokenOf(f)
	if f.Behind {
		return t.behind(f.Rule, "%s", f.Text)
	}
	return t.at(f.Offset, f.Rule, "%s", f.Text)
}
