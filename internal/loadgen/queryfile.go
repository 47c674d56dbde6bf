package loadgen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxLine is longer than a name in which each octet is written \DDD, and its type.
const maxLine = 4096

// field is one word of a line.
type field struct {
	text string
	col  int // from 1, in octets
}

// readLines calls f with the words of each line that is not empty and does not
// begin with `;`. It ends with the first error, which it gives its position.
func readLines(name string, r io.Reader, f func(at finding.Position, words []field) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, maxLine), maxLine)
	at := finding.Position{File: name}
	for in.Scan() {
		at.Line++
		var words []field
		line := in.Bytes()
		for i := 0; i < len(line); {
			if isBlank(line[i]) {
				i++
				continue
			}
			n := bytes.IndexFunc(line[i:], func(c rune) bool { return c < 0x80 && isBlank(byte(c)) })
			if n < 0 {
				n = len(line) - i
			}
			words = append(words, field{string(line[i : i+n]), i + 1})
			i += n
		}
		if len(words) == 0 || words[0].text[0] == ';' {
			continue
		}
		if err := f(at, words); err != nil {
			return err
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		at.Line++
		return fmt.Errorf("%v: the line is longer than %d octets; is this a file of names?", at, maxLine)
	} else if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// parseName reads the name in a word.
func parseName(at finding.Position, w field) (dname.Name, error) {
	at.Col = w.col
	n, err := dname.Parse(w.text)
	if err != nil {
		return nil, fmt.Errorf("%v: %q is not a name: %w; fix it", at, w.text, err)
	}
	return n, nil
}

// ReadQueries reads a query file as dnsperf has it: a name and a type a line, the
// final dot of the name optional, lines that begin with `;` ignored. name stands for the file in
// positions.
func ReadQueries(name string, r io.Reader) (*Questions, error) {
	q := &Questions{}
	err := readLines(name, r, func(at finding.Position, words []field) error {
		owner, err := parseName(at, words[0])
		if err != nil {
			return err
		}
		if len(words) != 2 {
			if at.Col = words[0].col; len(words) > 2 {
				at.Col = words[2].col
			}
			return fmt.Errorf("%v: %d words, a line has two, a name and a type, as `%s PTR`", at, len(words), words[0].text)
		}
		t, ok := rr.ParseType(words[1].text)
		if !ok {
			at.Col = words[1].col
			return fmt.Errorf("%v: %v: %q is not a type; write a mnemonic, as PTR, or TYPE12", at, owner, words[1].text)
		}
		if err := q.Add(owner, t); err != nil {
			return fmt.Errorf("%v: %w", at, err)
		}
		return nil
	})
	if err == nil && q.Len() == 0 {
		err = fmt.Errorf("%s: there is no query in it; a line has a name and a type, as `1.2.0.192.in-addr.arpa PTR`", name)
	}
	if err != nil {
		return nil, err
	}
	return q, nil
}
