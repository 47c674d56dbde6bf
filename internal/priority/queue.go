// Package priority has a priority queue.
package priority

import "container/heap"

// Queue has values of which the first in order is at hand. Create one with New.
type Queue[T any] struct{ h heapOf[T] }

// New returns an empty queue in the order of less. moved, if not nil, is called with each
// value and its position when that changes, and with -1 when the value is removed;
// [Queue.Fix] and [Queue.Remove] need the position.
func New[T any](less func(a, b T) bool, moved func(v T, position int)) *Queue[T] {
	if moved == nil {
		moved = func(T, int) {}
	}
	return &Queue[T]{heapOf[T]{less: less, moved: moved}}
}

// All returns the values: first the first in order, then the others in no order. The
// slice is the queue's own.
func (q *Queue[T]) All() []T { return q.h.list }

// First returns the first value; ok is false if the queue is empty.
func (q *Queue[T]) First() (first T, ok bool) {
	if len(q.h.list) == 0 {
		return first, false
	}
	return q.h.list[0], true
}

// Push adds a value.
func (q *Queue[T]) Push(v T) { heap.Push(&q.h, v) }

// Pop removes the first value, which there must be, and returns it.
func (q *Queue[T]) Pop() T { return heap.Pop(&q.h).(T) }

// Fix restores the order after the value at a position changed.
func (q *Queue[T]) Fix(position int) { heap.Fix(&q.h, position) }

// FixAll restores the order after any values changed.
func (q *Queue[T]) FixAll() { heap.Init(&q.h) }

// Remove removes the value at a position; at -1 there is none.
func (q *Queue[T]) Remove(position int) {
	if position >= 0 {
		heap.Remove(&q.h, position)
	}
}

// heapOf is a Queue as package heap needs it.
type heapOf[T any] struct {
	list  []T
	less  func(a, b T) bool
	moved func(v T, position int)
}

func (h *heapOf[T]) Len() int           { return len(h.list) }
func (h *heapOf[T]) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *heapOf[T]) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.moved(h.list[i], i)
	h.moved(h.list[j], j)
}

func (h *heapOf[T]) Push(v any) {
	h.list = append(h.list, v.(T))
	h.moved(v.(T), len(h.list)-1)
}

func (h *heapOf[T]) Pop() any {
	last := len(h.list) - 1
	v := h.list[last]
	clear(h.list[last:])
	h.list = h.list[:last]
	h.moved(v, -1)
	return v
}
