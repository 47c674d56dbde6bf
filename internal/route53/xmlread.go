package route53

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of the body of a request. A batch of the most records, each a change of its own with
// a name of the most characters, has 1.6 MB and 9,000 elements.
const (
	maxBody       = 2 << 20
	maxElements   = 40_000
	maxDepth      = 16
	maxTag        = 4 << 10 // octets of what begins with "<"
	maxAttributes = 64      // clients send one, the namespace
)

// xmlReader reads XML 1.0 without document types, in one pass and without copying text:
// package encoding/xml takes more time for a batch of changes than all that follows. Namespaces
// are not resolved, and only the local part of a name is used.
type xmlReader struct {
	text string
	at   int // where it goes on

	open              []openElement
	free              []element
	count, attributes int
}

// openElement is an element whose end is still to come.
type openElement struct {
	*element
	name   string // with its prefix
	pieces []byte // its text, if that was not in one piece
}

// read returns the root element, or nil if there is none. After an error, x.at is near the reason.
func (x *xmlReader) read() (root *element, err error) {
	if err := x.checkCharacters(); err != nil {
		return nil, err
	}
	top := &element{}
	x.open = append(make([]openElement, 0, maxDepth+1), openElement{element: top})
	for x.at < len(x.text) {
		if x.text[x.at] == '<' {
			err = x.readMarkup()
		} else {
			err = x.readText()
		}
		if err != nil {
			return nil, err
		}
	}
	if e := x.open[len(x.open)-1]; e.element != top {
		return nil, fmt.Errorf("the element %.50s has no end", e.name)
	}
	return top.first, nil
}

