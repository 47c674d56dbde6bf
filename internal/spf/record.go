package spf

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// term is a mechanism or modifier of a record.
type term struct {
	text         string
	isModifier   bool
	name         string // in lower case
	result       Result // of a mechanism that matches
	domain       string // a domain-spec; empty: the current domain
	bits4, bits6 int    // of the network of an address
	network      netip.Prefix
}

// begin is how records begin, in any case, before a space or the end (RFC 7208 §4.5).
const begin = "v=spf1"

func isRecord(s string) bool {
	return len(s) >= len(begin) && strings.EqualFold(s[:len(begin)], begin) && (len(s) == len(begin) || s[len(begin)] == ' ')
}

// The forms of RFC 7208 §12. A number has no leading zeros.
var (
	modifierForm  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]*)=(.*)$`)
	mechanismForm = regexp.MustCompile(`^([-+?~]?)([A-Za-z][A-Za-z0-9._-]*)([:/].*)?$`)
	cidrForm      = regexp.MustCompile(`^(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$`)
	ipForm        = regexp.MustCompile(`^:([^/]+)(?:/(0|[1-9][0-9]{0,2}))?$`)
	endForm       = regexp.MustCompile(`(\.([A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?|%\{[^{}]*\}|%[%_-])$`)
)

var results = map[string]Result{"": Pass, "+": Pass, "-": Fail, "~": SoftFail, "?": Neutral}

// parse returns the terms of a record (RFC 7208 §4.6), or what is malformed in it.
func parse(record string) (terms []term, err error) {
	for _, c := range []byte(record) {
		if c < ' ' || c > '~' {
			return nil, fmt.Errorf("it has the octet %#02x, which is not printable ASCII (RFC 7208 §3.1)", c)
		}
	}
	seen := map[string]bool{}
	for text := range strings.FieldsSeq(record[len(begin):]) {
		t, err := parseTerm(text)
		if err != nil {
			return nil, err
		}
		if t.name == "redirect" || t.name == "exp" {
			if seen[t.name] {
				return nil, fmt.Errorf("it has %s= twice (RFC 7208 §6)", t.name)
			}
			seen[t.name] = true
		}
		terms = append(terms, t)
	}
	return terms, nil
}

func parseTerm(text string) (t term, err error) {
	t = term{text: text, bits4: 32, bits6: 128}
	if m := modifierForm.FindStringSubmatch(text); m != nil {
		t.isModifier, t.name, t.domain = true, strings.ToLower(m[1]), m[2]
		if t.name == "redirect" || t.name == "exp" {
			return t, checkDomain(text, t.domain)
		}
		return t, checkMacros(text, t.domain, explanationLetters)
	}
	m := mechanismForm.FindStringSubmatch(text)
	if m == nil {
		return t, fmt.Errorf("%q is neither a mechanism nor a modifier", text)
	}
	t.result, t.name = results[m[1]], strings.ToLower(m[2])
	rest := m[3]
	switch t.name {
	case "all":
		if rest != "" {
			return t, fmt.Errorf("%q has an argument, must have none (RFC 7208 §5.1)", text)
		}
		return t, nil
	case "ip4", "ip6":
		return t, t.parseNetwork(rest)
	case "a", "mx":
		m := cidrForm.FindStringSubmatch(rest)
		rest = m[1]
		if t.bits4, err = parseBits(text, m[2], 32); err == nil {
			t.bits6, err = parseBits(text, m[3], 128)
		}
		if err != nil {
			return t, err
		}
	case "ptr":
	case "include", "exists":
		if rest == "" {
			return t, fmt.Errorf("%q has no domain (RFC 7208 §5)", text)
		}
	default:
		return t, fmt.Errorf("%q is not a known mechanism (RFC 7208 §4.6.1)", text)
	}
	if rest == "" {
		return t, nil
	}
	var ok bool
	if t.domain, ok = strings.CutPrefix(rest, ":"); !ok {
		return t, fmt.Errorf("%q has %q in place of a domain or a prefix length", text, rest)
	}
	return t, checkDomain(text, t.domain)
}

// parseNetwork reads the argument of ip4 and ip6.
func (t *term) parseNetwork(rest string) error {
	m := ipForm.FindStringSubmatch(rest)
	if m == nil {
		return fmt.Errorf("%q is not an address or a prefix (RFC 7208 §5.6)", t.text)
	}
	a, err := netip.ParseAddr(m[1])
	if err != nil || a.Is4() != (t.name == "ip4") || a.Zone() != "" {
		return fmt.Errorf("%q is not an address or a prefix of its family (RFC 7208 §5.6)", t.text)
	}
	bits, err := parseBits(t.text, m[2], a.BitLen())
	if err == nil {
		t.network, err = a.Prefix(bits)
	}
	return err
}

func parseBits(text, s string, most int) (int, error) {
	if s == "" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > most {
		return 0, fmt.Errorf("%q has the prefix length %s, must be at most %d", text, s, most)
	}
	return n, nil
}

// checkDomain checks a domain-spec (RFC 7208 §7.1).
func checkDomain(text, spec string) error {
	if err := checkMacros(text, spec, domainLetters); err != nil {
		return err
	}
	if !endForm.MatchString(spec) {
		return fmt.Errorf("%q has no domain name that ends in a top-level label or a macro (RFC 7208 §7.1)", text)
	}
	return nil
}
