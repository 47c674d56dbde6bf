package flood

import "fmt"

// result is what came of an attack against a defence.
type result struct {
	Attack, Defence string
	Size            int
	Seconds         float64   // that honest clients asked
	Kept            []float64 // part of the queries of each honest client that was answered: first those in the prefix of the attack, then those elsewhere
	P50, P99        []float64 // of their answers, milliseconds
	Flow            flow
	Before, After   uint64 // octets of memory
}

func (r *result) String() string {
	return fmt.Sprintf("%s (%d) against %s: kept %.3f, p50 %.1f, p99 %.1f ms, %.2f for one, %.1f MiB; %+v",
		r.Attack, r.Size, r.Defence, r.Kept, r.P50, r.P99, r.Flow.amplification(), float64(r.After)/(1<<20), r.Flow)
}
