package synth

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Meet returns a name that the templates of two ranges may both make; ok is false if there is
// none. It errs on the safe side: it compares which characters can be where, not the addresses,
// unless only the prefixes differ.
func Meet(a, b *Template) (name string, ok bool) { return meetBy(a, b, a.atoms(), b.atoms()) }

// meetBy is Meet with the atoms of the templates.
func meetBy(a, b *Template, xs, ys [][]atom) (name string, ok bool) {
	if a.prefix.Addr().BitLen() == b.prefix.Addr().BitLen() && a.text == b.text && a.shown == b.shown && a.permutation == nil && b.permutation == nil {
		// The same fields: a name of both shows bits that suit both prefixes.
		return a.example(), a.fixed.xor(b.fixed).and(a.mask).and(b.mask).and(a.shown).isZero()
	}
	if !a.base.IsAtOrBelow(b.base) && !b.base.IsAtOrBelow(a.base) {
		return "", false
	}
	for _, x := range xs {
		for _, y := range ys {
			if name, ok := meet(x, y); ok {
				return name, true
			}
		}
	}
	return "", false
}

// meet returns a text that two lists can both make.
func meet(x, y []atom) (string, bool) {
	// dead[i*width+j]: nothing can follow if the first is at x[i] and the second at y[j].
	width := len(y) + 1
	dead := make([]bool, (len(x)+1)*width)
	var text []byte
	var try func(i, j int) bool
	try = func(i, j int) bool {
		switch {
		case i == len(x) && j == len(y):
			return true
		case dead[i*width+j]:
			return false
		}
		dead[i*width+j] = true
		if i < len(x) && j < len(y) {
			if both := x[i].set & y[j].set; both != 0 {
				text = append(text, both.first())
				if try(i+1, j+1) {
					return true
				}
				text = text[:len(text)-1]
			}
		}
		return i < len(x) && x[i].optional && try(i+1, j) || j < len(y) && y[j].optional && try(i, j+1)
	}
	ok := try(0, 0)
	return string(text), ok
}

// example returns the name of the first address, as text.
func (t *Template) example() string {
	return dname.Name(t.Append(nil, t.prefix.Addr())).String()
}

// charset is a set of the characters of names; bit i is alphabet[i].
type charset uint64

const alphabet = digits + "-_."

func (s charset) first() byte {
	for i := range alphabet {
		if s>>i&1 == 1 {
			return alphabet[i]
		}
	}
	return 0
}

// atom is a place for one character.
type atom struct {
	set      charset
	optional bool
}

// atoms returns lists of what the names can be: a superset.
func (t *Template) atoms() [][]atom {
	lists := [][]atom{nil}
	each := func(extend func([]atom) []atom) {
		for i := range lists {
			lists[i] = extend(lists[i])
		}
	}
	text := func(s string) { each(func(list []atom) []atom { return appendText(list, s) }) }
	for _, l := range t.labels {
		for i := range l {
			p := &l[i]
			switch {
			case p.radix == 0:
				text(p.text)
			case p.short:
				var all [][]atom
				for _, list := range lists {
					for _, shape := range t.shortShapes() {
						all = append(all, slices.Concat(list, shape))
					}
				}
				lists = all
			default:
				each(func(list []atom) []atom { return appendNumber(list, p) })
			}
		}
		text(".")
	}
	text(t.base.String())
	return lists
}

func appendText(list []atom, s string) []atom {
	for _, c := range []byte(s) {
		list = append(list, atom{set: 1 << strings.IndexByte(alphabet, dname.Lower(c))})
	}
	return list
}

func appendNumber(list []atom, p *piece) []atom {
	for k := range max(p.digits, p.mostDigits()) {
		list = append(list, atom{set: 1<<p.radix - 1, optional: p.digits == 0 && k > 0})
	}
	return list
}

// Conflict is two templates that can make the same name.
type Conflict struct {
	A, B int    // their indexes
	Name string // an example, as text
}

// FindConflict returns two templates that can make the same name, nil if there are none. Those of
// the same form are compared all at once, and forms in pairs only if the domain of one holds that of
// the other. Forms above [MaxForms] of a domain, which are refused anyway, are not compared.
func FindConflict(templates []*Template) *Conflict {
	c := findConflict(templates)
	if c != nil {
		a, b := templates[c.A], templates[c.B]
		c.Name = cmp.Or(a.commonName(b), b.commonName(a), c.Name)
	}
	return c
}

