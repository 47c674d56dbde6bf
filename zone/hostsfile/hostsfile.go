// Package hostsfile reads hosts(5) files as a source of PTR records: each line
// gives one address one name.
//
// The first name of a line is the canonical one and becomes the target; the
// aliases behind it are ignored. An address on several lines gets the
// first name of each of them, in that order, as dnsmasq and CoreDNS have it for
// separate lines.
package hostsfile

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Options control how a hosts file is read.
type Options struct {
	// Domain completes names without a dot. Without it (nil) they are an error.
	Domain dname.Name
	// DomainKey is the key of Domain in the configuration, for messages; empty: hosts_domain.
	DomainKey string

	// Wants reports whether there is use for an address. Lines of other
	// addresses (localhost, ip6-localnet, multicast in a usual /etc/hosts) are
	// not looked at further. Nil: every address.
	Wants func(netip.Addr) bool

	// Tap, if set, is handed the path and the reader of the file and returns the
	// reader to use in its place.
	Tap func(path string, r io.Reader) io.Reader

	// Table numbers the file for tags. It must be set.
	Table *source.Table
}

// Result is what became of a file, apart from its addresses.
type Result struct {
	// Names is how many names were emitted.
	Names int
	// Findings are as finding.List limits them, by position.
	Findings []finding.Finding
	// Err is why the file could not be read up to its end. It is the only finding then.
	Err error
}

// maxLine bounds a line; glibc reads any length, but an address with this many
// aliases is a mistake.
const maxLine = 64 << 10

// Read reads a hosts file and hands each address with its name to emit, in the order
// of the file; name is the name of the file in positions. IPv4 addresses mapped into IPv6 come as IPv4,
// and the interface of a scoped address (fe80::1%eth0) is left out, as DNS knows
// none. A faulty line gives a finding and no name; the lines after it are read
// all the same. A file without any host is an error, one without a wanted host is
// not. The name that emit gets belongs to it.
func Read(name string, r io.Reader, o Options, emit func(netip.Addr, dname.Name, zone.Tag)) *Result {
	if o.Tap != nil {
		r = o.Tap(name, r)
	}
	p := parser{o: o, emit: emit, id: o.Table.Add(name)}
	lines := bufio.NewReaderSize(r, maxLine)
	var err error
	for err == nil {
		var text []byte
		text, err = lines.ReadSlice('\n')
		isLong := errors.Is(err, bufio.ErrBufferFull)
		if len(text) == 0 || err != nil && err != io.EOF && !isLong {
			break
		}
		p.line++
		if isLong {
			p.fail(1, "long-line", "the line is longer than %d octets; is this a hosts file?", maxLine)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			continue
		}
		if p.line == 1 {
			text, p.skipped = bytes.CutPrefix(text, []byte("\xef\xbb\xbf"))
		}
		p.read(bytes.TrimRight(text, "\r\n"))
	}
	if err != nil && err != io.EOF {
		return &Result{Findings: []finding.Finding{p.id.Unreadable(err)}, Err: err}
	}
	if p.hosts == 0 && p.fs.Count(finding.Error) == 0 {
		// It lost its content, or is still to be written.
		p.line = 1
		p.fail(1, "empty-file", "the file has no host; write a line with an address and a name, or remove it from the zone if it is empty on purpose")
	}
	return &Result{Names: p.names, Findings: p.fs.Sorted()}
}

type parser struct {
	o       Options
	emit    func(netip.Addr, dname.Name, zone.Tag)
	id      source.File
	line    int
	skipped bool // a byte order mark stood before the text of line 1
	names   int
	hosts   int // lines with an address, of any zone
	fs      finding.List
}

func (p *parser) fail(col int, code, format string, args ...any) {
	p.fs.Add(finding.Finding{
		Severity: finding.Error, Rule: code, Tag: p.id.Tag(p.line, col), Text: fmt.Sprintf(format, args...),
	})
}

