package secondary

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// isFlaw reports whether a finding is about data that would be rejected in a file of a primary zone.
// Other findings are advice for the operator of the primary, and are only logged.
func isFlaw(f finding.Finding) bool {
	switch f.Rule {
	case "odd-rdata", "nsec3-owner", "signature-without-rrset", "no-ns", "dname-and-ns", "ttl-differs":
		return true
	}
	return false
}

// mergeFindings returns the findings about a zone after a transfer, where old are those before it.
// Findings about names at which an IXFR removed a record are dropped: if they still apply, the next
// transfer of the whole zone finds them again.
func mergeFindings(old []finding.Finding, out *outcome) []finding.Finding {
	var list []finding.Finding
	for _, f := range out.findings {
		if isFlaw(f) {
			list = append(list, f)
		}
	}
	if out.changes == nil || len(old) == 0 {
		return list
	}
	removed := map[string]bool{}
	for _, c := range out.changes {
		for i := range c.Removed {
			removed[c.Removed[i].Owner.Key()] = true
		}
	}
	for _, f := range old {
		if len(list) < maxFindings && f.Owner != nil && !removed[f.Owner.Key()] {
			list = append(list, f)
		}
	}
	return list
}

// noteFindings is the key of the note with the findings about a zone. Each finding is
//
//	length of the owner (1), owner; type (2); length of the text (2), text
const noteFindings = notePrefix + "findings"

func findingsNote(list []finding.Finding) zone.Note {
	n := zone.Note{Key: noteFindings} // without a value it removes the earlier note
	for _, f := range list {
		text := f.Text[:min(len(f.Text), maxFindingText)]
		n.Value = append(append(n.Value, byte(len(f.Owner))), f.Owner...)
		n.Value = binary.BigEndian.AppendUint16(n.Value, uint16(f.Type))
		n.Value = append(binary.BigEndian.AppendUint16(n.Value, uint16(len(text))), text...)
	}
	return n
}

// maxFindingText bounds the text of a finding, in octets. No finding has as much.
const maxFindingText = 4 << 10

// readFindings reads what findingsNote wrote, up to the first finding that is incomplete.
func readFindings(notes []zone.Note) (list []finding.Finding) {
	for _, n := range notes {
		if n.Key != noteFindings {
			continue
		}
		for b := n.Value; len(b) > 0; {
			owner := 1 + int(b[0])
			if len(b) < owner+4 {
				break
			}
			text := owner + 4 + int(binary.BigEndian.Uint16(b[owner+2:]))
			if len(b) < text {
				break
			}
			f := finding.Finding{Type: rr.Type(binary.BigEndian.Uint16(b[owner:])), Text: string(b[owner+4 : text])}
			if name := dname.FromWire(b[1:owner]); len(name) == owner-1 {
				f.Owner = name
			}
			list = append(list, f)
			b = b[text:]
		}
	}
	return list
}
