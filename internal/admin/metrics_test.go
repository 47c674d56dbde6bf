package admin

import (
	"encoding/binary"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// buildZone returns a zone with an SOA, an NS and n PTRs.
func buildZone(t *testing.T, apex string, n int) *zone.Zone {
	t.Helper()
	name := dname.MustParse(apex)
	b := zone.NewBuilder(name)
	ns := dname.MustParse("ns1.example.")
	soa := append(append(append([]byte(nil), ns...), ns...), 0, 0, 0, 42, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1)
	b.Add(zone.Record{Owner: name, Type: rr.TypeSOA, TTL: 60, Data: soa})
	b.Add(zone.Record{Owner: name, Type: rr.TypeNS, TTL: 60, Data: ns})
	sig := binary.BigEndian.AppendUint32([]byte{0, 6, 13, byte(name.Labels()), 0, 0, 0, 60}, signedUntilTest)
	sig = append(append(append(sig, 0, 0, 0, 1, 0, 1), name...), 1, 2, 3)
	b.Add(zone.Record{Owner: name, Type: rr.TypeRRSIG, TTL: 60, Data: sig})
	for i := range n {
		owner, err := name.Prepend([]byte{byte('0' + i)})
		if err != nil {
			t.Fatal(err)
		}
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: ns})
	}
	z, list := b.Build()
	if z == nil {
		t.Fatal(list)
	}
	return z
}

// signedUntilTest is when the signatures of the zones expire.
const signedUntilTest = 1_900_000_000

