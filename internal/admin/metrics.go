package admin

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
)

// maxZoneSeries is up to how many zones each zone has its own metrics by default. A
// thousand zones are four thousand series, which every Prometheus can store; the operator
// decides about hundreds of thousands.
const maxZoneSeries = 1000

// Metrics returns the handler of /metrics.
func Metrics(s Source) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		newCollector(s),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	// Two scrapers may ask at the same time; more are probably an attack.
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: writeTimeout})
}

// collector makes the metrics from the server's own counters: queries never touch
// Prometheus objects.
type collector struct {
	s     Source
	descs map[string]*prometheus.Desc
}

// metric describes one metric.
type metric struct {
	name, help string
	labels     []string
}

// list returns all metrics; docs/metrics.md describes which add up to which.
func list() []metric {
	l := func(labels ...string) []string { return labels }
	return []metric{
		{"ptrd_build_info", "Constant 1, with the version as labels.", l("version", "goversion")},

		{"ptrd_received_total", "Requests taken from the sockets.", l("transport")},
		{"ptrd_answered_total", "Requests that an answer was made for.", l("transport")},
		{"ptrd_deferred_total", "Requests that were queued for deferred handling.", l("transport")},
		{"ptrd_dropped_total", "Requests without an answer, by reason.", l("transport", "reason")},
		{"ptrd_unsent_total", "Answers that could not be sent, by reason.", l("transport", "reason")},
		{"ptrd_kernel_dropped_total", "UDP requests that the kernel dropped because a receive buffer was full.", nil},
		{"ptrd_latency_seconds", "Time from the arrival of a batch of requests to its answers.", l("transport")},

		{"ptrd_queries_total", "Requests that were looked at.", l("transport")},
		{"ptrd_query_types_total", "Requests by QTYPE, out of a fixed list, other and none.", l("type")},
		{"ptrd_outcomes_total", "Requests by what became of them.", l("outcome")},
		{"ptrd_responses_total", "Responses by RCODE.", l("rcode")},
		{"ptrd_cookies_total", "Requests with a COOKIE option, by its state.", l("state")},
		{"ptrd_features_total", "Requests with EDNS, with DO, and truncated responses.", l("feature")},
		{"ptrd_rate_limited_total", "Responses over a rate limit, by the kind of limit.", l("kind")},
		{"ptrd_rate_limit_actions_total", "Responses over a rate limit, by what was done about it.", l("action")},
		{"ptrd_rate_limit_buckets", "Buckets of the rate limits.", nil},
		{"ptrd_rate_limit_buckets_used", "Buckets of the rate limits that are not full.", nil},
		{"ptrd_slow_results_total", "Deferred requests by what the server made of them.", l("result")},

		{"ptrd_tcp_connections", "Open connections, of TCP and TLS.", nil},
		{"ptrd_tcp_accepted_total", "Accepted connections, of TCP and TLS.", nil},
		{"ptrd_tcp_closed_total", "Ended connections, of TCP and TLS, by reason.", l("reason")},
		{"ptrd_tcp_accept_errors_total", "Errors while accepting connections.", nil},

		{"ptrd_slow_waiting", "Deferred requests in the queue.", nil},
		{"ptrd_slow_working", "Deferred requests being worked on.", nil},
		{"ptrd_transfers", "Zone transfers under way.", nil},
		{"ptrd_transfers_waiting", "Zone transfers that wait for their turn.", nil},
		{"ptrd_slow_done_total", "Deferred requests that are done.", nil},
		{"ptrd_slow_replies_total", "Messages made for deferred requests.", nil},
		{"ptrd_slow_unsent_total", "Messages for deferred requests that were not sent.", nil},
		{"ptrd_slow_full_total", "Requests refused because the queue of deferred requests was full.", nil},
		{"ptrd_log_lines_total", "Lines written to the log, by level.", l("level")},
		{"ptrd_log_suppressed_total", "Log records that were counted instead of written, by level.", l("level")},
		{"ptrd_query_log_lost_total", "Sampled queries that the log was too slow for.", nil},

		{"ptrd_reload_success", "1 if the last reload succeeded and every zone is served as its sources have it.", nil},
		{"ptrd_reload_timestamp_seconds", "When the last reload began.", nil},
		{"ptrd_reload_last_success_timestamp_seconds", "When the last successful reload began; 0 if none was.", nil},
		{"ptrd_reload_duration_seconds", "How long the last reload took.", nil},
		{"ptrd_held_changes", "Changes that remove more than max_shrink and are held back, by kind: zone, configuration, catalog.", l("kind")},
		{"ptrd_unfinished_files", "Files that changed and are not read yet because they are still being written.", nil},
		{"ptrd_loading", "1 while zones are loaded.", nil},
		{"ptrd_load_zones", "Zones that the load under way, or the last one, has to do with: all, and done so far.", l("state")},
		{"ptrd_load_records_total", "Records read from sources.", nil},
		{"ptrd_load_bytes_total", "Octets read from source files.", nil},
		{"ptrd_hung_reads", "Reads of files that were given up and have not returned.", nil},
		{"ptrd_part_failures_total", "Internal errors that were contained, by the part of the server; each costs the item in work.", l("part")},
		{"ptrd_parts_stuck", "Parts of the server that do nothing any more.", nil},
		{"ptrd_listen_absent", "Addresses to listen on that cannot be bound yet.", nil},
		{"ptrd_findings", "Findings of the last reload, by severity.", l("severity")},

		{"ptrd_state_damage", "Places in the state directory that were damaged or lost at the start.", nil},
		{"ptrd_journal_writable", "1 if the last write of the journal went well.", nil},
		{"ptrd_journal_failures_total", "Writes of the journal that failed because of the disk.", nil},

		{"ptrd_zones", "Zones by state: served, last_good (its sources have errors), unavailable.", l("state")},
		{"ptrd_records", "Records in all zones.", nil},
		{"ptrd_zone_data_bytes", "Memory that the data of all zones take.", nil},
		{"ptrd_transfer_answers_total", "Answers to AXFR and IXFR, by kind.", l("kind")},
		{"ptrd_transfer_records_total", "Records sent in them.", l("kind")},
		{"ptrd_transfer_bytes_total", "Octets sent in them, EDNS and signatures left out.", l("kind")},
		{"ptrd_notify_out_total", "NOTIFY messages to secondaries, and what became of them.", l("result")},
		{"ptrd_zone_secondaries", "Servers that are notified of changes, counted for each zone: current, waiting, failing.", l("state")},
		{"ptrd_zone_secondaries_behind_seconds", "The longest time that one of them has not acknowledged or transferred a newer serial.", nil},
		{"ptrd_zone_secondaries_expiry_ratio", "The same as a part of the zone's SOA EXPIRE, the largest; at 1 the secondary stops answering.", nil},
		{"ptrd_zone_secondary_behind_seconds", "How long the secondary has not acknowledged or transferred a newer serial of the zone.", l("zone", "secondary")},
		{"ptrd_zone_secondary_serial", "The latest serial that the secondary acknowledged, transferred or showed.", l("zone", "secondary")},
		{"ptrd_updates_total", "UPDATE messages by what became of them.", l("result")},
		{"ptrd_conditions", "What is not as it should be, as in `ptrd status`, by name and severity.", l("name", "severity")},
		{"ptrd_state_free_bytes", "Octets that can still be written to the file system of the state directory.", nil},
		{"ptrd_certificate_expiry_timestamp_seconds", "When the certificate of the listener expires.", l("listener")},
		{"ptrd_signatures_expiry_timestamp_seconds", "When the first of the signatures over the SOA records of all signed zones expires.", nil},
		{"ptrd_zone_signature_expiry_timestamp_seconds", "When the signature over the SOA of the zone expires.", l("zone")},
		{"ptrd_secondary_zones_expiry_ratio", "The part of the time until a secondary zone expires that has passed since a primary confirmed it, the largest of all zones.", nil},
		{"ptrd_secondary_zones", "Secondary zones by how their last check ended: good, failed.", l("state")},
		{"ptrd_secondary_checks_total", "Checks of secondary zones, and what came of them.", l("what")},
		{"ptrd_secondary_records_total", "Records that came in zone transfers.", nil},
		{"ptrd_notify_total", "NOTIFY messages, by what became of them.", l("result")},
		{"ptrd_secondary_checked_timestamp_seconds", "When a primary confirmed or brought the secondary zone last.", l("zone")},
		{"ptrd_secondary_expires_timestamp_seconds", "When the secondary zone expires unless a primary confirms it.", l("zone")},
		{"ptrd_fcrdns_addresses", "Addresses with a reverse name, or that should have one, by what its forward confirmation found.", l("state")},
		{"ptrd_fcrdns_completed_timestamp_seconds", "When the last complete pass of the audit ended; 0: none yet.", nil},
		{"ptrd_fcrdns", "Addresses of the zone, as in ptrd_fcrdns_addresses.", l("zone", "state")},
		{"ptrd_zone_derived", "Derived PTR records, conflicts and drift of the zone.", l("zone", "kind")},
		{"ptrd_lease_file_usable", "1 if the file of another program is used as it is, 0 if it cannot be read or is damaged.", l("file")},
		{"ptrd_lease_file_read_timestamp_seconds", "When all of the file was read last.", l("file")},
		{"ptrd_lease_file_names", "Names of addresses in the file.", l("file")},
		{"ptrd_lease_file_skipped", "Records of the file with a fault.", l("file")},
		{"ptrd_api_requests_total", "Requests of APIs of AWS, by operation and code.", l("api", "operation", "code")},
		{"ptrd_derived_records", "PTR records that follow from forward data, static ones that hide them included.", nil},
		{"ptrd_derived_conflicts", "Addresses of which one of several names became the PTR without being preferred.", nil},
		{"ptrd_derived_drift", "Addresses whose static PTR has a name that does not have the address by the forward data.", nil},
		{"ptrd_hosted_zones", "Hosted zones of the Route 53 API.", nil},
		{"ptrd_zone_serial", "SERIAL of the zone's SOA.", l("zone")},
		{"ptrd_zone_records", "Records of the zone.", l("zone")},
		{"ptrd_zone_bytes", "Memory that the zone's data take.", l("zone")},
		{"ptrd_zone_queries_total", "Queries answered from the zone.", l("zone")},
	}
}

