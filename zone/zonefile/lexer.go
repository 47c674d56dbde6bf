package zonefile

import (
	"bytes"
	"io"
)

// token is one field of a logical line. Its text is a view of the lexer's window
// and valid until the next line is asked for; escapes are as written.
type token struct {
	text      []byte // without the quotes of a quoted string
	line, col int
	quoted    bool
	joined    bool // nothing is between the token before it and this one
}

// fault is something wrong at a place in the text.
type fault struct {
	line, col int
	code      string
	text      string
}

// lexer cuts a master file into logical lines: a line of the file, or several
// where parentheses join them (RFC 1035 §5.1). The window over the file always
// holds the whole logical line.
type lexer struct {
	src     io.Reader
	err     error  // of src, io.EOF apart
	buf     []byte // with slack behind it
	pos     int    // start of the unread text, always the start of a line
	end     int
	lines   int // behind the last end of a line in the window
	eof     bool
	line    int // number of the line at pos
	started bool
	rewinds int

	// Of the logical line that next found:
	toks  []token
	blank bool   // it starts with white space: the owner is the last one
	fault *fault // the first one met; tokens are incomplete then
}

const (
	windowSize = 64 << 10

	// maxLine bounds a logical line and so the window. The longest RDATA, 65535
	// octets all written as \DDD, takes 256 KiB; the rest is for comments and
	// white space inside parentheses.
	maxLine = 1 << 20

	// maxRewinds bounds how often the lexer starts again behind an unclosed
	// parenthesis, each of which costs up to maxLine octets of reading.
	maxRewinds = 20
)

// class is what an octet is to the lexer.
type class uint8

const (
	plain class = iota
	blank
	newline
	special // ends a token: ( ) ; "
	escape
	nul
)

// classes is read only.
var classes = func() (t [256]class) {
	t[' '], t['\t'] = blank, blank
	t['\n'], t['\r'] = newline, newline
	t['('], t[')'], t[';'], t['"'] = special, special, special, special
	t['\\'] = escape
	t[0] = nul
	return t
}()

// init makes the lexer read src, with a window of so many octets at first. It uses its
// memory again, unless a long line made the window large.
func (l *lexer) init(src io.Reader, window int) {
	buf := l.buf[:0]
	if cap(buf) < window+slack || cap(buf) > windowSize+slack {
		buf = newWindow(window)
	}
	*l = lexer{src: src, buf: buf[:window], toks: l.toks[:0], line: 1}
}

func newWindow(size int) []byte { return make([]byte, size, size+slack) }

// reset makes the lexer read text alone, as one line at line and col.
func (l *lexer) reset(text []byte) {
	l.src, l.err, l.eof, l.started = nil, nil, true, true
	l.buf, l.pos, l.end = text, 0, len(text)
	l.line, l.rewinds = 1, 0
}

// next finds the next logical line that has tokens or a fault; it returns false
// at the end of the text or when reading fails (err).
func (l *lexer) next() bool {
	if !l.started {
		l.started = true
		if l.start() {
			return true
		}
	}
	for {
		if l.pos == l.end && !l.more() {
			return false
		}
		for !l.scan() {
			l.more() // scan it again, with more of it in the window
		}
		if len(l.toks) > 0 || l.fault != nil {
			return true
		}
	}
}

// start steps over a byte order mark. It returns true if the text is not what a
// lexer can read, with a fault.
func (l *lexer) start() bool {
	for l.end < 3 && l.more() {
	}
	head := l.buf[:l.end]
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		l.pos = 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		l.fault = &fault{1, 1, "not-text", "the file is UTF-16; save it as ASCII or UTF-8"}
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		l.fault = &fault{1, 1, "not-text", "the file is compressed (gzip); unpack it"}
	case bytes.HasPrefix(head, []byte("\x00\x00\x00")):
		l.fault = &fault{1, 1, "not-text", "the file is binary, perhaps BIND's raw format; " +
			"make text of it with named-compilezone -f raw -F text"}
	default:
		return false
	}
	if l.fault != nil {
		l.pos, l.end, l.lines, l.eof = 0, 0, 0, true
	}
	return l.fault != nil
}

// more reads on, with the unread text moved to the window's start and the window
// doubled where it is full. It fills the window, so that a line is scanned again
// only each time that the window doubles. It returns false if nothing came.
func (l *lexer) more() bool {
	if l.eof {
		return false
	}
	unread := l.buf[l.pos:l.end]
	if len(unread) == len(l.buf) {
		l.buf = newWindow(2 * len(l.buf))
	}
	l.pos, l.end = 0, copy(l.buf, unread)
	n, err := io.ReadFull(l.src, l.buf[l.end:])
	l.end += n
	l.lines = 1 + bytes.LastIndexByte(l.buf[:l.end], '\n')
	if err != nil {
		l.eof = true
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			l.err = err
		}
	}
	return n > 0
}

