package delegation_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
)

const hostile = "100.0.3.1"

// small is a network with the root and the zone example, which has one server at one
// address.
func small() (n *delegationtest.Network, good *delegationtest.Server) {
	n = &delegationtest.Network{}
	root := delegationtest.NewServer("." + soa + `
. NS a.root.
a.root. A 100.0.0.1
example. NS ns.example.
ns.example. A ` + hostile + `
`).Host()
	n.Add("100.0.0.1", root)
	n.Add("2a00::1", root)
	return n, delegationtest.NewServer("example." + soa + `
example. NS ns.example.
ns.example. A ` + hostile + `
`)
}

// describe returns a fact in words: the outcome, the number of attempts, what was special.
func describe(f *delegation.Fact) string {
	s := fmt.Sprintf("%v, %d tries", f.Outcome, len(f.Tries))
	if f.Outcome == delegation.Answered {
		s = fmt.Sprintf("%v, %d tries", delegation.Read(f, dname.MustParse("example")).Kind, len(f.Tries))
	}
	if f.WithoutEDNS() {
		s += ", without EDNS"
	}
	if f.OverTCP != nil {
		s += ", truncated"
	}
	var why []string
	for _, t := range f.Tries {
		for _, i := range t.Ignored {
			if !slices.Contains(why, string(i.Why)) {
				why = append(why, string(i.Why))
			}
		}
	}
	return strings.Join(append([]string{s}, why...), ", ")
}

// pack returns the datagram of a message.
func pack(m *dns.Msg) []delegationtest.Datagram {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return []delegationtest.Datagram{{Data: b}}
}

// changed returns a host that answers correctly, except that edit changes each response and
// the sender.
func changed(good *delegationtest.Server, edit func(request []byte, d *delegationtest.Datagram)) *delegationtest.Host {
	respond := func(request []byte, t delegation.Transport) delegationtest.Datagram {
		m := &dns.Msg{}
		if err := m.Unpack(request); err != nil {
			panic(err)
		}
		d := pack(good.Answer(m, t))[0]
		edit(request, &d)
		return d
	}
	return &delegationtest.Host{
		UDP: func(request []byte) []delegationtest.Datagram {
			return []delegationtest.Datagram{respond(request, delegation.UDP)}
		},
		TCP: func(c net.Conn) {
			if request, err := delegationtest.ReadMessage(c); err == nil {
				delegationtest.WriteMessage(c, respond(request, delegation.TCP).Data)
			}
		},
	}
}

// answering returns a host whose responses edit makes from correct ones.
func answering(good *delegationtest.Server, edit func(request, response *dns.Msg) *dns.Msg) *delegationtest.Host {
	return &delegationtest.Host{Answer: func(request *dns.Msg, t delegation.Transport) *dns.Msg {
		return edit(request, good.Answer(request, t))
	}}
}

// rcode returns an empty response with a code.
func rcode(request *dns.Msg, code int) *dns.Msg {
	return new(dns.Msg).SetRcode(request, code)
}

func record(s string) dns.RR {
	r, err := dns.NewRR(s)
	if err != nil {
		panic(err)
	}
	return r
}

// questionEnd returns the end of the question of a message with a name of one label, example.
const questionEnd = 12 + 9 + 4

