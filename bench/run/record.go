package main

import (
	"path/filepath"

	"github.com/ptrd/ptrd/bench/report"
)

// record is one run of one server, or one thing that was found out about it.
type record struct {
	Kind   string             `json:"kind"`
	Set    string             `json:"set,omitempty"`
	Server string             `json:"server"`
	Text   string             `json:"text,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`

	// Round is the same for runs that followed each other, over all calls: what changes
	// slowly on a machine is the same for them.
	Round int `json:"round,omitempty"`

	// Quiet says that the processors were ours and the server was the limit.
	Quiet bool `json:"quiet,omitempty"`
}

// The kinds of records.
const (
	kindMachine    = "machine" // Text describes it
	kindVersion    = "version" // Text is the server's
	kindUDP        = "udp"
	kindTCP        = "tcp"
	kindRate       = "rate" // a low one, over UDP
	kindStart      = "start"
	kindReload     = "reload"
	kindGrowth     = "growth"
	kindGenerators = "generators"
	kindUpdates    = "updates"
	kindTransfers  = "transfers"
	kindLatency    = "latency" // Set is what the server does meanwhile
	kindRoute53    = "route53" // Set is what the clients do
	kindRanges     = "ranges"
)

// The values. Each kind has some of them.
const (
	valueCPU    = "cpu_us"  // of the server, an answer
	valueUser   = "user_us" // of that, outside the kernel; coarse
	valueQPS    = "qps"
	valueLost   = "lost" // queries
	valueSent   = "sent"
	valueP50    = "p50_us"
	valueP99    = "p99_us"
	valueP999   = "p99_9_us"
	valueMax    = "max_us"
	valueShare  = "server_share" // of its processor
	valueBusy   = "generator_busy"
	valueStolen = "stolen_s" // by other guests of the same host
	valueStart  = "start_s"  // to the first right answer
	valueLength = "length_s" // of the run
	valuePSS    = "pss_octets"
	valuePeak   = "peak_octets"
	valueWrong  = "wrong" // of the checked answers
	valueReload = "reload_s"
	valueCount  = "count"  // records or zones of the set
	valueOctets = "octets" // of memory, for each record set or zone

	valueUpdates   = "updates_per_second"
	valueUpdateP50 = "update_p50_ms"
	valueUpdateP99 = "update_p99_ms"
)

// results are the records of this and of earlier calls in the same directory.
type results struct{ *report.Results[record] }

// openResults reads what is there; fresh removes it.
func openResults(dir, name string, fresh bool) (*results, error) {
	r, err := report.OpenResults[record](filepath.Join(dir, name+".jsonl"), fresh)
	return &results{r}, err
}

// of returns the records of a kind and, unless they are empty, of a set and a server.
func (r *results) of(kind, set, server string) []record {
	var out []record
	for _, one := range r.All {
		if one.Kind == kind && (set == "" || one.Set == set) && (server == "" || one.Server == server) {
			out = append(out, one)
		}
	}
	return out
}

// values returns one value of each of the records that have it.
func values(list []record, name string) []float64 {
	var out []float64
	for _, one := range list {
		if v, ok := one.Values[name]; ok {
			out = append(out, v)
		}
	}
	return out
}

// text returns the last text of a kind about a server.
func (r *results) text(kind, server string) string {
	list := r.of(kind, "", server)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Text
}