// testSource is of a server that answered some things.
func testSource(t *testing.T) Source {
	z := buildZone(t, "2.0.192.in-addr.arpa.", 3)
	var queries atomic.Uint64
	queries.Store(7)
	broken := dname.MustParse("113.0.203.in-addr.arpa.")
	views := new(answer.Views)
	view := &answer.View{
		Zones:  zone.NewSet().With([]*zone.Zone{z, zone.Unavailable(broken, "a test")}, nil),
		Policy: &answer.Policy{CountsZones: true, Zones: new(zone.Map[answer.ZonePolicy]).With([]zone.MapChange[answer.ZonePolicy]{{Apex: z.Apex(), Value: &answer.ZonePolicy{Queries: &queries}}})},
	}
	views.Swap(view)
	s, err := server.New(server.Options{Views: views, Limits: server.Limits{
		TCPClients: 1, TCPClientsPer: 1, TCPIdle: time.Second, TCPWrite: time.Second, TCPPipeline: 1, Transfers: 1, TransfersPer: 1, TransferStall: time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	totals := s.Totals()
	totals.Transports[answer.UDP].Received, totals.Transports[answer.UDP].Answered, totals.Transports[answer.UDP].Dropped[answer.DropTooLong] = 5, 4, 1
	totals.Transports[answer.UDP].Latency.Buckets[0], totals.Transports[answer.UDP].Latency.Buckets[3], totals.Transports[answer.UDP].Latency.Buckets[answer.LatencyBuckets-1] = 2, 1, 1
	totals.Transports[answer.UDP].Latency.Sum = time.Second
	return Source{
		Version: "v1",
		Totals:  func() server.Totals { return totals },
		Buckets: func() (int, int) { return 2048, 7 },
		View:    func() *answer.View { return view },
		Journal: func() (bool, uint64) { return false, 3 },
		Damage:  func() int { return 2 },
		Reload: func() Reload {
			return Reload{OK: true, At: time.Unix(1000, 0), Took: time.Second, Errors: 1, Warnings: 2, Held: map[string]int{"zone": 1}, Unfinished: 1}
		},
		Hung:   func() int { return 2 },
		Absent: func() int { return 3 },
		Faults: func() map[string]uint64 { return map[string]uint64{"notify": 4} },
		Stuck:  func() int { return 1 },
		Load:   func() Load { return Load{UnderWay: true, ZonesDone: 3, Zones: 4, Records: 1000, Bytes: 50000} },
		Secondaries: func() Secondaries {
			return Secondaries{
				Zones:    []Secondary{{"a.", time.Unix(1, 0), time.Unix(2, 0), true}, {Zone: "b."}},
				Counts:   map[string]uint64{"check": 3},
				Notifies: map[string]uint64{"refused": 4},
				Records:  5,
			}
		},
		Transfers: func() Transfers {
			one := map[string]uint64{"axfr": 6}
			return Transfers{Answers: one, Records: one, Octets: one, Notifies: map[string]uint64{"sent": 7}}
		},
		Log: func() map[string]eventlog.Totals {
			return map[string]eventlog.Totals{"warn": {Written: 8, Suppressed: 9}}
		},
		API: func() map[awsapi.Result]uint64 {
			return map[awsapi.Result]uint64{{API: "route53", Operation: "GetChange", Code: "NoSuchChange"}: 10}
		},
		Hosted: func() int { return 11 },
		Derived: func() Derived {
			return Derived{[]DerivedZone{{"a.", 5, 1, 2}, {"b.", 3, 0, 0}}, []LeaseFile{{Path: "/kea.csv", Read: time.Unix(60, 0), Failing: true, Names: 4, Skipped: 1}}}
		},
		Downstream: func() []Downstream {
			at := netip.MustParseAddrPort("192.0.2.53:53")
			return []Downstream{
				{Zone: "a.", Address: at, Serial: 7, HasSerial: true, Behind: time.Now().Add(-time.Hour), Expire: 4 * time.Hour, Failing: true},
				{Zone: "b.", Address: at, Expire: time.Hour},
			}
		},
		State: func() State {
			return State{map[Condition]int{{"space", "warning"}: 1, {"listen", "error"}: 1}, map[string]time.Time{"listen.tls": time.Unix(5000, 0)}, 1 << 30, true}
		},
		Updates: func() map[string]uint64 { return map[string]uint64{"forbidden": 12, "failed": 0} },
		FCRDNS: func(bool) FCRDNS {
			return FCRDNS{map[string]int{"ok": 7, "mismatch": 1}, map[string]map[string]int{"a.": {"ok": 5, "mismatch": 1}, "b.": {"ok": 2}}, time.Unix(50, 0)}
		},
	}
}

func scrape(t *testing.T, s Source) string {
	t.Helper()
	w := httptest.NewRecorder()
	Metrics(s).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	text := scrape(t, testSource(t))
	for _, line := range []string{
		`ptrd_received_total{transport="udp"} 5`,
		`ptrd_dropped_total{reason="too_long",transport="udp"} 1`,
		`ptrd_latency_seconds_bucket{transport="udp",le="1.024e-06"} 2`,
		`ptrd_latency_seconds_bucket{transport="udp",le="8.192e-06"} 3`,
		`ptrd_latency_seconds_bucket{transport="udp",le="4.294967296"} 3`,
		`ptrd_latency_seconds_bucket{transport="udp",le="+Inf"} 4`,
		`ptrd_latency_seconds_sum{transport="udp"} 1`,
		`ptrd_latency_seconds_count{transport="udp"} 4`,
		`ptrd_reload_success 1`,
		`ptrd_state_damage 2`,
		`ptrd_journal_writable 0`,
		`ptrd_journal_failures_total 3`,
		`ptrd_reload_timestamp_seconds 1000`,
		`ptrd_reload_last_success_timestamp_seconds 0`,
		`ptrd_findings{severity="warning"} 2`,
		`ptrd_hung_reads 2`,
		`ptrd_listen_absent 3`,
		`ptrd_part_failures_total{part="notify"} 4`,
		`ptrd_parts_stuck 1`,
		`ptrd_loading 1`,
		`ptrd_load_zones{state="all"} 4`,
		`ptrd_load_zones{state="done"} 3`,
		`ptrd_load_records_total 1000`,
		`ptrd_load_bytes_total 50000`,
		`ptrd_zones{state="served"} 1`,
		`ptrd_zones{state="unavailable"} 1`,
		`ptrd_records 6`,
		`ptrd_zone_serial{zone="2.0.192.in-addr.arpa."} 42`,
		`ptrd_zone_records{zone="2.0.192.in-addr.arpa."} 6`,
		`ptrd_zone_queries_total{zone="2.0.192.in-addr.arpa."} 7`,
		`ptrd_query_types_total{type="PTR"} 0`,
		`ptrd_responses_total{rcode="NXDOMAIN"} 0`,
		`ptrd_tcp_closed_total{reason="idle"} 0`,
		`ptrd_log_lines_total{level="warn"} 8`,
		`ptrd_log_suppressed_total{level="warn"} 9`,
		`ptrd_api_requests_total{api="route53",code="NoSuchChange",operation="GetChange"} 10`,
		`ptrd_hosted_zones 11`, `ptrd_derived_records 8`, `ptrd_derived_conflicts 1`, `ptrd_derived_drift 2`,
		`ptrd_signatures_expiry_timestamp_seconds 1.9e+09`,
		`ptrd_updates_total{result="forbidden"} 12`,
		`ptrd_zone_secondaries{state="failing"} 1`,
		`ptrd_zone_secondaries{state="current"} 1`,
		`ptrd_zone_secondary_serial{secondary="192.0.2.53:53",zone="a."} 7`,
		`ptrd_conditions{name="space",severity="warning"} 1`,
		`ptrd_certificate_expiry_timestamp_seconds{listener="listen.tls"} 5000`,
		`ptrd_state_free_bytes 1.073741824e+09`,
		`ptrd_fcrdns_addresses{state="ok"} 7`,
		`ptrd_zone_derived{kind="drift",zone="a."} 2`,
		`ptrd_lease_file_usable{file="/kea.csv"} 0`,
		`ptrd_lease_file_read_timestamp_seconds{file="/kea.csv"} 60`,
		`ptrd_fcrdns{state="mismatch",zone="a."} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if strings.Contains(text, `le="8.589934592"`) {
		t.Error("the last bucket has a bound, although it counts longer times as well")
	}
	for _, m := range list() {
		if !regexp.MustCompile(`(?m)^` + m.name + `(_bucket)?[ {]`).MatchString(text) {
			t.Errorf("%s is in the list and never sent", m.name)
		}
	}
}

// TestManyZones: beyond a thousand zones, their own series have to be asked for.
func TestManyZones(t *testing.T) {
	s := testSource(t)
	var zones []*zone.Zone
	for i := range maxZoneSeries + 1 {
		n, _ := dname.FromPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		zones = append(zones, buildZone(t, n.String(), 0))
	}
	view := &answer.View{Zones: zone.NewSet().With(zones, nil), Policy: &answer.Policy{}}
	s.View = func() *answer.View { return view }
	if text := scrape(t, s); strings.Contains(text, "ptrd_zone_serial{") || !strings.Contains(text, `ptrd_zones{state="served"} 1001`) {
		t.Error("series by zone for more than a thousand zones")
	}
	view.Policy.CountsZones = true
	if text := scrape(t, s); strings.Count(text, "ptrd_zone_serial{") != maxZoneSeries+1 {
		t.Error("no series by zone although they were asked for")
	}
}

// TestBeforeTheFirstView: metrics can be asked for while zones load.
func TestBeforeTheFirstView(t *testing.T) {
	s := testSource(t)
	s.View = func() *answer.View { return nil }
	s.Reload = func() Reload { return Reload{} }
	if text := scrape(t, s); strings.Contains(text, "ptrd_reload_success") {
		t.Error("the outcome of a reload before there was one")
	}
}

// names returns the metrics of ours that a text speaks of.
func names(text string) (out []string) {
	for _, n := range regexp.MustCompile(`\bptrd_[a-z0-9_]+`).FindAllString(text, -1) {
		out = append(out, strings.TrimSuffix(n, "_bucket"))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func all() (out []string) {
	for _, m := range list() {
		out = append(out, m.name)
	}
	return out
}

// TestDocument: docs/metrics.md has every metric, its labels, and no other.
func TestDocument(t *testing.T) {
	text := read(t, "../../docs/metrics.md")
	for _, n := range names(text) {
		if !slices.Contains(all(), n) {
			t.Errorf("docs/metrics.md has %s, which does not exist", n)
		}
	}
	for _, m := range list() {
		row := "| `" + m.name
		if len(m.labels) > 0 {
			row += "{" + strings.Join(m.labels, ",") + "}"
		}
		if !strings.Contains(text, row+"` |") {
			t.Errorf("docs/metrics.md has no row %s` |", row)
		}
	}
}

// TestAlerts: every alert rule is complete and speaks of metrics that exist.
func TestAlerts(t *testing.T) {
	text := read(t, "../../deploy/alerts.yaml")
	var doc struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			n++
			if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("rule %+v is not complete", r)
			}
			checkNames(t, r.Alert, r.Expr)
		}
	}
	if n < 5 {
		t.Errorf("only %d rules", n)
	}
}

// dashboard is what tests read of the dashboard.
type dashboard struct {
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		FieldConfig              struct{ Defaults struct{ Unit string } }
		Targets                  []struct{ Expr, LegendFormat, RefID string }
	}
}

