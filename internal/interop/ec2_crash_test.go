package interop

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/faulttest"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// TestEC2Crash kills ptrd at random moments while clients allocate Elastic IP addresses, set and
// reset their names, and release them, in a zone with sources and in a dynamic one. After each
// start
//
//   - each client finds its address as it was acknowledged, or as it would be after the request
//     that was not answered;
//   - there is a PTR for exactly those addresses that have a name, and it is that name.
//
// It has a tenth of the kills of -faults:
//
//	go test ./internal/interop -run 'TestEC2Crash|TestEC2PowerFailure' -faults 1000 -timeout 3h
func TestEC2Crash(t *testing.T) {
	t.Parallel()
	newElasticCrash(t, false).run()
}

// TestEC2PowerFailure is TestEC2Crash with the state on a disk that loses its power with each
// kill.
func TestEC2PowerFailure(t *testing.T) {
	t.Parallel()
	newElasticCrash(t, true).run()
}

// elasticPools are the prefixes of the addresses, and elasticNames the names that lead to all
// of them.
var (
	elasticPools = []netip.Prefix{netip.MustParsePrefix("203.0.113.64/29"), netip.MustParsePrefix("198.51.100.0/29")}
	elasticNames = []string{"a.example.com.", "b.example.com.", "c.example.com."}
)

// elasticCrash is a server and its clients.
type elasticCrash struct {
	*elastic
	rng     *rand.Rand
	http    http.Client
	gate    sync.RWMutex // read-locked by each request
	clients []*tenant
}

// tenant is a client with one address. What it knows may be behind by one request.
type tenant struct {
	id, ip  string        // empty: none
	name    string        // empty: none
	pending func(*tenant) // what an unanswered request would do; nil: there is none
	lost    bool          // an unanswered allocation
	acked   int
}

func newElasticCrash(t *testing.T, fails bool) *elasticCrash {
	seed := crashSeedOf(t)
	c := &elasticCrash{rng: rand.New(rand.NewPCG(seed, 0)), http: http.Client{Timeout: failsWait, Transport: &http.Transport{}}}
	v := &victim{name: "server", addr: freePort(t), dir: t.TempDir(), program: requireBinary(t)}
	v.state = filepath.Join(v.dir, "state")
	if fails {
		v.volume = faulttest.RequireVolume(t, seed)
		v.state = filepath.Join(v.volume.Dir(), "state")
	}
	c.elastic = &elastic{t: t, victim: v, route53: freePort(t), ec2: freePort(t)}
	var forward strings.Builder
	forward.WriteString("$TTL 300\n@ SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	for _, p := range elasticPools {
		for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
			for _, name := range elasticNames {
				fmt.Fprintf(&forward, "%s A %v\n", name, ip)
			}
		}
	}
	mustWrite(v.dir, "forward.zone", forward.String())
	v.config = mustWrite(v.dir, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], route53: %q, ec2: %q, admin: ""}
state_dir: %q
defaults: {nameservers: [ns1.example.net]}
route53: {access_keys: [{id: %s, secret: %q}]}
ec2: {prefixes: [%v, %v]}
zones:
  - {prefix: 203.0.113.0/24, ptr: {203.0.113.1: gw.example.com}}
  - {prefix: 198.51.100.0/24, dynamic: }
  - {name: example.com, file: forward.zone}
