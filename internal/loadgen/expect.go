package loadgen

import (
	"fmt"
	"io"
	"strings"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// maxExpected bounds the memory of Expectations to about a gigabyte.
	maxExpected = 4 << 20

	// maxExamples is how many differences are shown: the first ones show what is
	// wrong, and the others are counted.
	maxExamples = 10
)

// Expectations are the right answers to questions of type PTR, by name. Questions
// for other names and types are not compared.
type Expectations struct {
	byName map[string]*expected // key: lower-case wire form
}

// expected is the right answer for one name.
type expected struct {
	rcode   wire.RCode
	targets []dname.Name // all of them; none: NXDOMAIN or NODATA
}

// Difference is an answer other than the expected one.
type Difference struct {
	Name     string `json:"name"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// ReadExpectations reads a file of names and what they lead to: the target of
// their PTR record, a line each if they have several, or NXDOMAIN, or NODATA. Lines that begin
// with `;` are ignored. name stands for the file in positions.
func ReadExpectations(name string, r io.Reader) (*Expectations, error) {
	x := &Expectations{byName: map[string]*expected{}}
	err := readLines(name, r, func(at finding.Position, words []field) error {
		owner, err := parseName(at, words[0])
		if err != nil {
			return err
		}
		at.Col = words[0].col
		if len(words) != 2 {
			return fmt.Errorf("%v: %v: %d words, a line has two, a name and its target, or NXDOMAIN, or NODATA", at, owner, len(words))
		}
		rcode, target := wire.RCodeNoError, dname.Name(nil)
		switch words[1].text {
		case "NXDOMAIN":
			rcode = wire.RCodeNXDomain
		case "NODATA":
		default:
			if target, err = parseName(at, words[1]); err != nil {
				return err
			}
		}
		e := x.byName[owner.Key()]
		switch {
		case e == nil && len(x.byName) == maxExpected:
			return fmt.Errorf("%v: %v: more than %d names; take a sample", at, owner, maxExpected)
		case e == nil:
			e = &expected{rcode: rcode}
			x.byName[owner.Key()] = e
		case e.rcode != rcode || (target == nil) != (len(e.targets) == 0):
			return fmt.Errorf("%v: %v: %s, but %v is expected by an earlier line; keep one of them", at, owner, words[1].text, e)
		}
		if target != nil && !contains(e.targets, target) {
			e.targets = append(e.targets, target)
		}
		return nil
	})
	if err == nil && len(x.byName) == 0 {
		err = fmt.Errorf("%s: there is no name in it; a line has a name and its target, or NXDOMAIN, or NODATA", name)
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// Len returns the number of names.
func (x *Expectations) Len() int { return len(x.byName) }

// compare compares the answer to a question, in wire form, with what is expected.
func (x *Expectations) compare(question []byte, a *reply, c *counts) {
	n := len(question) - 4
	if rr.Type(question[n])<<8|rr.Type(question[n+1]) != rr.TypePTR {
		return
	}
	var key [dname.MaxWire]byte
	e := x.byName[string(dname.Name(question[:n]).AppendLower(key[:0]))]
	if e == nil {
		return
	}
	c.compared++
	if a.header.Flags&wire.TC != 0 && a.rcode == wire.RCodeNoError && len(e.targets) > 0 || e.isMet(a) {
		return // a truncated answer says nothing about what is not in it
	}
	c.different++
	if len(c.examples) < maxExamples {
		c.examples = append(c.examples, Difference{
			Name:     dname.Name(question[:n]).String(),
			Expected: e.String(),
			Got:      a.String(),
		})
	}
}

// isMet reports whether the targets are those expected, in any order.
func (e *expected) isMet(a *reply) bool {
	if a.rcode != e.rcode {
		return false
	}
	var buf [dname.MaxWire]byte
	n := 0
	for ; ; n++ {
		t := a.target(buf[:], n)
		if t == nil {
			break
		}
		if !contains(e.targets, t) {
			return false
		}
	}
	return n == len(e.targets)
}

func contains(list []dname.Name, n dname.Name) bool {
	for _, m := range list {
		if m.Equal(n) {
			return true
		}
	}
	return false
}

func (e *expected) String() string { return outcome(e.rcode, e.targets) }

func (a *reply) String() string {
	var targets []dname.Name
	for n := 0; ; n++ {
		t := a.target(make([]byte, 0, dname.MaxWire), n)
		if t == nil {
			return outcome(a.rcode, targets)
		}
		targets = append(targets, t)
	}
}

// outcome describes an answer in the words of the file.
func outcome(c wire.RCode, targets []dname.Name) string {
	if c != wire.RCodeNoError {
		return c.String()
	}
	if len(targets) == 0 {
		return "NODATA"
	}
	texts := make([]string, len(targets))
	for i, t := range targets {
		texts[i] = t.String()
	}
	return strings.Join(texts, " ")
}