func readDashboard(t *testing.T) (doc dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "../../deploy/grafana-dashboard.json")), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDashboard: the dashboard is JSON, its queries speak of metrics that exist, and panels say
// what they show, in which unit, each in a place of its own.
func TestDashboard(t *testing.T) {
	doc := readDashboard(t)
	ids, places := map[int]bool{}, map[[2]int]bool{}
	for _, p := range doc.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id is not its own, or it is too wide", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if places[at] {
					t.Fatalf("panel %q covers another one at %v", p.Title, at)
				}
				places[at] = true
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %q shows nothing, or has no description or unit", p.Title)
		}
		for _, q := range p.Targets {
			checkNames(t, p.Title, q.Expr)
			for _, m := range regexp.MustCompile(`histogram_quantile\(0\.(\d+),`).FindAllStringSubmatch(q.Expr, -1) {
				if want := "p" + (m[1] + "0")[:2]; !strings.HasPrefix(q.LegendFormat, want+" ") {
					t.Errorf("panel %q: the legend of quantile 0.%s is %q, want %s", p.Title, m[1], q.LegendFormat, want)
				}
			}
		}
	}
	if len(doc.Panels) < 50 {
		t.Errorf("only %d panels", len(doc.Panels))
	}
}

// checkNames checks the metrics in a PromQL expression, and its brackets.
func checkNames(t *testing.T, where, expr string) {
	t.Helper()
	for _, n := range names(expr) {
		if !slices.Contains(all(), n) {
			t.Errorf("%s: %s does not exist", where, n)
		}
	}
	depth := map[rune]int{}
	for _, c := range expr {
		switch c {
		case '(', '{', '[':
			depth[c]++
		case ')':
			depth['(']--
		case '}':
			depth['{']--
		case ']':
			depth['[']--
		}
	}
	if depth['('] != 0 || depth['{'] != 0 || depth['['] != 0 {
		t.Errorf("%s: brackets of %s do not match", where, expr)
	}
}

// TestLabels: label values used in alerts and panels are ones that are sent.
func TestLabels(t *testing.T) {
	text := scrape(t, testSource(t))
	for _, path := range []string{"../../deploy/alerts.yaml", "../../deploy/grafana-dashboard.json"} {
		for _, m := range regexp.MustCompile(`\b(reason|rcode|state|transport)=\\?"(\w+)\\?"`).FindAllStringSubmatch(read(t, path), -1) {
			if !strings.Contains(text, m[1]+`="`+m[2]+`"`) {
				t.Errorf("%s: no metric has %s=%q", path, m[1], m[2])
			}
		}
	}
}