// commonName returns the name of an address among the first of the range that is the name of an
// address in the range of another template as well; empty: there is none. Those of permutations
// depend on keys, which are not known when configurations are checked.
func (t *Template) commonName(other *Template) string {
	const most = 1 << 8
	if t.permutation != nil || other.permutation != nil {
		return ""
	}
	a := t.prefix.Addr()
	for i := 0; i < most && t.prefix.Contains(a); i, a = i+1, a.Next() {
		name := dname.Name(t.Append(nil, a))
		if _, m := other.Find(name); m == Exact {
			return name.String()
		}
	}
	return ""
}

func findConflict(templates []*Template) *Conflict {
	type form struct {
		base, text string
		size       int
		shown      number
	}
	members := map[form][]int{}
	var order []form
	for i, t := range templates {
		f := form{t.base.Key(), t.text, t.prefix.Addr().BitLen(), t.shown}
		if t.permutation != nil {
			f.text += "\x00" + t.prefix.String() // each has a permutation of its own
		}
		if members[f] == nil {
			order = append(order, f)
		}
		members[f] = append(members[f], i)
	}
	byBase := map[string][]form{}
	for _, f := range order {
		if c := conflictWithin(templates, members[f]); c != nil {
			return c
		}
		for _, g := range byBase[f.base] {
			if c := conflictBetween(templates, members[f], members[g]); c != nil {
				return c
			}
		}
		if len(byBase[f.base]) < MaxForms {
			byBase[f.base] = append(byBase[f.base], f)
		}
	}
	for _, f := range order {
		for above := dname.Name(f.base); !above.IsRoot(); {
			above = above.Parent()
			for _, g := range byBase[string(above)] {
				if c := conflictBetween(templates, members[f], members[g]); c != nil {
					return c
				}
			}
		}
	}
	return nil
}

// conflictWithin compares templates that differ in their prefix only: two meet if the bits that
// both prefixes determine and the names show are the same.
func conflictWithin(templates []*Template, members []int) *Conflict {
	masks := map[number]map[number]int{} // by mask of the prefix, and bits of it
	for _, i := range members {
		t := templates[i]
		key := t.fixed.and(t.shown)
		if masks[t.mask] == nil {
			masks[t.mask] = map[number]int{}
		}
		if other, ok := masks[t.mask][key]; ok {
			return &Conflict{min(other, i), max(other, i), t.example()}
		}
		masks[t.mask][key] = i
	}
	for _, i := range members {
		t := templates[i]
		for mask, others := range masks {
			if mask == t.mask || mask.and(t.mask) != mask {
				continue // of the longer prefix, which compares itself with this one
			}
			if other, ok := others[t.fixed.and(t.shown).and(mask)]; ok {
				return &Conflict{min(other, i), max(other, i), t.example()}
			}
		}
	}
	return nil
}

// mostPairs is how many pairs of templates are compared one by one.
const mostPairs = 1 << 12

func conflictBetween(templates []*Template, a, b []int) *Conflict {
	if len(a)*len(b) > mostPairs {
		// One template for all of each family: it makes their names and more.
		if name, ok := Meet(templates[a[0]].widened(), templates[b[0]].widened()); ok {
			return &Conflict{min(a[0], b[0]), max(a[0], b[0]), name}
		}
		return nil
	}
	ys := make([][][]atom, len(b))
	for k, j := range b {
		ys[k] = templates[j].atoms()
	}
	for _, i := range a {
		xs := templates[i].atoms()
		for k, j := range b {
			if name, ok := meetBy(templates[i], templates[j], xs, ys[k]); ok {
				return &Conflict{min(i, j), max(i, j), name}
			}
		}
	}
	return nil
}

// widened returns the template without what the prefix determines of its names.
func (t *Template) widened() *Template {
	w := &Template{prefix: t.prefix, text: t.text, mask: t.mask.and(t.shown.not())}
	pieces, err := w.parse(t.text)
	if err != nil || w.divide(pieces) != nil {
		return t
	}
	return w
}
