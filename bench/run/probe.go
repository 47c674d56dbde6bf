package main

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// probe is a question with a known answer, asked by a client that is not ours.
type probe struct {
	name   string
	target string // empty: NXDOMAIN
}

// probeCount is how many right answers in a row make a server one that is up: of
// names all over the zones, and one that is not there.
const probeCount = 9

// readProbes reads a file of answers.
func readProbes(path string) ([]probe, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []probe
	s := bufio.NewScanner(f)
	for s.Scan() {
		name, target, _ := strings.Cut(s.Text(), " ")
		p := probe{name: dns.Fqdn(name)}
		if target != "NXDOMAIN" {
			p.target = dns.Fqdn(target)
		}
		all = append(all, p)
	}
	return all, s.Err()
}

// choose returns probeCount of the probes.
func choose(all []probe) []probe {
	var there, missing []probe
	for _, p := range all {
		if p.target == "" {
			missing = append(missing, p)
		} else {
			there = append(there, p)
		}
	}
	return append(there[:min(probeCount-1, len(there))], missing[:min(1, len(missing))]...)
}

// client waits for an answer no longer than a server that is up would take.
var client = dns.Client{Timeout: 100 * time.Millisecond}

// ask reports whether the answer is the right one, with authority.
func (p *probe) ask(at netip.AddrPort) bool {
	q := new(dns.Msg)
	q.SetQuestion(p.name, dns.TypePTR)
	q.RecursionDesired = false
	r, _, err := client.Exchange(q, at.String())
	if err != nil || !r.Authoritative {
		return false
	}
	if p.target == "" {
		return r.Rcode == dns.RcodeNameError && len(r.Answer) == 0
	}
	if r.Rcode != dns.RcodeSuccess || len(r.Answer) != 1 {
		return false
	}
	ptr, ok := r.Answer[0].(*dns.PTR)
	return ok && strings.EqualFold(ptr.Ptr, p.target)
}

// serial returns the serial of a zone, and false without an answer.
func serial(at netip.AddrPort, apex string) (uint32, bool) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(apex), dns.TypeSOA)
	q.RecursionDesired = false
	r, _, err := client.Exchange(q, at.String())
	if err != nil || len(r.Answer) == 0 {
		return 0, false
	}
	soa, ok := r.Answer[0].(*dns.SOA)
	if !ok {
		return 0, false
	}
	return soa.Serial, true
}
