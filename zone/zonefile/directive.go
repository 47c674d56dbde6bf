package zonefile

import (
	"bytes"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

func isDirective(t *token) bool {
	for _, d := range [...]string{"$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"} {
		if t.is(d) {
			return true
		}
	}
	return false
}

// directive reads a line that starts with $.
func (p *parser) directive(f *frame, toks []token) {
	t, args := &toks[0], toks[1:]
	s := subject{f: f}
	var bad *fault
	switch {
	case t.is("$ORIGIN"):
		if bad = arguments(t, args, 1, 1, "$ORIGIN name"); bad == nil {
			bad = p.originLine(f, &args[0])
		}
	case t.is("$TTL"):
		if bad = arguments(t, args, 1, 1, "$TTL seconds"); bad == nil {
			v, k := rr.ParsePeriod(args[0].text)
			if k != rr.IsPeriod || args[0].quoted {
				bad = args[0].at(0, "bad-ttl", "%s is not a TTL; write seconds up to %d, or units as in 1h30m", quote(args[0].text), maxTTL)
				break
			}
			p.defaultTTL, p.hasDefaultTTL = p.limitTTL(s, &args[0], v), true
		}
	case t.is("$INCLUDE"):
		if bad = arguments(t, args, 1, 2, "$INCLUDE file [origin]"); bad == nil {
			bad = p.include(f, args)
		}
	case t.is("$GENERATE"):
		bad = p.generate(f, t, args)
	default:
		bad = t.at(0, "unknown-directive", "%s is not a directive; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE%s", quote(t.text), dollarHint(t.text))
	}
	if bad != nil {
		if !t.is("$ORIGIN") && !t.is("$INCLUDE") && !t.is("$GENERATE") {
			p.loseTTL() // it may be a $TTL that is misspelt
		}
		if !t.is("$GENERATE") {
			bad = bad.hinted(args)
		}
		p.fail(s, bad)
	}
}

func dollarHint(text []byte) string {
	if i := strings.IndexAny(string(text), "{([."); i == 1 || len(text) == 1 {
		return "; a $ that a template or $GENERATE should have replaced was left over, or write \\$ for an owner name that starts with it"
	}
	return ""
}

// arguments checks how many fields follow a directive.
func arguments(t *token, args []token, least, most int, form string) *fault {
	if len(args) < least {
		last := t
		if len(args) > 0 {
			last = &args[len(args)-1]
		}
		return last.behind("missing-argument", "%s lacks an argument; write %s", strings.ToUpper(string(t.text)), form)
	}
	if len(args) > most {
		return extra(&args[most])
	}
	return nil
}

// originLine reads the name of an $ORIGIN.
func (p *parser) originLine(f *frame, t *token) *fault {
	origin, form, bad := dname.AppendText(nil, t.text, f.origin)
	if bad != nil {
		return t.at(bad.Offset, "bad-name", "$ORIGIN %s: %s", quote(t.text), bad.Reason)
	}
	p.lint.origin(p, f, t, origin, form)
	f.setOrigin(origin, t.line)
	if form.Relative {
		f.undotted = &token{text: bytes.Clone(t.text), line: t.line, col: t.col}
	}
	f.afterOrigin = f.owner.name != nil
	return nil
}
