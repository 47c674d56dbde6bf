package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ptrd/ptrd/zone/dname"
)

// Neighbour is a file of another program that has names of addresses.
type Neighbour struct {
	Format  string // one of neighbourFormats
	File    File
	Domain  dname.Name // appended to names without a dot; nil: those are not used
	Columns Columns    // of csv
}

// Columns are the columns of a CSV file by the names that they have in its first line, or all by
// their numbers, from 1 on.
type Columns struct {
	Address, Name string
	Expires       string // empty: names do not end
	Separator     string // one character; empty: a comma
}

// neighbourFormats are the formats of files, which are the keys that their paths have.
var neighbourFormats = []string{"kea", "dhcpd", "dnsmasq", "hosts", "csv"}

// formatOf returns the format that the path of a file suggests.
func formatOf(path string) string {
	for _, f := range [...]string{"kea", "csv", "dhcpd", "dnsmasq", "hosts"} {
		if strings.Contains(path, f) {
			return f
		}
	}
	return "kea"
}

// neighbour reads the path of a file under the key that is its format.
func (v value) neighbour() *Neighbour {
	n := &Neighbour{}
	before := v.doc.errors()
	fields := []field{
		{"domain", func(v value) { n.Domain = v.checkedHost("the domain of hosts", v.name()) }},
		{"columns", func(v value) { v.columns(&n.Columns) }},
	}
	for _, format := range neighbourFormats {
		fields = append(fields, field{format, func(v value) {
			if n.Format != "" {
				v.fail("there is a file of %s already; write each as an item of its own", n.Format)
				return
			}
			n.Format, n.File = format, v.source()
		}})
	}
	v.mapping(fields...)
	hasColumns := n.Columns.Address != "" && n.Columns.Name != ""
	switch {
	case v.doc.errors() > before:
		return nil
	case n.Format == "":
		v.fail("there is no file; give its path under the program that makes it: %s", strings.Join(neighbourFormats, ", "))
		return nil
	case n.Format == "csv" && !hasColumns:
		v.fail("the columns of a CSV file differ from one to the next; name them as its first line does, such as `columns: {address: ip, name: host}`, or give their numbers, such as `{address: 1, name: 2}`")
		return nil
	case n.Format != "csv" && v.hasKey("columns"):
		v.fail("only `csv` has `columns`; remove them")
		return nil
	}
	return n
}

// columns reads the names or numbers of columns.
func (v value) columns(c *Columns) {
	numbers, columns := 0, 0
	column := func(to *string) func(value) {
		return func(v value) {
			*to, _ = v.scalar()
			columns++
			if n, err := strconv.Atoi(*to); err == nil {
				numbers++
				if n < 1 {
					v.fail("%d is not the number of a column; the first one is 1", n)
				}
			}
		}
	}
	v.mapping(
		field{"address", column(&c.Address)},
		field{"name", column(&c.Name)},
		field{"expires", column(&c.Expires)},
		field{"separator", func(v value) {
			c.Separator, _ = v.scalar()
			if r, size := utf8.DecodeRuneInString(c.Separator); size != len(c.Separator) || size == 0 || r == utf8.RuneError || strings.ContainsRune("\"\r\n", r) {
				v.fail("the separator %q is not one character, such as \";\" or \"\\t\"", c.Separator)
			}
		}},
	)
	if numbers > 0 && numbers < columns {
		v.fail("some columns have a name and some a number; give all of them a name, or all a number")
	}
}