// servers are wrong servers, with what they are seen as, and how many messages they may cost.
var servers = []struct {
	name     string
	host     func(good *delegationtest.Server) *delegationtest.Host
	udp, tcp string // what is known of the SOA record
	most     int    // messages to the server, over both transports
}{
	{"correct", func(good *delegationtest.Server) *delegationtest.Host { return good.Host() },
		"answer, 1 tries", "answer, 1 tries", 14},
	{"silent", func(*delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{TCP: func(c net.Conn) { delegationtest.ReadMessage(c); delegationtest.ReadMessage(c) }}
	}, "no answer, 3 tries", "no answer, 1 tries", 4},
	{"ports closed", func(*delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{ClosedUDP: true, ClosedTCP: true}
	}, "unreachable, 1 tries", "unreachable, 2 tries", 3},
	{"only UDP", func(good *delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{Answer: good.Answer, ClosedTCP: true}
	}, "answer, 1 tries", "unreachable, 2 tries", 10},
	{"TCP closes at once", func(good *delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{Answer: good.Answer, TCP: func(net.Conn) {}}
	}, "answer, 1 tries", "unreachable, 2 tries", 10},
	{"TCP trickles", func(good *delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{Answer: good.Answer, TCP: func(c net.Conn) {
			delegationtest.ReadMessage(c)
			for range 1000 {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{1}); err != nil {
					return
				}
			}
		}}
	}, "answer, 1 tries", "no answer, 1 tries", 9},
	{"TCP accepts and says nothing", func(good *delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{Answer: good.Answer, TCP: func(c net.Conn) {
			delegationtest.ReadMessage(c)
			delegationtest.ReadMessage(c)
		}}
	}, "answer, 1 tries", "no answer, 1 tries", 9},
	{"answers from another address", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.From = netip.MustParseAddrPort("100.0.3.9:53") })
	}, "no answer, 3 tries, from another address", "answer, 1 tries", 10},
	{"answers from another port", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.From = netip.MustParseAddrPort(hostile + ":5353") })
	}, "no answer, 3 tries, from another address", "answer, 1 tries", 10},
	{"another ID", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.Data[1] ^= 1 })
	}, "no answer, 3 tries, with another ID", "no answer, 2 tries, with another ID", 5},
	{"another question", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.Data[questionEnd-3] ^= 1 })
	}, "no answer, 3 tries, with another question", "no answer, 2 tries, with another question", 5},
	{"not a response", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.Data[2] &^= 0x80 })
	}, "no answer, 3 tries, not a response", "no answer, 2 tries, not a response", 5},
	{"garbage", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.Data = []byte("garbage") })
	}, "no answer, 3 tries, not a DNS message", "no answer, 2 tries, not a DNS message", 5},
	{"records cut off", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) { d.Data = d.Data[:len(d.Data)-5] })
	}, "malformed, 3 tries", "malformed, 2 tries", 5},
	{"lower case", func(good *delegationtest.Server) *delegationtest.Host {
		return changed(good, func(_ []byte, d *delegationtest.Datagram) {
			copy(d.Data[12:], bytes.ToLower(d.Data[12:questionEnd-4]))
		})
	}, "answer, 2 tries, with the question in another case", "answer, 2 tries, with the question in another case", 28},
	{"floods", func(*delegationtest.Server) *delegationtest.Host {
		return &delegationtest.Host{ClosedTCP: true, UDP: func(request []byte) []delegationtest.Datagram {
			other := append([]byte{request[0] ^ 1}, request[1:]...)
			return slices.Repeat([]delegationtest.Datagram{{Data: other}}, 500)
		}}
	}, "no answer, 3 tries, with another ID", "unreachable, 2 tries", 5},
	{"FORMERR to EDNS", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, response *dns.Msg) *dns.Msg {
			if request.IsEdns0() != nil {
				return rcode(request, dns.RcodeFormatError)
			}
			return response
		})
	}, "answer, 2 tries, without EDNS", "answer, 2 tries, without EDNS", 26},
	{"FORMERR to EDNS, only the header", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, response *dns.Msg) *dns.Msg {
			if request.IsEdns0() != nil {
				m := rcode(request, dns.RcodeFormatError)
				m.Question = nil
				return m
			}
			return response
		})
	}, "answer, 2 tries, without EDNS, without the question", "answer, 2 tries, without EDNS, without the question", 28},
	{"drops EDNS", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, response *dns.Msg) *dns.Msg {
			if request.IsEdns0() != nil {
				return nil
			}
			return response
		})
	}, "answer, 3 tries, without EDNS", "no answer, 1 tries", 25},
	{"ignores EDNS", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(_, response *dns.Msg) *dns.Msg {
			response.Extra = nil
			response.Rcode &= 0xf // BADVERS needs an OPT record
			return response
		})
	}, "answer, 1 tries", "answer, 1 tries", 14},
	{"REFUSED", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, _ *dns.Msg) *dns.Msg { return rcode(request, dns.RcodeRefused) })
	}, "error, 1 tries", "error, 1 tries", 14},
	{"truncated for ever", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, _ *dns.Msg) *dns.Msg {
			m := rcode(request, 0)
			m.Truncated = true
			return m
		})
	}, "not authoritative, 1 tries, truncated", "not authoritative, 1 tries", 20},
	{"truncated, TCP closed", func(good *delegationtest.Server) *delegationtest.Host {
		h := answering(good, func(request, _ *dns.Msg) *dns.Msg {
			m := rcode(request, 0)
			m.Truncated = true
			return m
		})
		h.ClosedTCP = true
		return h
	}, "no response, 1 tries, truncated", "unreachable, 2 tries", 10},
	{"not authoritative", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(_, response *dns.Msg) *dns.Msg {
			response.Authoritative = false
			return response
		})
	}, "not authoritative, 1 tries", "not authoritative, 1 tries", 16},
	{"refers upward", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, _ *dns.Msg) *dns.Msg {
			m := rcode(request, 0)
			m.Ns = []dns.RR{record(". NS a.root.")}
			return m
		})
	}, "not authoritative, 1 tries", "not authoritative, 1 tries", 16},
	{"refers to itself", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, _ *dns.Msg) *dns.Msg {
			m := rcode(request, 0)
			m.Ns = []dns.RR{record("example. NS ns.example.")}
			m.Extra = []dns.RR{record("ns.example. A " + hostile)}
			return m
		})
	}, "not authoritative, 1 tries", "not authoritative, 1 tries", 16},
	{"answers for another zone", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(_, response *dns.Msg) *dns.Msg {
			response.Answer = []dns.RR{record("other." + soa)}
			response.Ns = nil
			return response
		})
	}, "NODATA, 1 tries", "NODATA, 1 tries", 14},
	{"an alias at the apex that leads to itself", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(_, response *dns.Msg) *dns.Msg {
			response.Answer = []dns.RR{record("example. CNAME example.")}
			response.Ns = nil
			return response
		})
	}, "alias, 1 tries", "alias, 1 tries", 14},
	{"1,000 NS records with addresses", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, response *dns.Msg) *dns.Msg {
			if request.Question[0].Qtype == dns.TypeNS {
				response.Compress = true
				response.Answer = nil
				for i := range 900 {
					response.Answer = append(response.Answer, record(fmt.Sprintf("example. NS ns%d.example.", i)))
				}
			}
			return response
		})
	}, "answer, 1 tries", "answer, 1 tries", 60},
	{"too many records", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(_, response *dns.Msg) *dns.Msg {
			response.Compress = true
			for range 1001 {
				response.Extra = append(response.Extra, record("example. A 100.0.0.1"))
			}
			return response
		})
	}, "malformed, 3 tries", "malformed, 2 tries", 5},
	{"an open resolver", func(good *delegationtest.Server) *delegationtest.Host {
		return answering(good, func(request, response *dns.Msg) *dns.Msg {
			response.RecursionAvailable = true
			return response
		})
	}, "answer, 1 tries", "answer, 1 tries", 14},
}

