package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files are where a data set lies.
type Files struct {
	Dir     string
	Zones   string // directory of master files, APEX.zone each
	Changed string // likewise: with the serial raised and one record in a hundred changed
	Empty   string // likewise: without the records
	List    string // the apexes, one a line
	Queries string // a query file, as dnsperf has it
	Answers string // the first questions with their answers, each once, as `ptrd bench --expect` has it
}

// checked is how many questions have their answers in Files.Answers: enough to see a
// server that answers one name in a thousand wrongly.
const checked = 2000

// FilesIn returns where a set lies below a directory.
func (s *Set) FilesIn(dir string) Files {
	dir = filepath.Join(dir, s.Name)
	return Files{
		Dir: dir, Zones: filepath.Join(dir, "zones"), Changed: filepath.Join(dir, "changed"), Empty: filepath.Join(dir, "empty"),
		List: filepath.Join(dir, "zones.txt"), Queries: filepath.Join(dir, "queries.txt"), Answers: filepath.Join(dir, "answers.txt"),
	}
}

// questionCount is how many questions a set of a size gets: enough that the names asked
// for do not fit into the caches of a processor where the set does not, and
// at most as many as a generator holds at ease.
func (s *Set) questionCount() int { return min(max(s.Count, 100_000), 1_000_000) }

// Write writes the set below a directory, but for the changed copy, unless it is
// there already.
func (s *Set) Write(dir string) (Files, error) {
	f := s.FilesIn(dir)
	return f, once(f.Zones, func() error {
		if err := s.writeZones(f.Zones, false); err != nil {
			return err
		}
		if err := s.writeList(f); err != nil {
			return err
		}
		return s.writeQuestions(f)
	})
}

// WriteChanged writes the changed copy, likewise.
func (s *Set) WriteChanged(dir string) error {
	f := s.FilesIn(dir)
	return once(f.Changed, func() error { return s.writeZones(f.Changed, true) })
}

// WriteEmpty writes the zones without their records, likewise.
func (s *Set) WriteEmpty(dir string) error {
	f := s.FilesIn(dir)
	return once(f.Empty, func() (err error) {
		s.Zones(func(z *Zone) {
			z.Records = func(func([]byte, address)) {}
			err = errors.Join(err, writeFile(filepath.Join(f.Empty, z.Apex+".zone"), func(w *bufio.Writer) { z.write(w, false) }))
		})
		return err
	})
}

// once makes a directory and fills it by f, unless an earlier call came to its end.
func once(dir string, f func() error) error {
	done := dir + ".done"
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o644)
}

// SerialBefore and SerialAfter are the serials of the zones and of their changed copies.
const (
	SerialBefore = 1
	SerialAfter  = 2
)

func (s *Set) writeZones(dir string, changed bool) error {
	var err error
	s.Zones(func(z *Zone) {
		if err == nil {
			err = writeFile(filepath.Join(dir, z.Apex+".zone"), func(w *bufio.Writer) { z.write(w, changed) })
		}
	})
	return err
}

func (s *Set) writeList(f Files) error {
	return writeFile(f.List, func(w *bufio.Writer) {
		s.Zones(func(z *Zone) { fmt.Fprintln(w, z.Apex) })
	})
}

// write writes the master file of a zone.
func (z *Zone) write(w *bufio.Writer, changed bool) {
	serial := SerialBefore
	if changed {
		serial = SerialAfter
	}
	fmt.Fprintf(w, "$ORIGIN %s.\n$TTL 3600\n@ IN SOA ns1.example.net. hostmaster.example.net. %d 7200 3600 1209600 900\n@ IN NS ns1.example.net.\n@ IN NS ns2.example.net.\n", z.Apex, serial)
	i := 0
	z.Records(func(owner []byte, a address) {
		target := a.target()
		if changed {
			target = a.renumbered(i)
		}
		i++
		w.Write(owner)
		w.WriteString(" PTR ")
		w.WriteString(target)
		w.WriteString(".\n")
	})
}

func (s *Set) writeQuestions(f Files) error {
	if err := writeFile(f.Answers, func(w *bufio.Writer) {
		seen := map[string]bool{}
		s.Questions(checked, func(q Question) {
			if seen[q.Name] {
				return
			}
			seen[q.Name] = true
			if q.Target == "" {
				q.Target = "NXDOMAIN"
			}
			fmt.Fprintf(w, "%s %s\n", q.Name, q.Target)
		})
	}); err != nil {
		return err
	}
	return writeFile(f.Queries, func(w *bufio.Writer) {
		s.Questions(s.questionCount(), func(q Question) { fmt.Fprintf(w, "%s PTR\n", q.Name) })
	})
}

// writeFile writes a file by f. Flush returns the first error of the writes.
func writeFile(path string, f func(w *bufio.Writer)) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<18)
	f(w)
	return errors.Join(w.Flush(), out.Close())
}