// read takes one line: address, name, aliases, comment.
func (p *parser) read(text []byte) {
	if i := bytes.IndexByte(text, '#'); i >= 0 {
		text = text[:i]
	}
	first, at := field(text, 0)
	if len(first) == 0 {
		return
	}
	addr, err := netip.ParseAddr(string(first))
	if err != nil {
		p.fail(at+1, "bad-address", "%s is not an address%s", quote(first), addressHint(first, text[at+len(first):]))
		return
	}
	p.hosts++
	addr = addr.WithZone("").Unmap()
	if p.o.Wants != nil && !p.o.Wants(addr) {
		return
	}
	name, nameAt := field(text, at+len(first))
	if len(name) == 0 {
		p.fail(at+len(first)+1, "missing-name", "address %v has no name; write one after it", addr)
		return
	}
	target, offset, reason := p.name(name, text[nameAt+len(name):])
	if reason != "" {
		p.fail(nameAt+offset+1, "bad-name", "name %s of %v: %s", quote(name), addr, reason)
		return
	}
	p.names++
	p.emit(addr, target, p.id.Tag(p.line, at+1))
}

// field returns the next field of text from offset i on, and where it starts.
func field(text []byte, i int) (f []byte, at int) {
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	at = i
	for i < len(text) && !isBlank(text[i]) {
		i++
	}
	return text[at:i], at
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

// addressHint guesses what was written in place of an address.
func addressHint(text, rest []byte) string {
	s := string(text)
	if _, err := netip.ParsePrefix(s); err == nil {
		return "; a prefix cannot have a name here, only single addresses can"
	}
	if next, _ := field(rest, 0); len(next) > 0 {
		if _, err := netip.ParseAddr(string(next)); err == nil {
			return "; the address comes first, then its name"
		}
	}
	if strings.Count(s, ".") == 3 && strings.Trim(s, "0123456789.") == "" {
		return "; write four numbers from 0 to 255 without leading zeros"
	}
	return "; write one like 192.0.2.1 or 2001:db8::1, then its name"
}

// name reads a host name. offset and reason describe what is wrong with it; aliases
// are what follows it on the line.
func (p *parser) name(text, aliases []byte) (n dname.Name, offset int, reason string) {
	for i, c := range text {
		switch {
		case c >= 0x80:
			return nil, i, "it is not ASCII; " + spelling.WriteALabels(string(text))
		case !isHostOctet(c):
			return nil, i, fmt.Sprintf("%q is not allowed in a host name; letters, digits, hyphen, underscore and dots can", c)
		}
	}
	if !bytes.ContainsRune(text, '.') && !bytes.EqualFold(text, []byte("localhost")) { // a full name (RFC 6761 §6.3)
		if p.o.Domain == nil {
			return nil, 0, "it has no dot, so it is not a full name" + fullName(aliases, cmp.Or(p.o.DomainKey, "hosts_domain"))
		}
		n, err := dname.ParseIn(string(text), p.o.Domain)
		return n, offsetOf(err), reasonOf(err)
	}
	n, err := dname.Parse(string(text))
	return n, offsetOf(err), reasonOf(err)
}

// fullName ends the message about a name without a dot with its remedy.
func fullName(aliases []byte, domainKey string) string {
	for i := 0; i < len(aliases); {
		alias, at := field(aliases, i)
		if bytes.ContainsRune(alias, '.') {
			return "; write " + string(alias) + " before it, for only the first name of a line is used"
		}
		i = at + len(alias)
	}
	return "; write it with its domain, or name the domain of all such names (`" + domainKey + "`)"
}

func isHostOctet(c byte) bool {
	return c == '-' || c == '_' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func offsetOf(err error) int {
	var e *dname.SyntaxError
	if errors.As(err, &e) {
		return e.Offset
	}
	return 0
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// quote shows text of a file in a message, not too much of it.
func quote(text []byte) string {
	const most = 80
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
