package rr

import (
	"fmt"
	"strings"
)

// Severity is how a broken rule counts.
type Severity uint8

const (
	Default Severity = iota // what the rule says
	Warn
	Error
)

// rule is a rule that RDATA of the right form may break.
type rule uint8

const (
	ruleDigest rule = iota
	ruleKeyProtocol
	ruleDigits
	ruleDegrees
	ruleURI
	ruleTag
	ruleNAPTRFlags
	ruleNAPTRRegexp
	ruleAlias
	ruleMandatory
	ruleDefaultALPN
	ruleDoHPath
	ruleKey
	ruleFlags
	ruleCount
)

// Rule is a rule whose severity is a choice.
type Rule struct {
	Name     string
	Severity Severity // unless Checks has another
	Text     string   // what the rule is, with its RFC
}

// rules are the rules whose severity is a choice. Read only.
var rules = [ruleCount]Rule{
	ruleDigest:      {"digest-length", Error, "a digest has the length that its algorithm makes (RFC 4509 §2.1, RFC 5155 §3.1.7, RFC 6594 §4, RFC 6698 §2.1.3, RFC 8976 §2.2.3)"},
	ruleKeyProtocol: {"dnskey-protocol", Warn, "the protocol of DNSKEY and CDNSKEY is 3 (RFC 4034 §2.1.2)"},
	ruleDigits:      {"x25-digits", Error, "an X25 address is decimal digits, at least 4 (RFC 1183 §3.1)"},
	ruleDegrees:     {"gpos-range", Error, "longitude, latitude and altitude of GPOS are decimal numbers in range (RFC 1712 §3)"},
	ruleURI:         {"uri-target", Warn, "the target of URI is not empty (RFC 7553 §4.4)"},
	ruleTag:         {"caa-tag", Error, "the tag of CAA is letters and digits (RFC 8659 §4.1)"},
	ruleNAPTRFlags:  {"naptr-flags", Warn, "the flags of NAPTR are letters and digits (RFC 3403 §4.1)"},
	ruleNAPTRRegexp: {"naptr-regexp", Warn, "the regexp of NAPTR is a substitution expression (RFC 3402 §3.2)"},
	ruleAlias:       {"svcb-alias", Warn, "SVCB and HTTPS of priority 0 have no parameters (RFC 9460 §2.4.2)"},
	ruleMandatory:   {"svcb-mandatory", Error, "a key that mandatory lists is there (RFC 9460 §8)"},
	ruleDefaultALPN: {"svcb-alpn", Error, "no-default-alpn comes with alpn (RFC 9460 §7.1.1)"},
	ruleDoHPath:     {"svcb-dohpath", Warn, "dohpath is a relative template with the variable dns (RFC 9461 §5)"},
	ruleKey:         {"svcb-key", Warn, "key 65535 is reserved (RFC 9460 §14.3.2)"},
	ruleFlags:       {"flags", Warn, "flags without a meaning are 0 (RFC 4034 §2.1.1, RFC 7477 §2.1.1.2, RFC 8659 §4.1)"},
}

// ruleForm is the name of the rule that RDATA has the form of its type, which is no choice.
const ruleForm = "bad-rdata"

// Rules returns the rules whose severity is a choice.
func Rules() []Rule { return append([]Rule(nil), rules[:]...) }

// Checks are the severities that were chosen. The zero value has those of the rules.
type Checks [ruleCount]Severity

// Set chooses the severity of a rule. It returns false if there is no rule of that name.
func (c *Checks) Set(name string, s Severity) bool {
	for i := range rules {
		if rules[i].Name == name {
			c[i] = s
			return true
		}
	}
	return false
}

// Check returns what is wrong with RDATA of type t in wire format, the names in it uncompressed:
// the first octets that are not of the form of the type, or the rules that RDATA of that form
// breaks. RDATA of a type whose form is not known is never wrong.
func (c *Checks) Check(t Type, rdata []byte) []Fault {
	r := rowOf(t)
	if r == nil || r.fields == nil {
		return nil
	}
	list := c.appendFaults(nil, r, rdata)
	for i := range list {
		list[i].Word = 0
	}
	return list
}

// FormFault returns why octets are not of the form of type t; empty if they are, or nothing is known of
// the type.
func FormFault(t Type, rdata []byte) string {
	if r := rowOf(t); r != nil && r.fields != nil {
		_, reason := r.formFault(rdata)
		return reason
	}
	return ""
}

// formFault returns why d is not of the form of the type, and the field.
func (r *row) formFault(d []byte) (field int, reason string) {
	at := 0
	for i := range r.fields {
		n, reason := r.fields[i].size(d, at)
		if reason != "" {
			return i, fmt.Sprintf("%s: %s%s", r.fields[i].name, reason, r.form())
		}
		at += n
	}
	if at < len(d) {
		return len(r.fields) - 1, fmt.Sprintf("%d octets follow the last field%s", len(d)-at, r.form())
	}
	return 0, ""
}

// appendFaults appends the faults of d; their Word is the index of the field.
func (c *Checks) appendFaults(list []Fault, r *row, d []byte) []Fault {
	if field, reason := r.formFault(d); reason != "" {
		return append(list, Fault{Rule: ruleForm, Word: field, Text: reason})
	}
	at := 0
	for i := range r.fields {
		k := r.fields[i].kind
		n, _ := k.size(d, at)
		if j, ok := k.(judge); ok {
			if broken, text := j.judge(d, at, n); text != "" {
				s := c[broken]
				if s == Default {
					s = rules[broken].Severity
				}
				if !strings.Contains(text, "RFC") {
					text += "; " + rules[broken].Text
				}
				if s != Warn {
					text += fmt.Sprintf("; `checks: {%s: warn}` allows it", rules[broken].Name)
				}
				list = append(list, Fault{Rule: rules[broken].Name, Warning: s == Warn, Word: i, Text: r.fields[i].name + ": " + text})
			}
		}
		at += n
	}
	return list
}

// form describes the data of the type, for the end of a message. It is empty for a type with one
// field, whose name is in the message already.
func (r *row) form() string {
	if len(r.fields) < 2 {
		return ""
	}
	names := make([]string, len(r.fields))
	for i := range r.fields {
		name := r.fields[i].name
		if _, short, ok := strings.Cut(name, "("); ok {
			name = strings.TrimSuffix(short, ")")
		}
		if !strings.Contains(name, "-") { // it names several words
			name = strings.ReplaceAll(name, " ", "-")
		}
		names[i] = name
	}
	return fmt.Sprintf("; the data of %s is: %s (%s)", r.mnemonic, strings.Join(names, " "), r.ref)
}
