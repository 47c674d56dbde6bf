package daemon

import (
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var (
	storm     = flag.Duration("storm", 0, "how long TestStorm changes zones under load; 0: not at all")
	stormRate = flag.Int("rate", 20_000, "queries a second of TestStorm")
)

// stormTail is appended to a generation: a zone from a file.
const stormTail = "  - name: f.example\n    file: f.zone\n"

// stormFile is a master file in which everything says the same number.
func stormFile(n int) string {
	return fmt.Sprintf("$TTL 60\n@ SOA ns1.example.com. hostmaster.example.com. %d 3600 900 86400 60\n@ NS ns1.example.com.\nx TXT \"f%d\"\nx TXT \"f%d too\"\n", n, n, n)
}

// TestStorm is the long twin of TestReloadStorm: a change every 100 ms, a third
// of them broken, under a fixed rate of queries that does not wait for answers.
// Every query is answered, from one generation alone.
//
//	go test ./internal/daemon -run TestStorm -storm 1m
func TestStorm(t *testing.T) {
	if *storm == 0 {
		t.Skip("takes as long as -storm says, and a machine without other work")
	}
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "f.zone"), stormFile(0))
	l := start(t, dir, generation(0)+stormTail)

	const clients = 4
	stop := make(chan struct{})
	var sent, answered, newest atomic.Int64
	var group sync.WaitGroup
	for range clients {
		conn, err := net.Dial("udp", l.dns)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		group.Go(func() { sent.Add(stormSend(t, conn, *stormRate/clients, stop)) })
		go stormRead(t, conn, &answered, &newest)
	}

	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	changes := int(*storm / (100 * time.Millisecond))
	for i := 1; i <= changes; i++ {
		<-tick.C
		config, file := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "f.zone")
		switch i % 6 {
		case 0:
			replace(t, config, generation(i)+stormTail+"    ptr: 7\n")
		case 3:
			replace(t, file, stormFile(i)+"y PTR\n")
		case 1, 4:
			replace(t, config, generation(i)+stormTail)
		default:
			replace(t, file, stormFile(i))
		}
	}
	close(stop)
	group.Wait()
	await(t, func() bool { return answered.Load() == sent.Load() || t.Failed() })
	t.Logf("%d queries in %v, %d answers, last generation %d of %d changes", sent.Load(), *storm, answered.Load(), newest.Load(), changes)
	if int(newest.Load()) < changes-30 {
		t.Errorf("the newest generation seen is %d of %d", newest.Load(), changes)
	}
}

// stormSend sends so many queries a second until stop is closed, and returns how
// many it sent.
func stormSend(t *testing.T, conn net.Conn, rate int, stop <-chan struct{}) (sent int64) {
	var packets [2][]byte
	for i, name := range []string{"x.a.example.", "x.f.example."} {
		m := new(dns.Msg)
		m.SetQuestion(name, dns.TypeTXT)
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}}
		var err error
		if packets[i], err = m.Pack(); err != nil {
			t.Error(err)
			return 0
		}
	}
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return sent
		case <-tick.C:
		}
		for due := int64(time.Since(began).Seconds() * float64(rate)); sent < due; sent++ {
			if _, err := conn.Write(packets[sent&1]); err != nil {
				t.Error(err)
				return sent
			}
		}
	}
}

// stormRead checks that each answer is of one generation, and none older than
// the one before it, until the socket is closed.
func stormRead(t *testing.T, conn net.Conn, answered, newest *atomic.Int64) {
	buf := make([]byte, 4096)
	last := map[string]int64{}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		var m dns.Msg
		if err := m.Unpack(buf[:n]); err != nil {
			t.Error(err)
			return
		}
		g, err := stormGeneration(&m)
		name := m.Question[0].Name
		if err != nil || g < last[name] {
			t.Errorf("generation %d after %d: %v\n%v", g, last[name], err, &m)
			return
		}
		last[name] = g
		for old := newest.Load(); g > old && !newest.CompareAndSwap(old, g); old = newest.Load() {
		}
		answered.Add(1)
	}
}

// stormGeneration returns the one generation that an answer is of.
func stormGeneration(m *dns.Msg) (g int64, err error) {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 2 {
		return 0, fmt.Errorf("half an answer")
	}
	if m.Question[0].Name == "x.f.example." {
		a, b := m.Answer[0].(*dns.TXT).Txt[0], m.Answer[1].(*dns.TXT).Txt[0]
		if len(a) > len(b) {
			a, b = b, a
		}
		if a+" too" != b {
			return 0, fmt.Errorf("a mixed answer: %q and %q", a, b)
		}
		_, err = fmt.Sscanf(a, "f%d", &g)
		return g, err
	}
	text, nsid := m.Answer[1].(*dns.TXT).Txt[0], m.IsEdns0().Option[0].(*dns.EDNS0_NSID).Nsid
	if alias := m.Answer[0].(*dns.CNAME).Target; alias != "n"+text[1:]+".b.example." || nsid != fmt.Sprintf("%x", text) {
		return 0, fmt.Errorf("a mixed answer: alias %s, data %s, policy %s", alias, text, nsid)
	}
	_, err = fmt.Sscanf(text, "g%d", &g)
	return g, err
}
