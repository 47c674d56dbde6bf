package finding

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone/rule"
)

// MaxListed is how many findings of one kind are listed for one file. An operator corrects the
// first ones before reading more than a hundred, and a file can have one for each of its records.
const MaxListed = 100

// List collects findings. Of each kind, which is a file, a rule and a severity, it lists the first
// MaxListed, and one more that counts the others (Finding.More) at the place of the first of them.
// If only one is left, it is listed itself. The zero value is empty.
type List struct {
	Checks rule.Checks // severities that were chosen

	list   []Finding // in the order in which they came
	groups map[kind]*group
	order  []*group
	counts [Error + 1]int
}

// kind is what findings have in common that are counted together.
type kind struct {
	file     string
	number   Tag // of the file in a Tag
	rule     string
	severity Severity
}

// group is what the findings of one kind are.
type group struct {
	kind
	n    int      // all of them
	rest *Finding // the first one that is not in the list
}

// Add adds a finding, with a copy of its owner, unless its rule is off.
func (l *List) Add(f Finding) { l.Addf(f, "") }

// Addf is Add for a finding whose text is formatted only if it is listed. Without a format it has
// its text.
func (l *List) Addf(f Finding, format string, args ...any) {
	if f.Apply(&l.Checks) {
		l.add(f, format, args)
	}
}

func (l *List) add(f Finding, format string, args []any) {
	k := kind{f.File, f.Tag.file(), f.Rule, f.Severity}
	g := l.groups[k]
	if g == nil {
		if l.groups == nil {
			l.groups = map[kind]*group{}
		}
		g = &group{kind: k}
		l.groups[k], l.order = g, append(l.order, g)
	}
	listed := g.n < MaxListed && f.More == 0
	g.n += f.count()
	l.counts[f.Severity] += f.count()
	if !listed && g.rest != nil {
		return
	}
	if format != "" {
		f.Text = fmt.Sprintf(format, args...)
	}
	f.Owner = f.Owner.Clone()
	if listed {
		l.list = append(l.list, f)
	} else {
		g.rest = &f
	}
}

// Listed returns those that are listed so far, in the order in which they came.
func (l *List) Listed() []Finding { return l.list }

// Count returns the number of findings of a severity, including those that are not listed.
func (l *List) Count(s Severity) int { return l.counts[s] }

// RemoveFile removes all findings of the file that the tag is of.
func (l *List) RemoveFile(t Tag) {
	l.list = slices.DeleteFunc(l.list, func(f Finding) bool { return f.Tag.file() == t.file() })
	l.order = slices.DeleteFunc(l.order, func(g *group) bool {
		if g.number != t.file() {
			return false
		}
		l.counts[g.severity] -= g.n
		delete(l.groups, g.kind)
		return true
	})
}

// Sorted returns what is listed, by position.
func (l *List) Sorted() []Finding {
	listed := map[*group]int{}
	for i := range l.list {
		f := &l.list[i]
		listed[l.groups[kind{f.File, f.Tag.file(), f.Rule, f.Severity}]]++
	}
	out := slices.Clone(l.list)
	for _, g := range l.order {
		if g.rest == nil {
			continue
		}
		f := *g.rest
		if more := g.n - listed[g]; more > 1 {
			f.More, f.Owner, f.Type = more, nil, 0
			f.Text = fmt.Sprintf("%d more %ss of this kind from here on are not listed; correct those that are, and check again", more, f.Severity)
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Or(a.Compare(b.Position), cmp.Compare(a.Tag, b.Tag)) })
	return out
}

// Limit returns the findings by position, without duplicates, and limited as by a List.
func Limit(list []Finding) []Finding {
	Sort(list)
	var l List
	seen := map[string]bool{}
	for _, f := range list {
		if text := f.Report(); !seen[text] {
			seen[text] = true
			l.add(f, "", nil)
		}
	}
	return l.Sorted()
}