`, v.addr, c.route53, c.ec2, v.state, apiKey, apiSecret, elasticPools[0], elasticPools[1]))
	v.endWith(t)
	for range 6 {
		c.clients = append(c.clients, &tenant{})
	}
	return c
}

// elasticReply is a response of the API.
type elasticReply struct {
	ID        string `xml:"allocationId"`
	IP        string `xml:"publicIp"`
	Addresses []struct {
		ID string `xml:"allocationId"`
		IP string `xml:"publicIp"`
	} `xml:"addressesSet>item"`
	Attributes []struct {
		ID     string `xml:"allocationId"`
		IP     string `xml:"publicIp"`
		PTR    string `xml:"ptrRecord"`
		Status string `xml:"ptrRecordUpdate>status"`
	} `xml:"addressSet>item"`
	Code string `xml:"Errors>Error>Code"`
}

// request sends a request. The error is a *broken if it is refused, or if the response is none
// of the API, or otherwise that of the connection.
func (c *elasticCrash) request(action string, params ...string) (out elasticReply, err error) {
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := form.Encode()
	r, err := http.NewRequest("POST", "http://"+c.ec2.String()+"/", strings.NewReader(body))
	if err != nil {
		return out, &broken{err}
	}
	sigv4test.Signer{ID: apiKey, Secret: apiSecret, Service: "ec2", Now: time.Now()}.Sign(r, []byte(body))
	resp, err := c.http.Do(r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, err
	}
	if err := xml.Unmarshal(text, &out); err != nil || resp.StatusCode != http.StatusOK {
		return out, &broken{fmt.Errorf("%s %v: status %d: %s", action, params, resp.StatusCode, text)}
	}
	return out, nil
}

// next sends the next request of a client.
func (w *tenant) next(c *elasticCrash, rng *rand.Rand) error {
	if w.pending != nil || w.lost {
		return errAgain // verify finds out what became of it
	}
	do := func(effect func(*tenant), action string, params ...string) error {
		w.pending = effect
		_, err := c.request(action, append(params, "AllocationId", w.id)...)
		if err == nil {
			effect(w)
			w.pending = nil
			w.acked++
		}
		return err
	}
	switch {
	case w.id == "":
		w.lost = true
		out, err := c.request("AllocateAddress", "PublicIpv4Pool", elasticPools[rng.IntN(2)].String())
		if err == nil {
			*w = tenant{id: out.ID, ip: out.IP, acked: w.acked + 1}
		}
		return err
	case w.name == "" && rng.IntN(3) == 0:
		return do(func(w *tenant) { *w = tenant{acked: w.acked} }, "ReleaseAddress")
	case w.name != "" && rng.IntN(2) == 0:
		return do(func(w *tenant) { w.name = "" }, "ResetAddressAttribute", "Attribute", "domain-name")
	}
	name := elasticNames[rng.IntN(len(elasticNames))]
	return do(func(w *tenant) { w.name = name }, "ModifyAddressAttribute", "DomainName", name)
}

func (c *elasticCrash) run() {
	c.start()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, w := range c.clients {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		once := func() error {
			c.gate.RLock()
			defer c.gate.RUnlock()
			return w.next(c, rng)
		}
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := once()
				if bad := (*broken)(nil); errors.As(err, &bad) {
					c.t.Error(bad.error)
					return
				}
				if err != nil {
					time.Sleep(2 * time.Millisecond) // no server is running
				}
			}
		})
	}
	kills := 0
	for ; kills < *faults/10 && !c.t.Failed(); kills++ {
		time.Sleep(time.Duration(c.rng.Int64N(int64(150 * time.Millisecond))))
		c.kill()
		if c.volume != nil {
			c.volume.Crash()
		}
		c.gate.Lock()
		c.start()
		c.verify()
		c.gate.Unlock()
	}
	close(done)
	wg.Wait()
	acked := 0
	for _, w := range c.clients {
		acked += w.acked
	}
	c.t.Logf("%d kills, %d requests acknowledged", kills, acked)
	if acked == 0 {
		c.t.Error("there was nothing to lose")
	}
}

// verify compares what there is with what must be, while nothing changes.
func (c *elasticCrash) verify() {
	c.t.Helper()
	defer takeTime(&c.http)()
	all, err := c.request("DescribeAddresses")
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.log())
	}
	named, err := c.request("DescribeAddressesAttribute")
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.log())
	}
	there := map[string]tenant{} // by id
	names := map[string]string{} // by address
	for _, a := range all.Addresses {
		there[a.ID] = tenant{id: a.ID, ip: a.IP}
	}
	for _, a := range named.Attributes {
		if a.Status != "" || a.PTR == "" || there[a.ID].ip != a.IP {
			c.t.Errorf("%+v", a)
		}
		there[a.ID] = tenant{id: a.ID, ip: a.IP, name: a.PTR}
		names[a.IP] = a.PTR
	}
	for _, w := range c.clients {
		if w.lost || w.id == "" {
			continue
		}
		now := there[w.id]
		delete(there, w.id)
		same := func(w tenant) bool { return now.id == w.id && now.ip == w.ip && now.name == w.name }
		after := *w
		if w.pending != nil {
			w.pending(&after)
		}
		if !same(*w) && !same(after) {
			c.t.Errorf("address %+v is %+v, or would be %+v", *w, now, after)
		}
		*w = tenant{id: now.id, ip: now.ip, name: now.name, acked: w.acked}
	}
	for _, w := range c.clients { // what is left are allocations that were not answered
		if !w.lost {
			continue
		}
		*w = tenant{acked: w.acked}
		for id, a := range there {
			*w = tenant{id: a.id, ip: a.ip, name: a.name, acked: w.acked}
			delete(there, id)
			break
		}
	}
	if len(there) > 0 {
		c.t.Errorf("no client allocated %+v", there)
	}
	for _, p := range elasticPools {
		for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
			owner, err := dns.ReverseAddr(ip.String())
			if err != nil {
				c.t.Fatal(err)
			}
			if got := askPTR(c.t, c.addr, owner); got != names[ip.String()] {
				c.t.Errorf("the PTR of %v is %q, its name %q", ip, got, names[ip.String()])
			}
		}
	}
}
