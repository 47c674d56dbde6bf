package route53

import (
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/hosted"
)

// element is an element of a request.
type element struct {
	name, text        string
	used              bool
	first, last, next *element // its children, and the next one of its parent
}

// parseXML reads the body of a request, whose root must have the given name.
func parseXML(body []byte, root string) (*element, error) {
	x := xmlReader{text: string(body)}
	top, err := x.read()
	if err != nil {
		return nil, faultf("MalformedXML", "The XML of the request cannot be read: line %d: %v", 1+strings.Count(x.text[:x.at], "\n"), err)
	}
	switch {
	case top == nil:
		return nil, faultf("MalformedXML", "The request has no body; it must be a %s.", root)
	case top.name != root:
		return nil, invalidInput("Invalid XML ; the element '%s' was found, expected '%s'", top.name, root)
	}
	return top, nil
}

// child returns the only child with a name; nil: there is none.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for c := e.first; c != nil; c = c.next {
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
	for i := c.first; i != nil; i = i.next {
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
	return c.text, true
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
	for c := e.first; c != nil; c = c.next {
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
		return 0, faultf(hosted.InvalidInput, "maxitems is '%s', must be a number from 1 on", s)
	}
	return min(n, most), nil
}