func newCollector(s Source) *collector {
	c := &collector{s: s, descs: map[string]*prometheus.Desc{}}
	for _, m := range list() {
		c.descs[m.name] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// sink creates metrics and sends them to ch.
type sink struct {
	*collector
	ch chan<- prometheus.Metric
}

func (s sink) send(t prometheus.ValueType, name string, v float64, labels ...string) {
	d, ok := s.descs[name]
	if !ok {
		panic("admin: metric " + name + " is not in the list")
	}
	s.ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
}

func (s sink) count(name string, v uint64, labels ...string) {
	s.send(prometheus.CounterValue, name, float64(v), labels...)
}

func (s sink) gauge(name string, v float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, v, labels...)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := sink{c, ch}
	s.gauge("ptrd_build_info", 1, c.s.Version, runtime.Version())
	s.totals(c.s.Totals())
	all, used := c.s.Buckets()
	s.gauge("ptrd_rate_limit_buckets", float64(all))
	s.gauge("ptrd_rate_limit_buckets_used", float64(used))
	s.reload(c.s.Reload())
	isWritable, failures := c.s.Journal()
	s.gauge("ptrd_state_damage", float64(c.s.Damage()))
	s.gauge("ptrd_journal_writable", bit(isWritable))
	s.count("ptrd_journal_failures_total", failures)
	s.load(c.s.Load())
	view := c.s.View()
	s.zones(view, c.s.Reload().LastGood)
	s.secondaries(c.s.Secondaries(), view)
	s.transfers(c.s.Transfers())
	s.fcrdns(c.s.FCRDNS(s.hasZones(view)))
	s.derived(c.s.Derived(), view)
	s.downstream(c.s.Downstream(), view, time.Now())
	s.state(c.s.State())
	for result, n := range c.s.Updates() {
		s.count("ptrd_updates_total", n, result)
	}
	for r, n := range c.s.API() {
		s.count("ptrd_api_requests_total", n, r.API, r.Operation, r.Code)
	}
	s.gauge("ptrd_hosted_zones", float64(c.s.Hosted()))
	for level, n := range c.s.Log() {
		s.count("ptrd_log_lines_total", n.Written, level)
		s.count("ptrd_log_suppressed_total", n.Suppressed, level)
	}
}

// groups returns the metrics of the groups of answer.Counter.
func groups() map[string]string {
	return map[string]string{
		"requests": "ptrd_queries_total",
		"qtype":    "ptrd_query_types_total",
		"outcome":  "ptrd_outcomes_total",
		"rcode":    "ptrd_responses_total",
		"cookie":   "ptrd_cookies_total",
		"features": "ptrd_features_total",
		"limited":  "ptrd_rate_limited_total",
		"limit":    "ptrd_rate_limit_actions_total",
		"slow":     "ptrd_slow_results_total",
	}
}

func (s sink) totals(t server.Totals) {
	metrics := groups()
	for i := range answer.NumCounters {
		group, name := i.Name()
		s.count(metrics[group], t.Respond[i], name)
	}
	for i := range t.Transports {
		s.transport(answer.Transport(i).String(), &t.Transports[i])
	}
	s.count("ptrd_kernel_dropped_total", t.KernelDropped)
	s.gauge("ptrd_tcp_connections", float64(t.Open))
	s.count("ptrd_tcp_accepted_total", t.Accepted)
	for i := range answer.NumCloseReasons {
		s.count("ptrd_tcp_closed_total", t.Closed[i], i.String())
	}
	s.count("ptrd_tcp_accept_errors_total", t.AcceptErrors)
	s.gauge("ptrd_slow_waiting", float64(t.Deferred.Waiting))
	s.gauge("ptrd_slow_working", float64(t.Deferred.Working))
	s.gauge("ptrd_transfers", float64(t.Deferred.Transfers))
	s.gauge("ptrd_transfers_waiting", float64(t.Deferred.TransfersWaiting))
	s.count("ptrd_slow_done_total", t.Deferred.Done)
	s.count("ptrd_slow_replies_total", t.Deferred.Replies)
	s.count("ptrd_slow_unsent_total", t.Deferred.Unsent)
	s.count("ptrd_slow_full_total", t.Deferred.Full)
	s.latency("slow", &t.Deferred.Latency)
	s.count("ptrd_query_log_lost_total", t.LogLost)
}

func (s sink) transport(name string, t *answer.TransportTotals) {
	s.count("ptrd_received_total", t.Received, name)
	s.count("ptrd_answered_total", t.Answered, name)
	s.count("ptrd_deferred_total", t.Deferred, name)
	for i := range answer.NumDropReasons {
		s.count("ptrd_dropped_total", t.Dropped[i], name, i.String())
	}
	for i := range answer.NumSendFailures {
		s.count("ptrd_unsent_total", t.Unsent[i], name, i.String())
	}
	s.latency(name, &t.Latency)
}

func (s sink) latency(transport string, l *answer.Latency) {
	buckets := make(map[float64]uint64, answer.LatencyBuckets)
	var n uint64
	for i, b := range l.Buckets {
		n += b
		if i < answer.LatencyBuckets-1 { // the last one has no upper bound
			buckets[answer.LatencyBound(i).Seconds()] = n
		}
	}
	s.ch <- prometheus.MustNewConstHistogram(s.descs["ptrd_latency_seconds"], n, l.Sum.Seconds(), buckets, transport)
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s sink) reload(r Reload) {
	if r.At.IsZero() {
		return
	}
	s.gauge("ptrd_reload_success", bit(r.OK))
	s.gauge("ptrd_reload_timestamp_seconds", unix(r.At))
	s.gauge("ptrd_reload_last_success_timestamp_seconds", unix(r.LastOK))
	s.gauge("ptrd_reload_duration_seconds", r.Took.Seconds())
	for kind, n := range r.Held {
		s.gauge("ptrd_held_changes", float64(n), kind)
	}
	s.gauge("ptrd_unfinished_files", float64(r.Unfinished))
	s.gauge("ptrd_hung_reads", float64(s.s.Hung()))
	s.gauge("ptrd_listen_absent", float64(s.s.Absent()))
	for part, n := range s.s.Faults() {
		s.count("ptrd_part_failures_total", n, part)
	}
	s.count("ptrd_part_failures_total", s.s.Totals().Faults, "server")
	s.gauge("ptrd_parts_stuck", float64(s.s.Stuck()))
	s.gauge("ptrd_findings", float64(r.Errors), "error")
	s.gauge("ptrd_findings", float64(r.Warnings), "warning")
}

func (s sink) load(l Load) {
	s.gauge("ptrd_loading", bit(l.UnderWay))
	s.gauge("ptrd_load_zones", float64(l.Zones), "all")
	s.gauge("ptrd_load_zones", float64(l.ZonesDone), "done")
	s.count("ptrd_load_records_total", uint64(l.Records))
	s.count("ptrd_load_bytes_total", uint64(l.Bytes))
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
