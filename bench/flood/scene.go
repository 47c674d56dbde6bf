package flood

import (
	"context"
	"crypto"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/server/freeport"
)

// The scene: a reverse zone of a /16 with a PTR for each address whose last octet is
// odd, and a signed zone with large keys.
const (
	reverseZone = "99.10.in-addr.arpa."
	signedZone  = "signed.example."
)

// reverseName returns a name of the reverse zone that exists, or one that does not.
func reverseName(rng *rand.Rand, exists bool) string {
	last := rng.IntN(128) * 2
	if exists {
		last++
	}
	return fmt.Sprintf("%d.%d.%s", last, rng.IntN(256), reverseZone)
}

type scene struct {
	dir, program string
	address      netip.AddrPort // of the server
	logPath      string         // likewise
}

// newScene writes the zones.
func newScene(dir, program string) (*scene, error) {
	s := &scene{dir: dir, program: program}
	var b strings.Builder
	const head = "$TTL 3600\n@ SOA ns1.example. hostmaster.example. 1 7200 900 1209600 300\n@ NS ns1.example.\n@ NS ns2.example.\n"
	b.WriteString("$ORIGIN " + reverseZone + "\n" + head)
	for a := range 256 {
		for z := 1; z < 256; z += 2 {
			fmt.Fprintf(&b, "%d.%d PTR host-%d-%d.customers.example.\n", z, a, a, z)
		}
	}
	signed, err := signedText("$ORIGIN " + signedZone + "\n" + head)
	if err != nil {
		return nil, err
	}
	for zone, text := range map[string]string{reverseZone: b.String(), signedZone: signed} {
		if err := os.WriteFile(filepath.Join(dir, zone+"zone"), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// signedText returns the zone with two keys of 2048 bits, and signatures over the RRsets of
// its apex: some 1,300 octets for DNSKEY.
func signedText(text string) (string, error) {
	sets := map[uint16][]dns.RR{}
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		sets[r.Header().Rrtype] = append(sets[r.Header().Rrtype], r)
	}
	if p.Err() != nil {
		return "", p.Err()
	}
	header := func(t uint16, ttl uint32) dns.RR_Header {
		return dns.RR_Header{Name: signedZone, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
	}
	var keys []*dns.DNSKEY
	var signers []crypto.Signer
	for _, flags := range []uint16{257, 256} {
		k := &dns.DNSKEY{Hdr: header(dns.TypeDNSKEY, 3600), Flags: flags, Protocol: 3, Algorithm: dns.RSASHA256}
		private, err := k.Generate(2048)
		if err != nil {
			return "", err
		}
		keys, signers = append(keys, k), append(signers, private.(crypto.Signer))
		sets[dns.TypeDNSKEY] = append(sets[dns.TypeDNSKEY], k)
	}
	sets[dns.TypeNSEC] = []dns.RR{&dns.NSEC{
		Hdr: header(dns.TypeNSEC, 300), NextDomain: signedZone,
		TypeBitMap: []uint16{dns.TypeNS, dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeDNSKEY},
	}}
	var b strings.Builder
	for t, set := range sets {
		for _, r := range set {
			b.WriteString(r.String() + "\n")
		}
		by := []int{1}
		if t == dns.TypeDNSKEY {
			by = []int{0, 1}
		}
		for _, i := range by {
			sig := &dns.RRSIG{
				Hdr: header(dns.TypeRRSIG, set[0].Header().Ttl), KeyTag: keys[i].KeyTag(), SignerName: signedZone, Algorithm: keys[i].Algorithm,
				Inception: uint32(time.Now().Add(-time.Hour).Unix()), Expiration: uint32(time.Now().Add(24 * time.Hour).Unix()),
			}
			if err := sig.Sign(signers[i], set); err != nil {
				return "", err
			}
			b.WriteString(sig.String() + "\n")
		}
	}
	return b.String(), nil
}

// defence is a part of the configuration.
type defence struct{ name, config string }

func defences() []defence {
	return []defence{
		{"none", "cookies: {enabled: false}"},
		{"cookies", "cookies: {require: never}"},
		{"cookies-required", "cookies: {require: always}"},
		{"limits", "cookies: {enabled: false}\nrate_limit: {enabled: true}"},
		{"limits+cookies", "cookies: {require: never}\nrate_limit: {enabled: true}"},
		{"limits+badcookie", "cookies: {require: limited}\nrate_limit: {enabled: true}"},
		{"limits+fallback", "cookies: {require: limited}\nrate_limit: {enabled: true, slip: 1}"},
	}
}

// start starts a server with the defence and waits until it answers.
func (s *scene) start(ctx context.Context, d defence) (*machine.Process, error) {
	var err error
	if s.address, err = freeport.Address(); err != nil {
		return nil, err
	}
	server, err := peer.Ptrd("ptrd", s.program)
	if err != nil {
		return nil, err
	}
	site := &peer.Site{Zones: s.dir, Apexes: []string{strings.TrimSuffix(reverseZone, "."), strings.TrimSuffix(signedZone, ".")}, Port: int(s.address.Port()), Extra: d.config + "\n"}
	if site.Dir, err = os.MkdirTemp(s.dir, "server-"); err != nil {
		return nil, err
	}
	s.logPath = filepath.Join(site.Dir, "ptrd.log")
	if err := server.Configure(site); err != nil {
		return nil, err
	}
	p, err := machine.Start(server.Command(site), s.logPath, 0)
	if err != nil {
		return nil, err
	}
	q := new(dns.Msg).SetQuestion(reverseZone, dns.TypeSOA)
	client := dns.Client{Timeout: 100 * time.Millisecond}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, _, err := client.ExchangeContext(ctx, q, s.address.String()); err == nil {
			return p, nil
		}
		if p.Ended() || time.Now().After(deadline) || ctx.Err() != nil {
			p.Stop()
			return nil, fmt.Errorf("the server does not answer; its log is\n%s", s.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *scene) log() string {
	data, err := os.ReadFile(s.logPath)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
