// Tcpflood occupies a DNS server's TCP connections as an attacker would and
// reports how many queries of legitimate clients are answered meanwhile, and what
// the server spends. Linux only in what it tells of the server (/proc), loopback
// only in whom it asks: each side has source addresses of its own in 127.0.0.0/8.
//
//	tcpflood -server 127.0.0.1:5300 -name 1.2.0.192.in-addr.arpa -attack drip -conns 5000 -sources 2000 -pid PID
//
// Attacks:
//
//	none     nobody: how well the server does by itself
//	idle     connects and says nothing
//	length   sends the length of a message, and nothing more
//	drip     sends an octet of an endless message a second
//	asked    asks one query, takes the answer, and stays
//	deaf     asks as much as it can and never reads
//	churn    connects and resets, as fast as -open allows
//
// A hostile connection that the server ends is made again at once, within -open a
// second. Legitimate clients ask -fresh queries a second, each on a connection of
// its own, and -kept clients ask once a second on one that they keep, or on a new
// one when the server closed it. A query is answered when a response with its id
// comes within -timeout.
//
// With -loop N instead, N clients ask one query a connection as fast as they
// can: what a connection costs the server.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// options are what the command line asks for.
type options struct {
	server  netip.AddrPort
	query   []byte // with its length in front
	attack  string
	conns   int
	sources int
	open    int
	fresh   int
	kept    int
	loop    int
	warm    time.Duration
	length  time.Duration
	timeout time.Duration
	pid     int
}

// report is what is printed, one JSON object a line.
type report struct {
	Attack       string  `json:"attack"`
	Hostile      int64   `json:"hostile"`           // connections wanted
	HostileOpen  int64   `json:"hostile_open"`      // at the end, as far as they know
	HostileMade  int64   `json:"hostile_made"`      // connections made while it was measured
	FreshAsked   int64   `json:"fresh_asked"`       // queries on connections of their own
	FreshKept    float64 `json:"fresh_answered_pc"` // per cent
	FreshP50     float64 `json:"fresh_p50_ms"`      // from the first SYN to the answer
	FreshP99     float64 `json:"fresh_p99_ms"`
	KeptAsked    int64   `json:"kept_asked"` // queries of clients that keep their connection
	KeptKept     float64 `json:"kept_answered_pc"`
	KeptAgain    int64   `json:"kept_reconnects"`
	ServerCPU    float64 `json:"server_cpu"` // processors
	ServerCPUus  float64 `json:"server_cpu_us_per_answer"`
	ServerRSS    float64 `json:"server_rss_mb"`
	ServerBefore float64 `json:"server_rss_before_mb"`
	Rate         float64 `json:"answers_per_second"`
}

func main() {
	o, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tcpflood:", err)
		os.Exit(2)
	}
	r, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tcpflood:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "tcpflood:", err)
		os.Exit(1)
	}
}

func parse() (*options, error) {
	o := new(options)
	var server, name string
	flag.StringVar(&server, "server", "127.0.0.1:5300", "the server's `ADDRESS:PORT`, on loopback")
	flag.StringVar(&name, "name", "", "the `NAME` to ask for, type PTR")
	flag.StringVar(&o.attack, "attack", "none", strings.Join(attacks, ", "))
	flag.IntVar(&o.conns, "conns", 1000, "hostile connections")
	flag.IntVar(&o.sources, "sources", 1000, "addresses that they come from")
	flag.IntVar(&o.open, "open", 5000, "hostile connections made a second, at most")
	flag.IntVar(&o.fresh, "fresh", 50, "legitimate queries a second, each with a connection of its own")
	flag.IntVar(&o.kept, "kept", 20, "legitimate clients that keep their connection")
	flag.IntVar(&o.loop, "loop", 0, "clients that ask one query a connection as fast as they can, instead of both")
	flag.DurationVar(&o.warm, "warm", 3*time.Second, "time for the attack to establish itself")
	flag.DurationVar(&o.length, "time", 10*time.Second, "time that is measured")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Second, "for the answer to a legitimate query")
	flag.IntVar(&o.pid, "pid", 0, "the server's process, whose CPU time and memory are told")
	flag.Parse()
	var err error
	if o.server, err = netip.ParseAddrPort(server); err != nil || !o.server.Addr().IsLoopback() || !o.server.Addr().Is4() {
		return nil, fmt.Errorf("-server %s: not an IPv4 loopback address with a port", server)
	}
	if name == "" {
		return nil, fmt.Errorf("-name is missing: give an owner name that the server has")
	}
	if o.query, err = query(name); err != nil {
		return nil, err
	}
	known := false
	for _, a := range attacks {
		known = known || a == o.attack
	}
	if !known {
		return nil, fmt.Errorf("-attack %s: give one of %s", o.attack, strings.Join(attacks, ", "))
	}
	if o.sources < 1 || o.sources > maxSources {
		return nil, fmt.Errorf("-sources %d: give 1 to %d", o.sources, maxSources)
	}
	if o.open < 1 {
		return nil, fmt.Errorf("-open %d: give a positive number", o.open)
	}
	return o, nil
}

// query returns a query for the PTR RRset of name, framed as TCP wants it.
func query(name string) ([]byte, error) {
	q := []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return nil, fmt.Errorf("-name %s: label %q is not of 1 to 63 octets", name, label)
		}
		q = append(append(q, byte(len(label))), label...)
	}
	q = append(q, 0, 0, 12, 0, 1)
	n := len(q) - 2
	q[0], q[1] = byte(n>>8), byte(n)
	return q, nil
}
