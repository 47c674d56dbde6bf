package zonefile

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Lines returns the records as lines that can be added to a master file: names are absolute, and
// TTL and class are those that the file has before them. With generate, records of adjacent octets
// become one $GENERATE line, which NSD and Knot DNS do not support: those with the same data, and
// CNAMEs whose target begins with the octet (RFC 2317 §4).
func Lines(list []zone.Record, generate bool) []string {
	var lines []string
	last := map[string]run{} // by what its records have in common
	for _, r := range list {
		octet, common := step(r)
		if !generate || common == "" {
			lines = append(lines, Line(r))
			continue
		}
		at, ok := last[common]
		if !ok || octet != at.last+1 {
			last[common] = run{len(lines), octet, octet}
			lines = append(lines, Line(r))
			continue
		}
		at.last = octet
		last[common] = at
		lines[at.line] = fmt.Sprintf("$GENERATE %d-%d %s", at.first, at.last, common)
	}
	return lines
}

// maxLines is how many lines a remedy proposes; more of them do not help to understand it.
const maxLines = 8

// AddLines returns the remedy to add records to a master file.
func AddLines(list []zone.Record) string {
	lines, more := Lines(list, true), ""
	if n := len(lines) - maxLines; n > 0 {
		lines, more = lines[:maxLines], fmt.Sprintf(" and %d more like these", n)
	}
	if len(lines) == 0 {
		return "add its NS"
	}
	return "add `" + strings.Join(lines, "`, `") + "`" + more
}

// Line returns a record as a line without TTL and class.
func Line(r zone.Record) string {
	return fmt.Sprintf("%v %v %s", r.Owner, r.Type, rr.Text(r.Type, r.Data))
}

// run is a $GENERATE line while it grows.
type run struct{ line, first, last int }

// step returns a record as a step of a $GENERATE: the octet, and the line with $ in its place;
// empty if the record cannot be one.
func step(r zone.Record) (octet int, common string) {
	if r.Owner.IsRoot() {
		return 0, ""
	}
	o, ok := dname.OctetLabel(r.Owner.Label())
	if !ok || r.Type != rr.TypeCNAME && r.Type != rr.TypeNS {
		return 0, ""
	}
	data := rr.Text(r.Type, r.Data)
	if target := dname.Name(r.Data); r.Type == rr.TypeCNAME && !target.IsRoot() && string(target.Label()) == string(r.Owner.Label()) {
		data = "$." + target.Parent().String()
	}
	common = fmt.Sprintf("$.%v %v %s", r.Owner.Parent(), r.Type, data)
	if strings.Contains(common, `\`) {
		return 0, "" // $GENERATE reads escapes in its own way
	}
	return int(o), common
}
