package interop

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// openEnded are the types whose RDATA ends in octets of any number, or in octets that can be left
// out, so that neither an octet more nor one less is wrong.
var openEnded = strings.Fields("NULL WKS NSAP SIG KEY NXT EID NIMLOC ATMA CERT SINK DS SSHFP IPSECKEY RRSIG DNSKEY DHCID TLSA SMIMEA " +
	"RKEY CDS CDNSKEY OPENPGPKEY ZONEMD HHIT BRID URI CAA DOA TA DLV TYPE65280")

// TestUpdateOfAllTypes adds a record of each type by UPDATE. RDATA cut short or with a trailing
// octet is FORMERR (RFC 2136 §3.4.1.3) and changes nothing.
func TestUpdateOfAllTypes(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freePort(t)
	const apex = "update.test."
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
defaults: {nameservers: [ns1.example.net]}
zones:
  - {name: %s, dynamic: {}, update: [{from: 127.0.0.0/8}], transfer: {allow: [127.0.0.0/8]}}
`, addr, apex))
	p := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(addr, []string{apex}, p.ended) {
		t.Fatalf("ptrd does not answer:\n%s", p.log())
	}
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	add := func(owner string, typ uint16, data []byte) (rcode byte) {
		t.Helper()
		m := make([]byte, wire.HeaderLen)
		m[2], m[5], m[9] = 5<<3, 1, 1
		m = append(append(m, wireName(apex)...), 0, 6, 0, 1)
		m = (&rawRecord{owner: owner, typ: typ, ttl: 3600, data: string(data)}).append(m, apex)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
			t.Fatal(err)
		}
		r, err := readFramed(c)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.log())
		}
		return r[3] & 15
	}
	want := byOwner{}
	random := rand.New(rand.NewPCG(2, 2))
	for _, typ := range randomTypes {
		r := randomData{Rand: random}
		for typ.append(&r); len(r.b) == 0; typ.append(&r) {
		}
		owner := strings.ToLower(typ.name)
		switch typ.name {
		case "NSEC", "NSEC3", "RRSIG", "NSEC3PARAM":
			continue // ptrd refuses signed data in updates
		}
		if !slices.Contains(openEnded, typ.name) {
			for what, data := range map[string][]byte{"cut short": r.b[:len(r.b)-1], "with a trailing octet": append(slices.Clone(r.b), 0xff)} {
				if rcode := add(owner, typ.number, data); rcode != byte(wire.RCodeFormErr) {
					t.Errorf("%s %s: RCODE %d: %x", typ.name, what, rcode, data)
				}
			}
		}
		if rcode := add(owner, typ.number, r.b); rcode != 0 {
			t.Errorf("%s: RCODE %d: %x", typ.name, rcode, r.b)
			continue
		}
		want.add(owner+"."+apex, rr.Type(typ.number), r.b)
	}
	must(axfr(addr, apex)).compare(t, "after the updates", want)
	if t.Failed() {
		t.Log(p.log())
	}
}
