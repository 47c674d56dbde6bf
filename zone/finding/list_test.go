package finding_test

import (
	"fmt"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
)

// TestList: of each file, rule and severity MaxListed findings are listed, and the counts add up,
// however often lists are put together. No finding stands for a single one.
func TestList(t *testing.T) {
	const most = finding.MaxListed
	for _, n := range []int{0, 1, most, most + 1, most + 2, 20 * most} {
		var l finding.List
		for i := range n {
			for j, rule := range []string{"unknown-type", "missing-dot"} {
				for _, file := range []string{"a", "b"} {
					l.Addf(finding.Finding{Severity: finding.Severity(j), Rule: rule, Position: finding.Position{File: file, Line: i + 1}}, "%s %d", rule, i)
				}
			}
		}
		list := finding.Limit(append(l.Sorted(), l.Sorted()...)) // twice: they are the same
		errs, warnings := finding.Count(list)
		listed := n
		if n > most+1 {
			listed = most + 1
		}
		if errs != 2*n || warnings != 2*n || l.Count(finding.Error) != 2*n || len(list) != 4*listed {
			t.Errorf("%d of each: %d errors, %d warnings, %d listed", n, errs, warnings, len(list))
		}
		for i, f := range list {
			if f.More == 1 || i > 0 && list[i-1].Compare(f.Position) > 0 {
				t.Errorf("%d of each: %v after %v", n, f.Report(), list[i-1].Report())
			}
		}
		if n > most+1 {
			want := fmt.Sprintf("a:%d: warning: %d more warnings of this kind from here on are not listed; correct those that are, and check again", most+1, n-most)
			if got := list[2*most].Report(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}

// TestListChecks: a rule that is off has no findings, and another keeps the severity that was chosen
// when lists are put together.
func TestListChecks(t *testing.T) {
	var l finding.List
	l.Checks.Set("missing-dot", rule.Off)
	l.Checks.Set("digest-length", rule.Warn)
	l.Add(finding.Finding{Rule: "missing-dot", Owner: dname.MustParse("a")})
	l.Add(finding.Finding{Severity: finding.Error, Rule: "digest-length"})
	if list := finding.Limit(l.Sorted()); len(list) != 1 || list[0].Severity != finding.Warning {
		t.Errorf("%+v", list)
	}
}

// TestListRemoveFile: the findings of a file are removed from the counts as well.
func TestListRemoveFile(t *testing.T) {
	var l finding.List
	for i := range finding.Tag(3 * finding.MaxListed) {
		l.Add(finding.Finding{Severity: finding.Error, Tag: 1<<finding.FileShift | i})
		l.Add(finding.Finding{Severity: finding.Error, Tag: 2<<finding.FileShift | i})
	}
	l.RemoveFile(1 << finding.FileShift)
	list := l.Sorted()
	if errs, _ := finding.Count(list); errs != 3*finding.MaxListed || l.Count(finding.Error) != errs || list[0].Tag>>finding.FileShift != 2 {
		t.Errorf("%d errors, %d counted, %v", errs, l.Count(finding.Error), list[0])
	}
}
