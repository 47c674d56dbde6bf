package rr

import (
	"fmt"
	"strings"
)

// HasText reports whether RDATA of the type has a form of its own in text.
func HasText(t Type) bool {
	r := rowOf(t)
	return r != nil && r.fields != nil
}

// TypesDoc returns docs/types.md.
func TypesDoc() string {
	var b strings.Builder
	b.WriteString(`# Record types

<!-- Written by go test ./zone/rr -run TestTypesDoc -update; change the table in
     zone/rr/table.go. -->

Master files, the configuration, updates and transfers know these types. Each can be written as
` + "`TYPEn`" + ` too, and its data as ` + "`\\# LENGTH HEX`" + ` (RFC 3597 §5), which is the only form of types without
an entry under "data" and of types that are not in this table.

| type | number | data | defined in |
| --- | --- | --- | --- |
`)
	for i := range rows {
		r := &rows[i]
		if r.t.IsMeta() {
			continue
		}
		form := ""
		if len(r.fields) == 1 {
			form = r.fields[0].name
		} else if len(r.fields) > 1 {
			_, form, _ = strings.Cut(r.form(), " is: ")
			form = strings.TrimSuffix(form, " ("+r.ref+")")
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", r.mnemonic, r.t, strings.ReplaceAll(form, "|", `\|`), r.ref)
	}
	b.WriteString("\nA record that does not have the form of its type is an error. [checks.md](checks.md) has the rules\nabout records that have.\n")
	return b.String()
}
