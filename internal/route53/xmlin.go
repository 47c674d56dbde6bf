package route53

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of the body of a request. A batch of the most records, each a change of its own with
// a name of the most characters, has 1.6 MB and 9,000 elements.
const (
	maxBody     = 2 << 20
	maxElements = 40_000
	maxDepth    = 16

	// The decoder reads a tag with all of its attributes before it can be looked at. Clients
	// send one attribute, the namespace.
	maxTag        = 4 << 10
	maxAttributes = 64
)

// element is an element of a request.
type element struct {
	name     string
	text     []byte
	children []*element
	used     bool
}

// parseXML reads the body of a request, whose root must have the given name. A document type
// is refused, so that there are no entities but those of XML. It compares start and end tags
// itself, because RawToken takes two thirds of the time of Token, which also translates
// namespaces.
func parseXML(body []byte, root string) (*element, error) {
	if hasLongTag(body) {
		return nil, faultf("MalformedXML", "The request has a tag or a comment of more than %d octets.", maxTag)
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return input, nil
		}
		return nil, errors.New("the encoding must be UTF-8")
	}
	top := &element{}
	stack, names := []*element{top}, []xml.Name{{}} // the open elements
	count, attributes := 0, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) && len(stack) == 1 {
			break
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the element '%s' has no end", stack[len(stack)-1].name)
		}
		if err != nil {
			return nil, faultf("MalformedXML", "The XML of the request cannot be read: %v", err)
		}
		at := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if count++; count > maxElements {
				return nil, faultf("MalformedXML", "The request has more than %d elements.", maxElements)
			}
			if attributes += len(t.Attr); attributes > maxAttributes {
				return nil, faultf("MalformedXML", "The request has more than %d attributes.", maxAttributes)
			}
			if len(stack) > maxDepth {
				return nil, faultf("MalformedXML", "The elements of the request are nested more than %d deep.", maxDepth)
			}
			if at == top && len(top.children) > 0 {
				return nil, faultf("MalformedXML", "The request has more than one root element.")
			}
			e := &element{name: t.Name.Local}
			at.children = append(at.children, e)
			stack, names = append(stack, e), append(names, t.Name)
		case xml.EndElement:
			if len(stack) == 1 || t.Name != names[len(names)-1] {
				return nil, faultf("MalformedXML", "The XML of the request cannot be read: the element '%s' ends where it has not begun.", t.Name.Local)
			}
			stack, names = stack[:len(stack)-1], names[:len(names)-1]
		case xml.CharData:
			at.text = append(at.text, t...)
		case xml.Directive:
			return nil, faultf("MalformedXML", "A document type is not accepted.")
		}
	}
	if len(top.children) == 0 {
		return nil, faultf("MalformedXML", "The request has no body; it must be a %s.", root)
	}
	if e := top.children[0]; e.name == root {
		return e, nil
	}
	return nil, invalidInput("Invalid XML ; the element '%s' was found, expected '%s'", top.children[0].name, root)
}

// hasLongTag reports whether any tag, or what else begins with "<", is too long.
func hasLongTag(body []byte) bool {
	for {
		begin := bytes.IndexByte(body, '<')
		if begin < 0 {
			return false
		}
		body = body[begin:]
		end := bytes.IndexByte(body[:min(len(body), maxTag)], '>')
		if end < 0 {
			return len(body) > maxTag
		}
		body = body[end:]
	}
}

// child returns the only child with a name; nil: there is none.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			c.used = true
			return c
		}
	}
	return nil
}

// list returns the children of the child with a name.
func (e *element) list(name, item string) []*element {
	c := e.child(name)
	if c == nil {
		return nil
	}
	var out []*element
	for _, i := range c.children {
		if i.name == item {
			i.used = true
			out = append(out, i)
		}
	}
	return out
}

// value returns the text of the child with a name; ok is false if there is none.
func (e *element) value(name string) (s string, ok bool) {
	c := e.child(name)
	if c == nil {
		return "", false
	}
	return string(c.text), true
}

// required returns the text of a child that must be there.
func (e *element) required(name string) (string, error) {
	if s, ok := e.value(name); ok {
		return strings.TrimSpace(s), nil
	}
	return "", invalidInput("Invalid XML ; the element '%s' has no '%s'", e.name, name)
}

// rest returns an error for an element that was not asked for, or that is there twice.
func (e *element) rest() error {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if !c.used {
			return invalidInput("Invalid XML ; the element '%s' is not offered here, or there are two of it in '%s'", c.name, e.name)
		}
		if err := c.rest(); err != nil {
			return err
		}
	}
	return nil
}

// atMost returns an error if a text has too many characters.
func atMost(what, s string, most int) error {
	if len(s) > most {
		return invalidInput("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", what, most)
	}
	return nil
}

// maxItems reads the number of items of a page; the response repeats it.
func maxItems(s string, most int) (int, error) {
	if s == "" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, invalidInput("maxitems is '%s', must be a number from 1 on", s)
	}
	return min(n, most), nil
}
