package secondary

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// isFlaw reports whether a finding is about data that a server of its own zone would not
// load. The others are advice for the operator of the primary, and are logged only.
func isFlaw(f zone.Finding) bool {
	switch f.Code {
	case "odd-rdata", "nsec3-owner", "signature-without-rrset", "no-ns", "dname-and-ns", "ttl-differs":
		return true
	}
	return false
}

// remaining returns the findings about a zone after a transfer, where old are those
// before it. Those about names at which an IXFR removed something are dropped: what is
// still there at such a name is found again when it is transferred as a whole.
func remaining(old []zone.Finding, out *outcome) []zone.Finding {
	var list []zone.Finding
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

// The note that keeps the findings about a zone. Of each:
//
//	length of the owner (1), owner; type (2); length of the text (2), text
const noteFindings = notePrefix + "findings"

func findingsNote(list []zone.Finding) zone.Note {
	n := zone.Note{Key: noteFindings} // without a value, it removes the one before
	for _, f := range list {
		text := f.Text[:min(len(f.Text), maxFindingText)]
		n.Value = append(append(n.Value, byte(len(f.Owner))), f.Owner...)
		n.Value = binary.BigEndian.AppendUint16(n.Value, uint16(f.Type))
		n.Value = append(binary.BigEndian.AppendUint16(n.Value, uint16(len(text))), text...)
	}
	return n
}

// maxFindingText is more than any finding has, in octets.
const maxFindingText = 4 << 10

// readFindings reads what findingsNote wrote, as far as it is whole.
func readFindings(notes []zone.Note) (list []zone.Finding) {
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
			f := zone.Finding{Type: rr.Type(binary.BigEndian.Uint16(b[owner:])), Text: string(b[owner+4 : text])}
			if name := dname.FromWire(b[1:owner]); len(name) == owner-1 {
				f.Owner = name
			}
			list = append(list, f)
			b = b[text:]
		}
	}
	return list
}