// zoneTime is how long one zone with one wrong server may take: nine seconds until no answer
// to the first question over UDP, and as long for lookups of the server's address.
const zoneTime = 20 * time.Second

func TestHostileServers(t *testing.T) {
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, good := small()
				defer n.Wait()
				n.Add(hostile, tt.host(good))
				w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse("example"))
				if w.End.Zone.String() != "example." || len(w.End.Servers) == 0 || len(w.End.Servers[0].Hosts) == 0 {
					t.Fatal(summary(w))
				}
				h := w.End.Servers[0].Hosts[0]
				if got := describe(h.UDP.SOA); got != tt.udp {
					t.Errorf("over UDP: %s, want %s", got, tt.udp)
				}
				if got := describe(h.TCP.SOA); got != tt.tcp {
					t.Errorf("over TCP: %s, want %s", got, tt.tcp)
				}
				to, all := n.Sent(hostile)
				if to > tt.most || all > tt.most+12 {
					t.Errorf("%d messages to it and %d in all, want at most %d and %d", to, all, tt.most, tt.most+12)
				}
				if w.Took > zoneTime {
					t.Errorf("took %v, want at most %v", w.Took, zoneTime)
				}
			})
		})
	}
}

// ways are servers that lead a walk astray, with how the walk ends and what it may cost.
var ways = []struct {
	name   string
	edit   func(request, response *dns.Msg) *dns.Msg // of the responses of the server of example
	target string
	end    string // kind and reason
	most   int    // messages in all
	time   time.Duration
}{
	{"a thousand server names that do not exist, without addresses", func(request, response *dns.Msg) *dns.Msg {
		if strings.HasSuffix(strings.ToLower(request.Question[0].Name), "victim.example.") {
			m := rcode(request, 0)
			m.Compress = true
			for i := range 900 {
				m.Ns = append(m.Ns, record(fmt.Sprintf("victim.example. NS n%d.nowhere.example.", i)))
			}
			return m
		}
		return response
	}, "x.victim.example", "no response no server of victim.example. shows the way", 80, 0},
	{"hundreds of server names that need lookups elsewhere", func(request, response *dns.Msg) *dns.Msg {
		name := strings.ToLower(request.Question[0].Name)
		labels := dns.SplitDomainName(name)
		if len(labels) < 2 || labels[len(labels)-2] == "ns" {
			return response
		}
		zone := labels[len(labels)-2] + ".example."
		m := rcode(request, 0)
		m.Compress = true
		for i := range 200 { // each zone has servers in zones of their own
			m.Ns = append(m.Ns, record(fmt.Sprintf("%s NS ns.z%d-%s", zone, i, zone)))
		}
		return m
	}, "x.a.example", "no response no server of a.example. shows the way", 100, time.Minute},
	{"addresses of other zones in a referral", func(request, response *dns.Msg) *dns.Msg {
		if strings.HasSuffix(strings.ToLower(request.Question[0].Name), "sub.example.") {
			m := rcode(request, 0)
			m.Ns = []dns.RR{record("sub.example. NS ns.other.")}
			m.Extra = []dns.RR{record("ns.other. A 100.0.66.66")}
			return m
		}
		return response
	}, "x.sub.example", "no response no server of sub.example. shows the way", 60, 0},
	{"a referral to another zone", func(request, response *dns.Msg) *dns.Msg {
		m := rcode(request, 0)
		m.Ns = []dns.RR{record("other. NS ns.other.")}
		m.Extra = []dns.RR{record("ns.other. A 100.0.66.66")}
		return m
	}, "x.example", "not authoritative no server of example. shows the way", 60, 0},
	{"an alias to itself", func(request, response *dns.Msg) *dns.Msg {
		m := rcode(request, 0)
		m.Authoritative = true
		m.Answer = []dns.RR{record(request.Question[0].Name + " CNAME " + request.Question[0].Name)}
		return m
	}, "x.example", "alias its aliases lead in a circle", 60, 0},
	{"aliases without end", func(request, response *dns.Msg) *dns.Msg {
		name := strings.ToLower(request.Question[0].Name)
		m := rcode(request, 0)
		m.Authoritative = true
		if name != "example." {
			m.Answer = []dns.RR{record(name + " CNAME x" + name)}
		}
		return m
	}, "x.example", "alias it has too many aliases", 60, 0},
	{"a DNAME to names below it", func(request, response *dns.Msg) *dns.Msg {
		name := strings.ToLower(request.Question[0].Name)
		m := rcode(request, 0)
		m.Authoritative = true
		if strings.HasSuffix(name, ".d.example.") {
			m.Answer = []dns.RR{record("d.example. DNAME x.d.example.")}
		}
		return m
	}, "x.d.example", "alias it has too many aliases", 80, 0},
	{"a DNAME to names that are too long", func(request, response *dns.Msg) *dns.Msg {
		name := strings.ToLower(request.Question[0].Name)
		m := rcode(request, 0)
		m.Authoritative = true
		if strings.HasSuffix(name, ".d.example.") {
			m.Answer = []dns.RR{record("d.example. DNAME " + strings.Repeat(strings.Repeat("l", 60)+".", 3) + "d.example.")}
		}
		return m
	}, "x." + strings.Repeat("y", 50) + ".d.example", "error no server of example. shows the way", 80, 0},
	{"a zone at every label", func(request, response *dns.Msg) *dns.Msg {
		name := strings.ToLower(request.Question[0].Name)
		if name == "example." || request.Question[0].Qtype != dns.TypeNS {
			return response
		}
		m := rcode(request, 0)
		m.Ns = []dns.RR{record(name + " NS ns.example.")}
		m.Extra = []dns.RR{record("ns.example. A " + hostile)}
		return m
	}, strings.Repeat("x.", 100) + "example", "answer ", 800, 0},
}

