package admin

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
)

// Source provides the values of the metrics at each scrape.
type Source struct {
	Version string
	Totals  func() server.Totals
	Buckets func() (all, used int) // of the rate limits
	View    func() *answer.View    // nil before the first one
	Reload  func() Reload
	Journal func() (isWritable bool, failures uint64)
	Damage  func() int // damaged places found in the state directory at the start
	Load    func() Load
	Hung    func() int               // reads of files that were given up
	Absent  func() int               // addresses that cannot be listened on yet
	Faults  func() map[string]uint64 // panics that were contained, by part
	Stuck   func() int               // parts that no longer make progress

	Secondaries func() Secondaries
	Transfers   func() Transfers
	FCRDNS      func(each bool) FCRDNS // each: of single zones too
	Derived     func() Derived
	Downstream  func() []Downstream
	State       func() State
	Updates     func() map[string]uint64          // by result
	Log         func() map[string]eventlog.Totals // by level

	API    func() map[awsapi.Result]uint64 // requests of APIs of AWS
	Hosted func() int                      // hosted zones
}

// Transfers counts zone transfers and NOTIFY messages to secondaries.
type Transfers struct {
	Answers, Records, Octets map[string]uint64 // by kind of the answer
	Notifies                 map[string]uint64 // by result
}

// State describes the server as a whole.
type State struct {
	Conditions   map[Condition]int
	Certificates map[string]time.Time // when they expire, by the key path of the listener
	Free         int64                // octets that can be written to the state directory
	HasFree      bool                 // Free is known
}

// Condition is something that is not as it should be.
type Condition struct{ Name, Severity string }

// Downstream describes a server that is notified of changes of a zone.
type Downstream struct {
	Zone      string
	Address   netip.AddrPort
	Serial    zone.Serial // the latest that it has acknowledged, transferred or shown
	HasSerial bool
	Behind    time.Time // since when it has not acknowledged the current serial; zero: it has
	Failing   bool      // it refused the last NOTIFY, or did not answer it
	Expire    time.Duration
}

// FCRDNS describes what audits found.
type FCRDNS struct {
	All       map[string]int            // addresses by state; nil: no zone is audited
	Zones     map[string]map[string]int // addresses by zone and state
	Completed time.Time                 // the last complete pass; zero: none yet
}

// Derived describes what zones derive from forward zones and files of other programs.
type Derived struct {
	Zones []DerivedZone // those that derive
	Files []LeaseFile
}

// DerivedZone describes what one zone derives.
type DerivedZone struct {
	Zone                        string
	Records, Conflicts, Drifted int
}

// LeaseFile describes a file of another program that has names of addresses.
type LeaseFile struct {
	Path           string
	Read           time.Time // when all of it was read last; zero: never
	Failing        bool      // as it is, it cannot be used
	Names, Skipped int       // Skipped: records with a fault
}

// Secondaries describes the secondary zones.
type Secondaries struct {
	Zones    []Secondary
	Counts   map[string]uint64 // of checks, by result
	Notifies map[string]uint64 // by result
	Records  uint64            // received in transfers
}

// Secondary describes a secondary zone.
type Secondary struct {
	Zone             string
	Checked, Expires time.Time // zero: never
	Good             bool      // the last check succeeded
}

// Reload describes the last reload or start.
type Reload struct {
	OK               bool
	At               time.Time // zero: none yet
	LastOK           time.Time // zero: never
	Took             time.Duration
	Errors, Warnings int
	LastGood         int            // zones served from earlier data because their sources have errors
	Held             map[string]int // changes that are held back, by kind
	Unfinished       int            // files that changed and are not complete
}

// Load describes the reload in progress, or else the last one.
type Load struct {
	UnderWay         bool
	ZonesDone, Zones int64
	Records, Bytes   int64 // read from sources since the start
}
