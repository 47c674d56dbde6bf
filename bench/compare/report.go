package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// count adds to the outcomes of a kind: the RCODE of the first message, whether it has
// an answer, and whether there are more.
func (c *comparison) count(kind string, messages [][]byte) {
	if c.outcomes[kind] == nil {
		c.outcomes[kind] = map[string]int{}
	}
	o := c.outcomes[kind]
	if len(messages) == 0 || len(messages[0]) < 12 {
		o["none"]++
		return
	}
	m := messages[0]
	o[dns.RcodeToString[int(m[3]&15)]]++
	if m[2]&2 != 0 {
		o["TC"]++
	}
	if m[6]|m[7] != 0 {
		o["with answer"]++
	}
	if len(messages) > 1 {
		o["several messages"]++
	}
}

func (c *comparison) differ(kind, text string) {
	c.differences++
	c.byKind[kind]++
	if len(c.shown) < c.show {
		c.shown = append(c.shown, text)
	}
}

func (c *comparison) describe(way string, r *request, ours, theirs [][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s over %s, udp_size %d, cookies %s\n%s", r.kind, way, c.value.udpSize, c.value.require, messageText(r.octets(c.sides[0])))
	for k, list := range [][][]byte{ours, theirs} {
		fmt.Fprintf(&b, "--- %s sends %d messages\n", c.sides[k].name, len(list))
		for i, m := range list {
			if len(list) == 1 || i >= len([][][]byte{theirs, ours}[k]) || !bytes.Equal(c.sides[0].serials.mask(ours[i]), c.sides[1].serials.mask(theirs[i])) {
				b.WriteString(messageText(m))
				break
			}
		}
	}
	return b.String()
}

// messageText returns a message in words, as far as it can be parsed, and its octets.
func messageText(m []byte) string {
	const most = 700
	var text string
	if p := new(dns.Msg); p.Unpack(m) == nil {
		text = p.String()
	}
	if len(text) > 4*most {
		text = text[:4*most] + "…"
	}
	if len(m) > most {
		return fmt.Sprintf("%d octets, %x…\n%s\n", len(m), m[:most], text)
	}
	return fmt.Sprintf("%d octets, %x\n%s\n", len(m), m, text)
}

// compareNotifies compares the forms of NOTIFY messages that came, without the serials:
// how often one is sent depends on how fast changes follow each other.
func (c *comparison) compareNotifies() error {
	forms := map[*side][]string{}
	for _, s := range c.sides {
		set := map[string]bool{}
		for len(s.notified.seen) > 0 {
			m := s.notified.seen
			b := <-m
			binary.BigEndian.PutUint16(b, 0)
			c.events["NOTIFY received"]++
			if _, next, ok := nameAt(b, 12); ok {
				set[fmt.Sprintf("%x", b[:next+4])] = true
			}
		}
		forms[s] = slices.Sorted(maps.Keys(set))
	}
	ours, theirs := forms[c.sides[0]], forms[c.sides[1]]
	if !slices.Equal(ours, theirs) {
		c.differ("NOTIFY sent", fmt.Sprintf("NOTIFY messages, up to the question: this\n%s\nother\n%s", strings.Join(ours, "\n"), strings.Join(theirs, "\n")))
	}
	return nil
}

// report prints what was asked and what differs.
func (c *comparison) report(w io.Writer) {
	for _, text := range c.shown {
		fmt.Fprintln(w, text)
	}
	for _, k := range slices.Sorted(maps.Keys(c.asked)) {
		fmt.Fprintf(w, "%8d  %-28s %6d differ ", c.asked[k], k, c.byKind[k])
		for _, o := range slices.Sorted(maps.Keys(c.outcomes[k])) {
			fmt.Fprintf(w, "  %s %d", o, c.outcomes[k][o])
		}
		fmt.Fprintln(w)
	}
	for _, k := range slices.Sorted(maps.Keys(c.events)) {
		fmt.Fprintf(w, "%8d  %s\n", c.events[k], k)
	}
	for _, s := range c.sides {
		if s.unasked > 0 {
			fmt.Fprintf(w, "%8d  messages of %s that answer nothing\n", s.unasked, s.name)
		}
	}
	fmt.Fprintf(w, "%d requests, %d response messages, %d differences\n", c.total(), c.responses, c.differences)
}
