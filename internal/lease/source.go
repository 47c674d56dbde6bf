package lease

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// logEvery bounds how often the log has that records of a file are skipped: a client that gives itself a name
// that is none renews its lease again and again.
const logEvery = time.Minute

// Source is one file of a neighbour, a [derive.File]. Its methods may be called at any time.
type Source struct {
	config.Neighbour
	o      *Options
	format *format

	mu         sync.Mutex // guards these; only look changes them
	c          *content
	isRestored bool      // c is what was saved before the start
	readAt     time.Time // when all of the file was last read; zero: never
	problem    string    // why the file as it is does not count; empty: it does

	// These belong to look.
	readers  []*reader // of the files that c was read from; nil: none
	seen     []infile.Info
	settling settling
	reported int       // skipped records that the log has
	loggedAt time.Time // when it got them; zero: it has none
	failing  time.Time // since when the file cannot be read; zero: it can
	isSaved  bool
	savedAt  time.Time // when save last tried to; zero: never
}

func newSource(n *config.Neighbour, o *Options) *Source {
	return &Source{Neighbour: *n, o: o, format: formats[n.Format], c: newContent(o.Now().Unix()), isSaved: true}
}

// At returns the names that an address has now, in the order of the file.
func (s *Source) At(a netip.Addr) (list []derive.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.names(a, func(e *entry) { list = append(list, s.c.lease(e)) })
	return list
}

// All yields all names that there are now, those of an address in the order of the file.
func (s *Source) All() iter.Seq[derive.Entry] {
	return func(yield func(derive.Entry) bool) {
		s.mu.Lock()
		addrs := slices.Collect(maps.Keys(s.c.entries))
		s.mu.Unlock()
		for _, a := range addrs {
			for _, l := range s.At(a) {
				if !yield(l) {
					return
				}
			}
		}
	}
}

func (c *content) lease(e *entry) derive.Entry {
	l := derive.Entry{Addr: e.addr, Name: dname.Name(e.name), Pos: finding.Position{File: c.paths[e.file], Line: e.line}}
	if e.end != forever {
		l.End = time.Unix(e.end, 0)
	}
	return l
}

// Status is what is known of a file.
type Status struct {
	Format, Path string
	Read         time.Time // when all of it was last read; zero: never
	Names        int       // of all addresses, also those that have ended
	Unnamed      int       // leases without a name
	Skipped      int       // records with a fault
	NextEnd      time.Time // of the next name; zero: none ends
	Problem      string    // why the file as it is does not count; empty: it does
	IsRestored   bool      // the names are those from before the start
	Findings     []finding.Finding
}

// Status returns what is known of the file.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Format: s.Format, Path: s.File.Path, Read: s.readAt, Names: s.c.count, Unnamed: s.c.unnamed, Skipped: s.c.skipped,
		Problem: s.problem, IsRestored: s.isRestored, Findings: s.c.faults.Sorted(),
	}
	if e, ok := s.c.ends.First(); ok {
		st.NextEnd = time.Unix(e.end, 0)
	}
	return st
}

// Fault returns why the file as it is does not count, and what follows for its names; empty: it counts.
func (st *Status) Fault() string {
	switch {
	case st.Problem == "":
		return ""
	case st.IsRestored:
		return fmt.Sprintf("%s: %s; until then its names are those from before the start, as long as these last", st.Path, st.Problem)
	case st.Read.IsZero():
		return fmt.Sprintf("%s: %s; none of its names is served until then", st.Path, st.Problem)
	}
	return fmt.Sprintf("%s: %s; its names stay as they were", st.Path, st.Problem)
}

// Findings returns what operators should look at: why the file does not count, and records with faults.
func (s *Source) Findings() []finding.Finding {
	st := s.Status()
	if st.Problem == "" {
		return st.Findings
	}
	return append(st.Findings, finding.Finding{Severity: finding.Warning, Position: s.File.Pos, Rule: "lease-file", Text: st.Fault()})
}

// mark adds addresses to those that the next look returns, and lets time pass.
func (s *Source) mark(changed []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c.changed == nil { // else a panic ended the last look
		s.c.changed = map[netip.Addr]bool{}
	}
	for _, a := range changed {
		s.c.changed[a] = true
	}
	s.c.move(s.o.Now().Unix())
}

// look reads what changed in the file and lets time pass. It returns the addresses whose names
// changed, and after which time to look again.
func (s *Source) look(ctx context.Context) (changed []netip.Addr, again time.Duration) {
	s.mark(nil)
	var err error
	stopped := s.o.Files.Run(ctx, func(t *infile.Task) { again, err = s.read(t) })
	if stopped != nil {
		return nil, 0
	}
	s.report(err)
	s.isSaved = s.isSaved && err != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.c.changed {
		changed = append(changed, a)
	}
	s.c.changed = nil
	if e, ok := s.c.ends.First(); ok {
		if until := time.Unix(e.end, 0).Sub(s.o.Now()); again == 0 || until < again {
			again = max(until, time.Millisecond)
		}
	}
	return changed, again
}

// report records and logs what is wrong with the file.
func (s *Source) report(err error) {
	s.mu.Lock()
	was := s.problem
	switch now := s.o.Now(); {
	case err == errAsBefore:
	case err == nil:
		s.problem, s.failing = "", time.Time{}
	case s.failing.IsZero() && !s.readAt.IsZero() && !errors.Is(err, errUnfit):
		s.failing = now // it may be renamed at this moment
	case now.Sub(s.failing) >= s.o.Quiet:
		s.problem = problem(err)
	}
	now, skipped := s.problem, s.c.skipped
	var first string
	if skipped > 0 {
		first = s.c.faults.Listed()[0].String()
	}
	s.mu.Unlock()
	if now != was && now != "" {
		s.o.Log.Warn("a file with names of addresses cannot be used", "file", s.File.Path, "why", now)
	} else if now != was {
		s.o.Log.Info("a file with names of addresses is used again", "file", s.File.Path)
	}
	switch at := s.o.Now(); {
	case skipped <= s.reported:
		s.reported = skipped
	case s.loggedAt.IsZero() || at.Sub(s.loggedAt) >= logEvery || at.Before(s.loggedAt):
		s.o.Log.Warn("lines of a file with names of addresses are skipped", "file", s.File.Path, "lines", skipped, "first", first)
		s.reported, s.loggedAt = skipped, at
	}
}
