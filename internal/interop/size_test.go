package interop

import (
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// optSize is the length of an OPT RR without options (RFC 6891 §6.1.2).
const optSize = 11

// limit is the size that the client gave.
func (w way) limit() int {
	switch {
	case w.tcp:
		return dns.MaxMsgSize
	case w.size < dns.MinMsgSize:
		return dns.MinMsgSize
	}
	return int(w.size)
}

// fullSize is the length of ptrd's whole response in this way.
func (c *comparison) fullSize() int {
	n := c.full.size
	if c.way.size > 0 && !c.way.do { // c.full was asked for without EDNS
		n += optSize
	}
	return n
}

// holdTC demands that TC is set if, and only if, what a response must hold does not fit.
// Additional data that is no required glue may be left out (RFC 2181 §9).
func holdTC(c *comparison) error {
	fits := c.fullSize() <= c.way.limit()
	switch {
	case fits && c.ours.tc:
		return fmt.Errorf("TC although all %d octets fit", c.fullSize())
	case !fits && !c.ours.tc && c.full.kind() == kindReferral && join(c.full.additional) == join(c.full.glue()):
		return errors.New("no TC although required glue does not fit")
	case !fits && !c.ours.tc && len(c.full.additional) == 0:
		return fmt.Errorf("no TC although %d octets do not fit", c.fullSize())
	}
	return nil
}
