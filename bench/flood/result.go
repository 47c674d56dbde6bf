package flood

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// result is what came of an attack against a defence.
type result struct {
	Attack, Defence string
	Size            int
	Seconds         float64   // that honest clients asked
	Kept            []float64 // part of the queries of each honest client that was answered: first those beside the attack, then those elsewhere
	P50, P99        []float64 // of their answers, milliseconds
	Flow            flow
	Before, After   uint64 // octets of memory
}

func (r *result) String() string {
	return fmt.Sprintf("%s (%d) against %s: kept %.3f, p50 %.1f, p99 %.1f ms, %.2f for one, %.1f MiB; %+v",
		r.Attack, r.Size, r.Defence, r.Kept, r.P50, r.P99, r.Flow.amplification(), float64(r.After)/(1<<20), r.Flow)
}

// results are those of this call and, where they are kept, of earlier ones.
type results struct {
	file *os.File // nil: they are not kept
	all  []result
}

func openResults(path string) (*results, error) {
	r := &results{}
	if path == "" {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return nil, err
	}
	for d := json.NewDecoder(r.file); ; {
		var one result
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return r, nil
		case err != nil:
			return nil, fmt.Errorf("%s: result %d: %w; remove the file to begin again", path, len(r.all)+1, err)
		}
		r.all = append(r.all, one)
	}
}

func (r *results) add(one result) error {
	r.all = append(r.all, one)
	if r.file == nil {
		return nil
	}
	return json.NewEncoder(r.file).Encode(one)
}
