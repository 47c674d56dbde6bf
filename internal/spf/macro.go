package spf

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// Letters of macros: in domain-specs, and in texts of explanations.
const (
	domainLetters      = "slodiphv"
	explanationLetters = domainLetters + "crt"
)

// macroForm is a macro-expand (RFC 7208 §7.1): letter, digits, r, delimiters.
var macroForm = regexp.MustCompile(`^%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}`)

// eachMacro calls literal and macro with the parts of a macro-string. It returns an error if it
// is malformed.
func eachMacro(s string, literal func(string), macro func(letter byte, digits string, reverse bool, delimiters string) error) error {
	for s != "" {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			i = len(s)
		}
		literal(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		if m := macroForm.FindStringSubmatch(s); m != nil {
			if err := macro(m[1][0], m[2], m[3] != "", m[4]); err != nil {
				return err
			}
			s = s[len(m[0]):]
			continue
		}
		text, ok := map[string]string{"%%": "%", "%_": " ", "%-": "%20"}[s[:min(2, len(s))]]
		if !ok {
			return fmt.Errorf("%q is not a macro (RFC 7208 §7.1)", s)
		}
		literal(text)
		s = s[2:]
	}
	return nil
}

// checkMacros checks the macros of a term.
func checkMacros(text, s, letters string) error {
	err := eachMacro(s, func(string) {}, func(letter byte, digits string, _ bool, _ string) error {
		if !strings.ContainsRune(letters, rune(letter|0x20)) {
			return fmt.Errorf("there is no macro %%{%c} here (RFC 7208 §7.2)", letter)
		}
		if n, err := strconv.Atoi(digits); digits != "" && (err != nil || n == 0) {
			return fmt.Errorf("the macro %%{%c%s} keeps no part (RFC 7208 §7.3)", letter, digits)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// maxDomain is the most characters of an expanded domain (RFC 7208 §7.3).
const maxDomain = 253

// expand returns the domain that a domain-spec stands for in the record of a domain.
func (c *check) expand(spec, domain string) (string, error) {
	s, err := c.expandText(spec, domain)
	if err != nil {
		return "", permanent("%v", err)
	}
	s = strings.TrimSuffix(s, ".")
	for len(s) > maxDomain {
		_, rest, ok := strings.Cut(s, ".")
		if !ok {
			break
		}
		s = rest
	}
	return s, nil
}

// expandText returns a macro-string with the values of its macros.
func (c *check) expandText(spec, domain string) (string, error) {
	var b strings.Builder
	err := eachMacro(spec, func(s string) { b.WriteString(s) }, func(letter byte, digits string, reverse bool, delimiters string) error {
		if delimiters == "" {
			delimiters = "."
		}
		parts := strings.Split(strings.Map(func(r rune) rune {
			if strings.ContainsRune(delimiters, r) {
				return 0 // which no mail address has
			}
			return r
		}, c.value(letter|0x20, domain)), "\x00")
		if reverse {
			slices.Reverse(parts)
		}
		if n, err := strconv.Atoi(digits); err == nil && n < len(parts) {
			parts = parts[len(parts)-n:]
		}
		s := strings.Join(parts, ".")
		if letter < 'a' {
			s = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
		}
		b.WriteString(s)
		return nil
	})
	return b.String(), err
}

// value returns what a macro letter stands for (RFC 7208 §7.3).
func (c *check) value(letter byte, domain string) string {
	switch letter {
	case 's':
		return c.local + "@" + c.domain
	case 'l':
		return c.local
	case 'o':
		return c.domain
	case 'd':
		return domain
	case 'i':
		if c.address.Is4() {
			return c.address.String()
		}
		parts := strings.Split(strings.TrimSuffix(dname.FromAddr(c.address).String(), ".ip6.arpa."), ".")
		slices.Reverse(parts)
		return strings.Join(parts, ".")
	case 'p':
		return c.name(domain)
	case 'c':
		return c.address.String()
	case 'r': // the receiving server
		return "unknown"
	case 't':
		return strconv.FormatInt(time.Now().Unix(), 10)
	case 'v':
		if c.address.Is4() {
			return "in-addr"
		}
		return "ip6"
	}
	return c.helo
}

// name returns the validated name of the client: the domain itself, one below it, or any.
func (c *check) name(domain string) string {
	list := c.validated(c.find)
	at := nameOf(domain)
	for _, fits := range []func(dname.Name) bool{
		func(n dname.Name) bool { return n.Equal(at) },
		func(n dname.Name) bool { return n.IsAtOrBelow(at) },
		func(dname.Name) bool { return true },
	} {
		if i := slices.IndexFunc(list, fits); i >= 0 {
			return strings.TrimSuffix(list[i].String(), ".")
		}
	}
	return "unknown"
}
