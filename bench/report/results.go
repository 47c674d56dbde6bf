package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Results are the results of this call and of earlier ones that were written to the same
// file, one JSON value a line.
type Results[T any] struct {
	path string // empty: they are not written
	All  []T
}

// OpenResults reads what an earlier call wrote; fresh removes it.
func OpenResults[T any](path string, fresh bool) (*Results[T], error) {
	r := &Results[T]{path: path}
	if path == "" {
		return r, nil
	}
	if fresh {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		return r, nil
	}
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return r, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var one T
		if err := json.Unmarshal(s.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s:%d: %w; remove the file to begin again", path, len(r.All)+1, err)
		}
		r.All = append(r.All, one)
	}
	return r, s.Err()
}

// Add writes a result at once: what was measured is not lost when a later run fails.
func (r *Results[T]) Add(one T) error {
	r.All = append(r.All, one)
	if r.path == "" {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewEncoder(f).Encode(one)
}
