package priority

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type item struct{ value, position int }

// Whatever is pushed, changed and removed, positions are right and Pop returns the
// values in order.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	q := New(func(a, b *item) bool { return a.value < b.value }, func(v *item, position int) { v.position = position })
	var in []*item
	for range 2000 {
		switch n := random.IntN(10); {
		case n < 5 || len(in) == 0:
			v := &item{value: random.IntN(100)}
			in = append(in, v)
			q.Push(v)
		case n < 7:
			v := in[random.IntN(len(in))]
			v.value = random.IntN(100)
			q.Fix(v.position)
		case n < 8:
			for _, v := range in {
				v.value = random.IntN(100)
			}
			q.FixAll()
		default:
			i := random.IntN(len(in))
			q.Remove(in[i].position)
			if in[i].position != -1 {
				t.Fatalf("a removed value is at %d", in[i].position)
			}
			in = slices.Delete(in, i, i+1)
		}
		for i, v := range q.All() {
			if v.position != i {
				t.Fatalf("the value at %d believes to be at %d", i, v.position)
			}
		}
		if first, ok := q.First(); len(q.All()) != len(in) || ok != (len(in) > 0) || ok && first.value != slices.MinFunc(in, func(a, b *item) int { return a.value - b.value }).value {
			t.Fatal("the first value is not the least")
		}
	}
	last := -1
	for len(q.All()) > 0 {
		v := q.Pop().value
		if v < last {
			t.Fatalf("%d after %d", v, last)
		}
		last = v
	}
}