func TestHostileWays(t *testing.T) {
	for _, tt := range ways {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, good := small()
				defer n.Wait()
				n.Add(hostile, answering(good, tt.edit))
				w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse(tt.target))
				if got := fmt.Sprint(w.Kind, " ", w.Reason); got != tt.end {
					t.Errorf("end: %s, want %s\n%s", got, tt.end, summary(w))
				}
				if all, _ := n.Sent(hostile); all > tt.most {
					t.Errorf("%d messages, want at most %d", all, tt.most)
				}
				if to, _ := n.Sent("100.0.66.66"); to > 0 {
					t.Error("an address was asked that the zone is not responsible for")
				}
				if w.Took > tt.time {
					t.Errorf("took %v, want at most %v", w.Took, tt.time)
				}
			})
		})
	}
}

// TestManyAddresses walks to a zone whose server has more addresses than a zone may have.
func TestManyAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, good := small()
		defer n.Wait()
		n.Add(hostile, answering(good, func(request, response *dns.Msg) *dns.Msg {
			if request.Question[0].Qtype == dns.TypeA {
				response.Compress = true
				for i := range 200 {
					response.Answer = append(response.Answer, record(fmt.Sprintf("ns.example. A 100.0.3.%d", i+2)))
				}
			}
			return response
		}))
		w := delegation.New(options(n)).Walk(t.Context(), dname.MustParse("example"))
		_, all := n.Sent("")
		if hosts := len(w.End.Hosts()); hosts != delegation.DefaultLimits().Addresses || all > 200 || w.Took > zoneTime {
			t.Errorf("%d addresses asked, %d messages, %v", hosts, all, w.Took)
		}
	})
}
