package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// write returns the item of the parent with its `delegate` entries, each on a line of its own.
func (p *parent) write() string {
	var b strings.Builder
	fmt.Fprintf(&b, "zones:\n  - prefix: %v\n", p.prefix)
	b.WriteString(p.way.key(4))
	b.WriteString("    delegate:\n")
	for _, m := range p.parts {
		for _, prefix := range m.part.pieces() {
			fmt.Fprintf(&b, "      - {prefix: %s", scalar(prefix.String()))
			switch {
			case m.part.DName != "":
				fmt.Fprintf(&b, ", dname: %s}", scalar(m.part.DName))
			default:
				fmt.Fprintf(&b, ", nameservers: %s%s}", servers(m.part.Servers), m.part.inline())
			}
			if m.Note != "" {
				fmt.Fprintf(&b, " # %s", m.Note)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// pieces returns the prefixes that are delegated one by one.
func (p *Part) pieces() []netip.Prefix {
	if p.Style != "address" {
		return []netip.Prefix{p.Prefix}
	}
	var list []netip.Prefix
	for a := p.Prefix.Addr(); p.Prefix.Contains(a); a = a.Next() {
		list = append(list, netip.PrefixFrom(a, a.BitLen()))
	}
	return list
}

// inline returns the keys of a delegation but for its prefix and its servers.
func (p *Part) inline() (text string) {
	switch {
	case p.Label != "":
		text = ", label: " + scalar(p.Label)
	case p.Style != "" && p.Style != "address" && p.Style != "range":
		text = ", style: " + p.Style
	}
	if len(p.DS) > 0 {
		text += ", ds: [" + quoted(p.DS) + "]"
	}
	return text
}

// key returns the line that names a classless zone; none for the default.
func (w Way) key(indent int) string {
	switch {
	case w.Label != "":
		return fmt.Sprintf("%*slabel: %s\n", indent, "", scalar(w.Label))
	case w.Style != "" && w.Style != "address" && w.Style != "range":
		return fmt.Sprintf("%*sstyle: %s\n", indent, "", w.Style)
	}
	return ""
}

// scalar returns s as a YAML scalar in a flow mapping.
func scalar(s string) string {
	if strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-/") == "" && !strings.HasPrefix(s, "-") {
		return s
	}
	return strconv.Quote(s)
}

// quoted returns a list of YAML scalars in single quotes.
func quoted(list []string) string {
	var words []string
	for _, s := range list {
		words = append(words, "'"+strings.ReplaceAll(s, "'", "''")+"'")
	}
	return strings.Join(words, ", ")
}

// plain returns a name without its final dot, as configurations have it.
func plain(n dname.Name) string {
	if n.Labels() < 2 {
		return n.String()
	}
	return strings.TrimSuffix(n.String(), ".")
}

// servers returns name servers as a flow sequence.
func servers(list []config.NameServer) string {
	var words []string
	for _, s := range list {
		word := scalar(plain(s.Name))
		if len(s.Addresses) > 0 {
			var addresses []string
			for _, a := range s.Addresses {
				addresses = append(addresses, scalar(a.String()))
			}
			word = fmt.Sprintf("{name: %s, addresses: [%s]}", word, strings.Join(addresses, ", "))
		}
		words = append(words, word)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

var keyPath = regexp.MustCompile(`^zones\[\d+\][^ ]*: `)

// blame returns an error about the configuration of the parent as one about the part that it
// comes from.
func (p *parent) blame(err error) error {
	var list config.Errors
	if !errors.As(err, &list) {
		return err
	}
	line := 1 + strings.Count(p.config[:strings.Index(p.config, "    delegate:\n")+1], "\n")
	for _, m := range p.parts {
		if line += len(m.part.pieces()); line >= list[0].Line && list[0].Line > 0 {
			return m.blame(err)
		}
	}
	return fmt.Errorf("%v: %s", p.prefix, keyPath.ReplaceAllString(list[0].Text, ""))
}

// blame returns an error about a configuration as one about the part.
func (m *Made) blame(err error) error {
	var list config.Errors
	if errors.As(err, &list) {
		return fmt.Errorf("%s: %s", m.part.where, keyPath.ReplaceAllString(list[0].Text, ""))
	}
	return err
}

// build makes the zones of a part.
func (m *Made) build(ctx context.Context, today []zone.Record) error {
	m.move(today)
	m.config = m.write()
	cfg, set, err := load(ctx, m.config)
	if err != nil {
		return m.blame(err)
	}
	for i := range cfg.Zones {
		for _, apex := range cfg.Zones[i].Apexes {
			m.Zones = append(m.Zones, apex)
			m.zones = append(m.zones, set.Get(apex))
		}
	}
	return nil
}

// write returns the items of the zones of a part, with the records that move there.
func (m *Made) write() string {
	var b strings.Builder
	b.WriteString("zones:\n")
	example := netip.PrefixFrom(m.Prefix.Addr(), m.Prefix.Addr().BitLen()).Addr()
	if !m.Prefix.IsSingleIP() {
		example = example.Next()
	}
	item := func(prefix netip.Prefix) {
		switch {
		case m.part.DName != "":
			fmt.Fprintf(&b, "  - name: %s\n", scalar(m.part.DName))
		case dname.IsClassless(prefix) && m.cuts[0].Parent().Labels() > 5: // below a classless zone
			fmt.Fprintf(&b, "  - prefix: %v\n    name: %s\n", prefix, scalar(plain(m.cuts[0])))
		default:
			fmt.Fprintf(&b, "  - prefix: %v\n", prefix)
			if dname.IsClassless(prefix) {
				b.WriteString(m.part.key(4))
			}
		}
		fmt.Fprintf(&b, "    nameservers: %s\n", servers(m.part.Servers))
		content := m.content(prefix)
		b.WriteString(content)
		switch {
		case content != "":
		case m.part.DName != "":
			owner := strings.TrimSuffix(m.target(dname.FromAddr(example)).String(), "."+m.target(nil).String())
			fmt.Fprintf(&b, "    #records:\n    #  %q: {PTR: mail.example.com.}\n", owner)
		case prefix.Contains(example):
			fmt.Fprintf(&b, "    #ptr:\n    #  %v: mail.example.com\n", example)
		}
	}
	for _, prefix := range m.part.pieces() {
		item(prefix)
	}
	return b.String()
}

// content returns the keys of an item with the records that move into it.
func (m *Made) content(prefix netip.Prefix) string {
	type set struct {
		owner string
		typ   rr.Type
		ttl   uint32
		data  []string
	}
	var ptrs, others []*set
	for _, r := range m.moved {
		a, ok := m.address(r.Owner)
		if ok && !prefix.Contains(a) {
			continue
		}
		list, key, data := &others, m.target(r.Owner).String(), rr.Text(r.Type, r.Data)
		if ok && r.Type == rr.TypePTR && m.part.DName == "" {
			list, key, data = &ptrs, a.String(), scalar(plain(r.Data))
		}
		at := slices.IndexFunc(*list, func(s *set) bool { return s.owner == key && s.typ == r.Type })
		if at < 0 {
			at = len(*list)
			*list = append(*list, &set{owner: key, typ: r.Type, ttl: r.TTL})
		}
		if s := (*list)[at]; !slices.ContainsFunc(s.data, func(d string) bool { return strings.EqualFold(d, data) }) {
			s.data = append(s.data, data)
		}
	}
	if len(ptrs)+len(others) == 0 {
		return ""
	}
	counts := map[uint32]int{}
	var common uint32
	for _, s := range slices.Concat(ptrs, others) {
		if counts[s.ttl]++; counts[s.ttl] > counts[common] {
			common = s.ttl
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    ttl: %ds\n", common)
	if len(ptrs) > 0 {
		b.WriteString("    ptr:\n")
	}
	for _, s := range ptrs {
		value := s.data[0]
		if len(s.data) > 1 {
			value = "[" + strings.Join(s.data, ", ") + "]"
		}
		if s.ttl != common {
			value = fmt.Sprintf("{names: %s, ttl: %ds}", value, s.ttl)
		}
		fmt.Fprintf(&b, "      %s: %s\n", scalar(s.owner), value)
	}
	if len(others) > 0 {
		b.WriteString("    records:\n")
	}
	before := ""
	for _, s := range others {
		if s.owner != before {
			fmt.Fprintf(&b, "      %s:\n", strconv.Quote(s.owner))
		}
		before = s.owner
		value := quoted(s.data)
		if len(s.data) > 1 || s.ttl != common {
			value = "[" + value + "]"
		}
		if s.ttl != common {
			value = fmt.Sprintf("{data: %s, ttl: %ds}", value, s.ttl)
		}
		fmt.Fprintf(&b, "        %v: %s\n", s.typ, value)
	}
	return b.String()
}
