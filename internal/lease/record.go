package lease

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/netip"
	"sync"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// format is how one program writes its file.
type format struct {
	appends bool // records are appended, and later ones replace earlier ones of the address
	byHand  bool // people write it: an address can have several names, and the last line need not have an end

	// files returns the files that may have a part of the content, in the order in which they count.
	// The last one is always there. without are files that do not count if one of them is there.
	files func(path string) (files, without []string)

	// split returns the length of the first record in data, which begins with one; 0: it needs more.
	split func(data []byte) int
	// skip returns how much of data, within a record that is too long, to leave out, and whether another record
	// begins then; 0: it needs more.
	skip func(data []byte) (n int, isEnd bool)
	// start returns the function that reads the records of a file in turn.
	start func(r *reader) func(record []byte)
	// whole reads a file at once, in place of split and start.
	whole func(r *reader, from io.Reader) error
}

// formats are the formats by their keys in the configuration.
var formats = map[string]*format{
	"kea":     {appends: true, files: keaFiles, split: splitLine, skip: skipLine, start: (*reader).kea},
	"dhcpd":   {appends: true, files: oneFile, split: splitStatement, skip: skipStatement, start: (*reader).dhcpd},
	"dnsmasq": {files: oneFile, split: splitLine, skip: skipLine, start: (*reader).dnsmasq},
	"hosts":   {byHand: true, files: oneFile, whole: (*reader).hosts},
	"csv":     {byHand: true, files: oneFile, split: splitCSV, skip: skipLine, start: (*reader).csv},
}

func oneFile(path string) (files, without []string) { return []string{path}, nil }

func splitLine(data []byte) int { return bytes.IndexByte(data, '\n') + 1 }

func skipLine(data []byte) (n int, isEnd bool) {
	if n := splitLine(data); n > 0 {
		return n, true
	}
	return len(data), false
}

// maxRecord bounds a record. The longest that the programs write have some thousand octets.
const maxRecord = 64 << 10

// reader reads one file into a content.
type reader struct {
	*config.Neighbour
	format *format
	c      *content
	file   int // in c.paths
	read   func(record []byte)

	id     infile.Identity
	offset int64 // of what was not read yet
	line   int   // likewise, from 0
	tail   []byte
	inside bool // of a record that is too long
}

func newReader(n *config.Neighbour, c *content, path string) *reader {
	r := &reader{Neighbour: n, format: formats[n.Format], c: c, file: len(c.paths)}
	c.paths = append(c.paths, path)
	if r.format.start != nil {
		r.read = r.format.start(r)
	}
	return r
}

// maxTail is how many of the last octets are compared to see that a file was appended to.
const maxTail = 256

// consume reads the complete records of data, which begins at the offset, and returns their length.
// isLast means that what follows the last line end is a record too.
func (r *reader) consume(data []byte, isLast bool) int {
	done := 0
	for done < len(data) {
		rest, wasInside := data[done:], r.inside
		n := 0
		if r.inside {
			var isEnd bool
			n, isEnd = r.format.skip(rest)
			r.inside = !isEnd
		} else if n = r.format.split(rest); n == 0 && len(rest) >= maxRecord {
			r.bad("the record has more than %d octets; is this a file of %s?", maxRecord, r.Format)
			r.inside = true
			continue
		} else if n == 0 && isLast {
			n = len(rest)
		}
		if n == 0 {
			break
		}
		if !wasInside {
			r.read(rest[:n])
		}
		r.line += bytes.Count(rest[:n], []byte{'\n'})
		done += n
	}
	r.offset += int64(done)
	if from := done - maxTail; from >= 0 {
		r.tail = append(r.tail[:0], data[from:done]...)
	} else {
		r.tail = append(r.tail, data[:done]...)
		r.tail = r.tail[max(0, len(r.tail)-maxTail):]
	}
	return done
}

// consumeLocked is consume under a lock, which a panic does not leave locked.
func (r *reader) consumeLocked(lock sync.Locker, data []byte, isLast bool) int {
	lock.Lock()
	defer lock.Unlock()
	return r.consume(data, isLast)
}

// records reads the complete records of a file. lock is held while the content changes.
func (r *reader) records(from io.Reader, lock sync.Locker) error {
	if r.format.whole != nil {
		return r.format.whole(r, from)
	}
	buf := make([]byte, 0, maxRecord)
	for {
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil && err != io.EOF {
			return err
		}
		done := r.consumeLocked(lock, buf, r.format.byHand && err == io.EOF)
		buf = buf[:copy(buf, buf[done:])]
		if err == io.EOF {
			return nil
		}
	}
}

// bad skips the record that begins at the current line.
func (r *reader) bad(reason string, args ...any) {
	r.report(r.line+1, reason, args...)
}

func (r *reader) report(line int, reason string, args ...any) {
	r.c.skipped++
	r.c.faults.Addf(finding.Finding{
		Severity: finding.Warning, Rule: "lease-record", Position: finding.Position{File: r.c.paths[r.file], Line: line},
	}, "%s", fmt.Sprintf(reason, args...))
}

// put adds a name of an address, as its client gave it, from the record at a line.
func (r *reader) put(a netip.Addr, name string, end int64, line int) {
	r.c.good++
	if !r.format.byHand {
		if name == "" {
			r.c.unnamed++
			r.c.remove(a)
			return
		}
	}
	host, reason := hostName(name, r.Domain)
	if reason != "" {
		if !r.format.byHand {
			r.c.remove(a)
		}
		r.report(line, "name %s of %v: %s", quote(name), a, reason)
		return
	}
	r.add(a, host, end, line)
}

func (r *reader) add(a netip.Addr, host dname.Name, end int64, line int) {
	r.c.put(&entry{addr: a, name: string(host), end: end, line: line, file: r.file}, r.format.byHand)
}

// remove records that no client has the address now.
func (r *reader) remove(a netip.Addr) {
	r.c.good++
	r.c.remove(a)
}

// address reads an address.
func (r *reader) address(text string) (a netip.Addr, ok bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		r.bad("%s is not an address, such as 192.0.2.1 or 2001:db8::1; correct or remove the record", quote(text))
		return a, false
	}
	return a.Unmap(), true
}

// time reads a Unix time or a number of seconds; what is in the message about it.
func (r *reader) time(what, text string) (t int64, ok bool) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' || t > math.MaxInt64/20 {
			ok = false
			break
		}
		t, ok = 10*t+int64(text[i]-'0'), true
	}
	if !ok {
		r.bad("%s %s is not a number of seconds; correct or remove the record", what, quote(text))
	}
	return t, ok
}

// quote shows text of a file in a message, not too much of it.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
