package finding_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestFindingForms shows the text and the JSON of findings. The JSON can be read again.
func TestFindingForms(t *testing.T) {
	apex, owner := dname.MustParse("113.0.203.in-addr.arpa."), dname.MustParse(`a\.b.113.0.203.in-addr.arpa.`)
	for _, c := range []struct {
		f            finding.Finding
		report, json string
	}{
		{finding.Finding{Text: "t"}, "warning: t", `{"severity":"warning","text":"t"}`},
		{finding.Finding{Severity: finding.Error, Position: finding.Position{File: "f"}, Zone: apex, Rule: "r", Text: "t"},
			"f: error: t", `{"severity":"error","file":"f","zone":"113.0.203.in-addr.arpa.","code":"r","text":"t"}`},
		{finding.Finding{Position: finding.Position{File: "f", Line: 3, Col: 7}, Owner: owner, Type: rr.TypePTR, Text: "t"},
			`f:3:7: warning: PTR at a\.b.113.0.203.in-addr.arpa.: t`,
			`{"severity":"warning","file":"f","line":3,"col":7,"owner":"a\\.b.113.0.203.in-addr.arpa.","type":"PTR","text":"t"}`},
		{finding.Finding{Owner: owner, Type: 65500, Text: "t"},
			`warning: TYPE65500 at a\.b.113.0.203.in-addr.arpa.: t`, `{"severity":"warning","owner":"a\\.b.113.0.203.in-addr.arpa.","type":"TYPE65500","text":"t"}`},
	} {
		if got := c.f.Report(); got != c.report {
			t.Errorf("%q, want %q", got, c.report)
		}
		b, err := json.Marshal(c.f)
		if err != nil || string(b) != c.json {
			t.Errorf("%s, %v, want %s", b, err, c.json)
		}
		var back finding.Finding
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, c.f) {
			t.Errorf("%s is read as %+v, %v", b, back, err)
		}
	}
	for _, bad := range []string{`{"severity":"fatal"}`, `{"type":"nonesuch"}`, `{"owner":"a..b"}`} {
		if err := json.Unmarshal([]byte(bad), new(finding.Finding)); err == nil {
			t.Errorf("%s is read without an error", bad)
		}
	}
}
