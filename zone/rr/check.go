package rr

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/rule"
)

// ruleForm is the name of the rule that RDATA has the form of its type, which is no choice.
const ruleForm = "bad-rdata"

// Check returns what is wrong with RDATA of type t in wire format, the names in it uncompressed:
// the first octets that are not of the form of the type, or the rules that RDATA of that form
// breaks. RDATA of a type whose form is not known is never wrong.
func Check(c *rule.Checks, t Type, rdata []byte) []Fault {
	r := rowOf(t)
	if r == nil || r.fields == nil {
		return nil
	}
	list := r.appendFaults(nil, c, rdata)
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
func (r *row) appendFaults(list []Fault, c *rule.Checks, d []byte) []Fault {
	if field, reason := r.formFault(d); reason != "" {
		return append(list, Fault{Rule: ruleForm, Word: field, Text: reason})
	}
	at := 0
	for i := range r.fields {
		k := r.fields[i].kind
		n, _ := k.size(d, at)
		if j, ok := k.(judge); ok {
			if broken, text := j.judge(d, at, n); text != "" {
				s, _ := c.Severity(broken)
				if s == rule.Off {
					at += n
					continue
				}
				if known, _ := rule.Get(broken); !strings.Contains(text, "RFC") {
					text += "; " + known.Text
				}
				if s == rule.Error {
					text += fmt.Sprintf("; `checks: {%s: warn}` allows it", broken)
				}
				list = append(list, Fault{Rule: broken, Warning: s == rule.Warn, Word: i, Text: r.fields[i].name + ": " + text})
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