// checkCharacters returns an error for what XML cannot have (XML 1.0 §2.2).
func (x *xmlReader) checkCharacters() error {
	for i := 0; i < len(x.text); {
		if c := x.text[i]; c < utf8.RuneSelf {
			if !isXML(rune(c)) {
				x.at = i
				return fmt.Errorf("the character U+%04X is not allowed", c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(x.text[i:])
		if r == utf8.RuneError && size == 1 || !isXML(r) {
			x.at = i
			return fmt.Errorf("the octet 0x%02x does not begin a character of UTF-8 that is allowed", x.text[i])
		}
		i += size
	}
	return nil
}

func isXML(r rune) bool {
	return ' ' <= r && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' || 0xe000 <= r && r <= 0xfffd || 0x10000 <= r && r <= 0x10ffff
}

// until returns what comes before mark, and goes on behind it.
func (x *xmlReader) until(mark string) (string, error) {
	i := strings.Index(x.text[x.at:], mark)
	if i < 0 {
		return "", fmt.Errorf("%q is missing", mark)
	}
	s := x.text[x.at : x.at+i]
	x.at += i + len(mark)
	return s, nil
}

// skip goes on behind mark if it is next.
func (x *xmlReader) skip(mark string) bool {
	if !strings.HasPrefix(x.text[x.at:], mark) {
		return false
	}
	x.at += len(mark)
	return true
}

// readMarkup reads what begins with "<".
func (x *xmlReader) readMarkup() error {
	switch {
	case x.skip("<![CDATA["):
		s, err := x.until("]]>")
		x.append(normalLines(s))
		return err
	case x.skip("<!--"):
		s, err := x.until("--")
		if err == nil && !x.skip(">") {
			err = errors.New(`a comment must not contain "--"`)
		}
		return atMostTag(s, err)
	case x.skip("<?"):
		name, err := x.readName()
		if err != nil {
			return err
		}
		s, err := x.until("?>")
		if err == nil && name == "xml" {
			err = checkDeclaration(s)
		}
		return atMostTag(s, err)
	case x.skip("<!"):
		return errors.New("a document type is not accepted")
	case x.skip("</"):
		return x.readEnd()
	}
	x.at++
	return x.readStart()
}

func atMostTag(s string, err error) error {
	if err == nil && len(s) > maxTag {
		return fmt.Errorf("a tag or a comment has more than %d octets", maxTag)
	}
	return err
}

// checkDeclaration checks the version and the encoding of an XML declaration.
func checkDeclaration(s string) error {
	for _, p := range []struct {
		name   string
		values []string
	}{{"version", []string{"1.0"}}, {"encoding", []string{"utf-8", "us-ascii"}}} {
		_, rest, ok := strings.Cut(s, p.name)
		rest = strings.TrimLeft(rest, " \t\r\n=")
		if !ok || rest == "" {
			continue
		}
		value, _, _ := strings.Cut(rest[1:], rest[:1]) // between quotation marks
		good := false
		for _, v := range p.values {
			good = good || strings.EqualFold(v, value)
		}
		if !good {
			return fmt.Errorf("the %s is %.20q, must be one of %q", p.name, value, p.values)
		}
	}
	return nil
}

// readStart reads the start tag of an element, behind its "<".
func (x *xmlReader) readStart() error {
	begin := x.at
	name, err := x.readName()
	if err != nil {
		return err
	}
	for {
		spaced := x.skipSpace()
		switch {
		case x.at-begin > maxTag:
			return atMostTag(x.text[begin:x.at], nil)
		case x.skip("/>"):
			_, err := x.begin(name)
			return err
		case x.skip(">"):
			e, err := x.begin(name)
			x.open = append(x.open, openElement{element: e, name: name})
			return err
		case !spaced:
			return fmt.Errorf("the start tag %.50s has no end", name)
		}
		if err := x.readAttribute(); err != nil {
			return err
		}
	}
}

// begin adds an element to the one that is open.
func (x *xmlReader) begin(name string) (*element, error) {
	parent := x.open[len(x.open)-1]
	switch x.count++; {
	case x.count > maxElements:
		return nil, fmt.Errorf("there are more than %d elements", maxElements)
	case len(x.open) > maxDepth:
		return nil, fmt.Errorf("elements are nested more than %d deep", maxDepth)
	case len(x.open) == 1 && parent.first != nil:
		return nil, errors.New("there is more than one root element")
	}
	if len(x.free) == 0 {
		x.free = make([]element, 64)
	}
	e := &x.free[0]
	x.free = x.free[1:]
	e.name = name[strings.LastIndexByte(name, ':')+1:]
	if parent.last == nil {
		parent.first = e
	} else {
		parent.last.next = e
	}
	parent.last = e
	return e, nil
}

// readAttribute reads an attribute, which nothing here looks at.
func (x *xmlReader) readAttribute() error {
	if x.attributes++; x.attributes > maxAttributes {
		return fmt.Errorf("there are more than %d attributes", maxAttributes)
	}
	name, err := x.readName()
	if err != nil {
		return err
	}
	x.skipSpace()
	isThere := x.skip("=")
	x.skipSpace()
	mark := `"`
	if isThere = isThere && (x.skip(mark) || x.skip("'")); !isThere {
		return fmt.Errorf("the attribute %.50s has no value in quotation marks", name)
	}
	mark = x.text[x.at-1 : x.at]
	value, err := x.until(mark)
	if err == nil && strings.Contains(value, "<") {
		err = fmt.Errorf("the value of the attribute %.50s contains \"<\"", name)
	}
	if err == nil {
		_, err = unescape(value)
	}
	return atMostTag(value, err)
}

// readEnd reads the end tag of an element, behind its "</".
func (x *xmlReader) readEnd() error {
	name, err := x.readName()
	if err != nil {
		return err
	}
	x.skipSpace()
	if !x.skip(">") {
		return fmt.Errorf("the end tag %.50s has no \">\"", name)
	}
	e := x.open[len(x.open)-1]
	if len(x.open) == 1 || e.name != name {
		return fmt.Errorf("the end tag %.50s ends no element", name)
	}
	if e.pieces != nil {
		e.text = string(e.pieces)
	}
	x.open = x.open[:len(x.open)-1]
	return nil
}

// readName reads the name of a tag or an attribute. No client has one that is not ASCII.
func (x *xmlReader) readName() (string, error) {
	begin := x.at
	for x.at < len(x.text) {
		c := x.text[x.at]
		isStart := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':'
		if !isStart && (x.at == begin || !('0' <= c && c <= '9' || c == '-' || c == '.')) {
			break
		}
		x.at++
	}
	name := x.text[begin:x.at]
	if prefix, local, ok := strings.Cut(name, ":"); name == "" || ok && (prefix == "" || local == "" || strings.Contains(local, ":")) {
		return "", errors.New("a tag or an attribute has no valid name")
	}
	return name, nil
}

// skipSpace reports whether there was any.
func (x *xmlReader) skipSpace() bool {
	begin := x.at
	for x.at < len(x.text) && strings.IndexByte(" \t\r\n", x.text[x.at]) >= 0 {
		x.at++
	}
	return x.at > begin
}

// readText reads the text before the next "<".
func (x *xmlReader) readText() error {
	end := strings.IndexByte(x.text[x.at:], '<')
	if end < 0 {
		end = len(x.text) - x.at
	}
	raw := x.text[x.at : x.at+end]
	if strings.Contains(raw, "]]>") {
		return errors.New(`"]]>" must be written as "]]&gt;"`)
	}
	s, err := unescape(normalLines(raw))
	if err != nil {
		return err
	}
	x.at += end
	x.append(s)
	return nil
}

// append adds text to the element that is open.
func (x *xmlReader) append(s string) {
	e := &x.open[len(x.open)-1]
	switch {
	case len(x.open) == 1: // outside of the root
	case e.text == "":
		e.text = s
	default:
		if e.pieces == nil {
			e.pieces = []byte(e.text)
		}
		e.pieces = append(e.pieces, s...)
	}
}

// normalLines returns text with LF as the end of all lines (XML 1.0 §2.11).
func normalLines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// predefined are the entities of XML.
var predefined = map[string]string{"lt": "<", "gt": ">", "amp": "&", "apos": "'", "quot": `"`}

// unescape returns text with its references resolved.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '&') < 0 {
		return s, nil
	}
	var b strings.Builder
	for {
		text, rest, ok := strings.Cut(s, "&")
		b.WriteString(text)
		if !ok {
			return b.String(), nil
		}
		name, rest, ok := strings.Cut(rest, ";")
		value, known := predefined[name]
		if digits, isNumber := strings.CutPrefix(name, "#"); isNumber {
			base := 10
			if strings.HasPrefix(digits, "x") {
				digits, base = digits[1:], 16
			}
			n, err := strconv.ParseUint(digits, base, 32)
			known = err == nil && n <= utf8.MaxRune && isXML(rune(n))
			value = string(rune(n))
		}
		if !ok || !known {
			return "", fmt.Errorf("%.12q is no reference to a character", "&"+name)
		}
		b.WriteString(value)
		s = rest
	}
}
