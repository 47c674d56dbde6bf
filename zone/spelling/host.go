package spelling

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"golang.org/x/net/idna"
)

// WriteALabels returns the remedy for a name with characters that are not ASCII: its internationalized
// labels in the form that the DNS has of them (RFC 5890 §2.3.2.1). What is not UTF-8 is taken for
// Latin-1.
func WriteALabels(name string) string {
	if !utf8.ValidString(name) {
		var b strings.Builder
		for _, c := range []byte(name) {
			b.WriteRune(rune(c))
		}
		name = b.String()
	}
	if n, err := idna.Lookup.ToASCII(name); err == nil {
		return "write " + n
	}
	return "write internationalized labels as A-labels (xn--…)"
}

// HostBits returns that a prefix has host bits, and the remedy; empty if it has none.
func HostBits(p netip.Prefix) string {
	if p == p.Masked() {
		return ""
	}
	return fmt.Sprintf("%q has host bits; write %q for the prefix, or \"%v/%d\" for the address", p, p.Masked(), p.Addr(), p.Addr().BitLen())
}

// HostFault returns why n is not the name of a host (RFC 952, RFC 1123 §2.1), and the remedy; empty if
// it is one. who are those that reject it.
func HostFault(n dname.Name, who string) string {
	for rest := n; !rest.IsRoot(); rest = rest.Parent() {
		if label := rest.Label(); !dname.IsHostLabel(label) {
			return labelFault(string(label), n, who)
		}
	}
	return ""
}

// labelFault describes a label that is not one of a host name; n is the whole name.
func labelFault(label string, n dname.Name, who string) string {
	var labels []string
	for ; !n.IsRoot(); n = n.Parent() {
		labels = append(labels, string(n.Label()))
	}
	text := strings.Join(labels, ".")
	if _, url, ok := strings.Cut(text, "://"); ok {
		host, _, _ := strings.Cut(url, "/")
		return fmt.Sprintf("it is a URL; write the name in it, %s.", host)
	}
	if host, port, ok := strings.Cut(text, ":"); ok && strings.Trim(port, "0123456789") == "" {
		return fmt.Sprintf("it has the port %s; write %s.", port, strings.TrimSuffix(host, "."))
	}
	i := slices.IndexFunc([]byte(label), func(c byte) bool { return !dname.IsHostLabel([]byte{c}) && c != '-' })
	switch {
	case i < 0 && label[0] == '-':
		return fmt.Sprintf("label %q begins with a hyphen (RFC 1123 §2.1); rename the host", label)
	case i < 0:
		return fmt.Sprintf("label %q ends with a hyphen (RFC 1123 §2.1); rename the host", label)
	case label[i] == '@':
		return "it has an @, as a mail address; write the name of the mail server"
	case label[i] == '_':
		return fmt.Sprintf("label %q has an underscore, and %s reject such names (RFC 1123 §2.1); use a hyphen", label, who)
	case label[i] >= 0x80:
		return "it is not ASCII; " + WriteALabels(text+".")
	}
	return fmt.Sprintf("label %s has the octet %s, where only letters, digits and hyphens are allowed (RFC 1123 §2.1); correct it", rr.Quote([]byte(label)), rr.Quote([]byte(label[i:i+1])))
}