// scan cuts the logical line at pos into tokens and steps over it. It returns
// false, with nothing done, if the window ends before the line does.
func (l *lexer) scan() bool {
	l.toks, l.fault = l.toks[:0], nil
	buf := l.buf[:l.end]
	i, start, line := l.pos, l.pos, l.line // start: of the line of the file
	depth, open, openLine, openCol := 0, 0, 0, 0
	last := -1 // end of the last token
	l.blank = classes[buf[i]] == blank
	for {
		if i == len(buf) {
			if !l.eof && l.end-l.pos < maxLine {
				return false
			}
			if depth > 0 {
				l.setFault(openLine, openCol, "unclosed-parenthesis", "( is never closed; put the ) after the record's last field")
				l.rewind(open, openLine)
				return true
			}
			if !l.eof {
				l.setFault(l.line, 1, "long-line", "the line is longer than 1 MiB; is this a master file?")
				l.skipLine()
				return true
			}
			break
		}
		c := buf[i]
		k := classes[c]
		if k == newline {
			if c == '\r' {
				if i+1 == len(buf) && !l.eof {
					i++
					continue
				}
				if i+1 < len(buf) && buf[i+1] == '\n' {
					i++
				}
			}
			i++
			line++
			start = i
			if depth == 0 {
				break
			}
			continue
		}
		switch {
		case k == blank:
			i++
		case k == nul:
			l.setFault(line, i-start+1, "not-text", "octet 0 in the text; is this a master file?")
			i++
		case c == ';':
			for i < len(buf) && classes[buf[i]] != newline {
				i++
			}
		case c == '(':
			if depth == 0 {
				open, openLine, openCol = i, line, i-start+1
			}
			depth++
			i++
		case c == ')':
			if depth == 0 {
				l.setFault(line, i-start+1, "unopened-parenthesis", ") without a ( before it; remove it or open the parenthesis on the record's first line")
			} else {
				depth--
			}
			i++
		case c == '"':
			j := i + 1
			for j < len(buf) && buf[j] != '"' && classes[buf[j]] != newline {
				if buf[j] == '\\' && j+1 < len(buf) {
					if j++; buf[j] == '\n' {
						line++ // BIND: a string may go on behind an escaped end of line
					}
				}
				j++
			}
			if j >= len(buf) && !l.eof {
				i = len(buf)
				continue
			}
			j = min(j, len(buf))
			col := i - start + 1
			at := line
			if n := bytes.LastIndexByte(buf[i:j], '\n'); n >= 0 {
				at -= bytes.Count(buf[i:j], []byte{'\n'})
				start = i + n + 1
			}
			if j == len(buf) || buf[j] != '"' {
				l.setFault(at, col, "unclosed-quote", `" is never closed on its line; put the closing "`)
			}
			l.toks = append(l.toks, token{buf[i+1 : j : j], at, col, true, i == last})
			i = j
			if i < len(buf) && buf[i] == '"' {
				i++
			}
			last = i
		default:
			j := i
			for j < len(buf) {
				if k := classes[buf[j]]; k == escape {
					if j++; j < len(buf) && classes[buf[j]] != newline && buf[j] != 0 {
						j++
					}
				} else if k == plain {
					j++
				} else {
					break
				}
			}
			if j == len(buf) && !l.eof {
				i = j
				continue
			}
			l.toks = append(l.toks, token{buf[i:j:j], line, i - start + 1, false, i == last})
			i, last = j, j
		}
	}
	l.pos, l.line = i, line
	return true
}

// setFault keeps the first fault of a line.
func (l *lexer) setFault(line, col int, code, text string) {
	if l.fault == nil {
		l.fault = &fault{line, col, code, text}
	}
}

// rewind goes on behind a parenthesis that is never closed: at the first line
// after it that starts like a record of its own, with something in column 1.
func (l *lexer) rewind(open, line int) {
	l.toks = l.toks[:0]
	l.rewinds++
	for i := open; l.rewinds <= maxRewinds && i < l.end; {
		n := bytes.IndexByte(l.buf[i:l.end], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		line++
		if i < l.end && classes[l.buf[i]] == plain {
			l.pos, l.line = i, line
			return
		}
	}
	l.pos = l.end
	l.line = line
	l.eof = true
}

// skipLine drops the rest of the line at pos.
func (l *lexer) skipLine() {
	l.toks = l.toks[:0]
	for {
		if n := bytes.IndexByte(l.buf[l.pos:l.end], '\n'); n >= 0 {
			l.pos += n + 1
			l.line++
			return
		}
		l.pos = l.end
		if !l.more() {
			return
		}
	}
}
