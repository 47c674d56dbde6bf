package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/freeport"
)

// TestPromtool lets Prometheus' own tool read the rules and test them: each alert about time fires
// when it should and not before.
func TestPromtool(t *testing.T) {
	promtool := peertest.Require(t, "promtool")
	alerts, err := filepath.Abs("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := filepath.Join(t.TempDir(), "alerts_test.yaml")
	if err := os.WriteFile(tests, []byte(strings.Replace(read(t, "testdata/alerts_test.yaml"), "ALERTS", alerts, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", alerts}, {"test", "rules", tests}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
}

// peer is a running Prometheus. Expressions are evaluated at the time of a scrape that succeeded:
// after one that did not, as on a loaded machine, series have no value.
type peer struct{ url, time string }

// startPrometheus runs Prometheus, which scrapes a server of testSource each second.
func startPrometheus(t *testing.T) *peer {
	t.Helper()
	program := peertest.Require(t, "prometheus")
	source := httptest.NewServer(Metrics(testSource(t)))
	t.Cleanup(source.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: ptrd, static_configs: [{targets: ['%s']}]}]\n", source.Listener.Addr())
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	address := freeport.Must(t).String()
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	p := &peer{url: "http://" + address}
	await.That(t, "prometheus has two samples, which rates need", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("prometheus ended: %v\n%s", err, log.String())
		default:
		}
		got, err := p.query(`timestamp(ptrd_build_info) and count_over_time(ptrd_build_info[1m]) >= 2`)
		if err != nil || len(got) == 0 {
			return false
		}
		p.time = fmt.Sprint(got[0].Value[1])
		return true
	})
	return p
}

// result is an element of what an expression evaluates to.
type result struct {
	Metric map[string]string // labels
	Value  [2]any            // time and value
}

// query evaluates an expression.
func (p *peer) query(expr string) ([]result, error) {
	form := url.Values{"query": {expr}}
	if p.time != "" {
		form.Set("time", p.time)
	}
	r, err := http.Get(p.url + "/api/v1/query?" + form.Encode())
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []result }
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return answer.Data.Result, nil
}

// threshold is the comparison at the end of an expression, which leaves out what is in order.
var threshold = regexp.MustCompile(`\s*(==|>|<) [^<>=]+$`)

// TestPrometheus has a real Prometheus evaluate the expressions of all alerts and panels over
// metrics of a server. Each has a result, if comparisons at its end are left out, with the labels
// that summaries and legends show.
func TestPrometheus(t *testing.T) {
	p := startPrometheus(t)
	check := func(where, expr string, labels []string) {
		t.Helper()
		got, err := p.query(expr)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		for rest := expr; len(got) == 0; {
			next := threshold.ReplaceAllString(rest, "")
			if next == rest {
				t.Errorf("%s: %s has no result", where, rest)
				return
			}
			rest = next
			if got, err = p.query(rest); err != nil {
				t.Errorf("%s: %v", where, err)
				return
			}
		}
		for _, l := range labels {
			if !slices.ContainsFunc(got, func(r result) bool { return r.Metric[l] != "" }) {
				t.Errorf("%s: %s has no label %s: %v", where, expr, l, got[0].Metric)
			}
		}
	}
	names := func(text string) (out []string) {
		for _, m := range regexp.MustCompile(`\{\{ ?(?:\$labels\.)?(\w+) ?\}\}`).FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
		return out
	}
	for _, panel := range readDashboard(t).Panels {
		for _, q := range panel.Targets {
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", "ptrd").Replace(q.Expr)
			check("panel "+panel.Title, expr, names(q.LegendFormat))
		}
	}
	var doc struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../deploy/alerts.yaml")), &doc); err != nil {
		t.Fatal(err)
	}
	for _, r := range doc.Groups[0].Rules {
		check("alert "+r.Alert, r.Expr, names(r.Annotations["summary"]))
	}
}
