package synth

import (
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// Meet returns a name that the templates of two ranges may both make; ok is false if there is
// none. It errs on the safe side: it compares which characters can be where, not the addresses,
// unless only the prefixes differ.
func Meet(a, b *Template) (name string, ok bool) {
	if a.prefix.Addr().BitLen() == b.prefix.Addr().BitLen() && a.text == b.text && a.shown == b.shown && a.permutation == nil && b.permutation == nil {
		// The same fields: a name of both shows bits that suit both prefixes.
		return a.example(), a.fixed.xor(b.fixed).and(a.mask).and(b.mask).and(a.shown).isZero()
	}
	x, y := a.atoms(), b.atoms()
	// dead[i][j]: nothing can follow if the first is at x[i] and the second at y[j].
	dead := make([][]bool, len(x)+1)
	for i := range dead {
		dead[i] = make([]bool, len(y)+1)
	}
	var text []byte
	var try func(i, j int) bool
	try = func(i, j int) bool {
		switch {
		case i == len(x) && j == len(y):
			return true
		case dead[i][j]:
			return false
		}
		dead[i][j] = true
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
	ok = try(0, 0)
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

// atoms returns what the names can be: a superset.
func (t *Template) atoms() (list []atom) {
	text := func(s string) {
		for _, c := range []byte(s) {
			list = append(list, atom{set: 1 << slices.Index([]byte(alphabet), dname.Lower(c))})
		}
	}
	for _, l := range t.labels {
		for i := range l {
			p := &l[i]
			if p.radix == 0 {
				text(p.text)
				continue
			}
			for k := range max(p.digits, p.mostDigits()) {
				list = append(list, atom{set: 1<<p.radix - 1, optional: p.digits == 0 && k > 0})
			}
		}
		text(".")
	}
	text(t.base.String())
	return list
}
