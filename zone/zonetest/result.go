package zonetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Result is what one step of a lookup gave, in a form that compares.
type Result struct {
	Kind  zone.Kind
	Next  dname.Name // nil: the chain of aliases ends here
	Items []Item
}

// Item is one RRset of a Result, or its signatures alone.
type Item struct {
	Section  zone.Section
	Owner    string // Key of the owner name
	Type     rr.Type
	TTL      uint32
	Data     []string // RDATA, sorted by octets
	SigTTL   uint32
	Sigs     []string // RDATA of RRSIGs, sorted by octets
	Required bool     // of additional data only
	SigsOnly bool
}

// FromAnswer returns the Result that an Answer holds after one Lookup with the
// given DO.
func FromAnswer(a *zone.Answer, do bool) *Result {
	r := &Result{Kind: a.Kind, Next: a.Next.Clone()}
	for i := range a.Items {
		it := &a.Items[i]
		item := Item{Section: it.Section, Owner: it.Owner.Key(), Type: it.Set.Type,
			Required: it.Required && it.Section == zone.SectionAdditional, SigsOnly: it.SigsOnly}
		if !it.SigsOnly {
			item.TTL, item.Data = it.TTL, collect(it.Set.Data())
		}
		if (do || it.SigsOnly) && it.Set.Sigs() > 0 {
			item.SigTTL, item.Sigs = it.SigTTL, collect(it.Set.SigData())
		}
		r.Items = append(r.Items, item)
	}
	return r
}

// FromSet returns an RRset of a zone in the Oracle's form.
func FromSet(s zone.RRset) *Set {
	set := &Set{TTL: s.TTL, Data: collect(s.Data())}
	if s.Sigs() > 0 {
		set.SigTTL, set.Sigs = s.SigTTL, collect(s.SigData())
	}
	return set
}

func collect(it zone.RDataIter) []string {
	var out []string
	for it.Next() {
		out = append(out, string(it.Head)+string(it.Tail))
	}
	slices.Sort(out)
	return out
}

// Compare returns what differs between two Results, one line each, "-" for what
// only want has; empty if they are equal. The order of the answer section
// counts, except among signatures asked for by QTYPE RRSIG; that of the other
// sections does not. An alias's target keeps its case; other names need not.
func Compare(want, got *Result) string {
	var out strings.Builder
	if want.Kind != got.Kind {
		fmt.Fprintf(&out, "-%v\n+%v\n", KindText(want.Kind), KindText(got.Kind))
	}
	if string(want.Next) != string(got.Next) {
		fmt.Fprintf(&out, "-next %v\n+next %v\n", want.Next, got.Next)
	}
	w, g := ordered(want.Items), ordered(got.Items)
	if slices.EqualFunc(w, g, func(a, b Item) bool { return compareItems(a, b) == 0 }) {
		return out.String()
	}
	fmt.Fprintln(&out, "items:")
	for _, it := range w {
		if !slices.ContainsFunc(g, func(x Item) bool { return compareItems(x, it) == 0 }) {
			fmt.Fprintf(&out, "-%v\n", it)
		}
	}
	for _, it := range g {
		if !slices.ContainsFunc(w, func(x Item) bool { return compareItems(x, it) == 0 }) {
			fmt.Fprintf(&out, "+%v\n", it)
		}
	}
	fmt.Fprintf(&out, "want %d items, got %d:\n%v", len(w), len(g), got)
	return out.String()
}

// ordered returns the items with those sorted whose order has no meaning.
func ordered(items []Item) []Item {
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b Item) int {
		if c := cmp.Compare(a.Section, b.Section); c != 0 {
			return c
		}
		if a.Section == zone.SectionAnswer && !a.SigsOnly {
			return 0
		}
		return compareItems(a, b)
	})
	return items
}

func compareItems(a, b Item) int {
	return cmp.Or(
		cmp.Compare(a.Section, b.Section),
		cmp.Compare(a.Owner, b.Owner),
		cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.TTL, b.TTL),
		cmp.Compare(a.SigTTL, b.SigTTL),
		slices.Compare(a.Data, b.Data),
		slices.Compare(a.Sigs, b.Sigs),
		cmp.Compare(flag(a.Required), flag(b.Required)),
		cmp.Compare(flag(a.SigsOnly), flag(b.SigsOnly)),
	)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// KindText returns the name of a Kind.
func KindText(k zone.Kind) string {
	switch k {
	case zone.Success:
		return "success"
	case zone.NoData:
		return "nodata"
	case zone.NXDomain:
		return "nxdomain"
	case zone.Referral:
		return "referral"
	case zone.TooLong:
		return "toolong"
	}
	return fmt.Sprintf("kind %d", k)
}

// Outline returns what a Result holds in one line: the kind, then "owner type" of
// each item with the sections apart by bars, then where the chain goes on. Names
// at or below apex are relative to it. A "+" says that signatures come with an
// item, a "!" that it is required, "RRSIG of" that the signatures come alone.
// Authority and additional section are sorted, and so are lone signatures.
func Outline(r *Result, apex dname.Name) string {
	sections := [3][]string{}
	alone := false
	for _, it := range r.Items {
		s := relative(dname.Name(it.Owner), apex) + " " + it.Type.String()
		switch {
		case it.SigsOnly:
			s = relative(dname.Name(it.Owner), apex) + " RRSIG of " + it.Type.String()
			alone = true
		case len(it.Sigs) > 0:
			s += "+"
		}
		if it.Required {
			s += "!"
		}
		sections[it.Section] = append(sections[it.Section], s)
	}
	out := KindText(r.Kind)
	for i, s := range sections {
		if i > 0 || alone {
			slices.Sort(s)
		}
		if len(s) > 0 || i < 2 {
			out += " | " + strings.Join(s, ", ")
		}
	}
	out = strings.TrimRight(out, "| ")
	if r.Next != nil {
		out += " > " + relative(r.Next, apex)
	}
	return out
}

// relative returns the name as a master file with that origin would have it.
func relative(n, apex dname.Name) string {
	switch {
	case n.Equal(apex):
		return "@"
	case !n.IsAtOrBelow(apex) || apex.IsRoot():
		return n.String()
	}
	front := append(n[:len(n)-len(apex):len(n)-len(apex)], 0)
	return strings.TrimSuffix(front.String(), ".")
}

// String returns the Result in lines: the kind, the items, where the chain goes
// on.
func (r *Result) String() string {
	var out strings.Builder
	fmt.Fprintln(&out, KindText(r.Kind))
	for _, it := range r.Items {
		fmt.Fprintln(&out, it)
	}
	if r.Next != nil {
		fmt.Fprintln(&out, "next", r.Next)
	}
	return out.String()
}

// String returns section, owner, TTL, type and RDATA of an item; "required" for
// additional data that must not be left out, and how many signatures there are.
func (it Item) String() string {
	section := [...]string{"answer", "authority", "additional"}[it.Section]
	if it.SigsOnly {
		return fmt.Sprintf("%s %v %d RRSIG %v (%d)", section, dname.Name(it.Owner), it.SigTTL, it.Type, len(it.Sigs))
	}
	text := make([]string, len(it.Data))
	for i, data := range it.Data {
		text[i] = DataText(it.Type, data)
	}
	s := fmt.Sprintf("%s %v %d %v %s", section, dname.Name(it.Owner), it.TTL, it.Type, strings.Join(text, " | "))
	if len(it.Sigs) > 0 {
		s += fmt.Sprintf(" (+%d RRSIG %d)", len(it.Sigs), it.SigTTL)
	}
	if it.Required {
		s += " required"
	}
	return s
}
