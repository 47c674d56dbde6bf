package daemon

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Condition is something about the server as a whole that is not as it should be. Status shows all of
// them; an Error makes `ptrd status` exit with 1, and Unready the server not ready.
type Condition struct {
	Name     string           `json:"name"` // does not change
	Severity finding.Severity `json:"severity"`
	Unready  bool             `json:"unready,omitempty"`
	Text     string           `json:"text"`
}

// conditions returns what is not as it should be, as docs/daily-work.md lists it.
func (d *Daemon) conditions(ctx context.Context) (list []Condition) {
	add := func(name string, s finding.Severity, unready bool, format string, args ...any) {
		list = append(list, Condition{name, s, unready, fmt.Sprintf(format, args...)})
	}
	d.addVital(add)
	st := d.state.Load()
	if st == nil {
		return list
	}
	if !st.outcome.InForce {
		add("reload", finding.Error, false, "the reload at %s failed, and the configuration before it is active; `ptrd check` shows what is wrong", history.Moment(st.outcome.At))
	}
	if held := d.heldNow(); len(held) > 0 {
		add("held", finding.Error, false, "%s held back, so older data is served: %v", spelling.Number(len(held), "change"), held[0])
	}
	for _, c := range d.catalogs.Status() {
		if c.Error != "" {
			add("catalog", finding.Error, false, "catalog %s: %s", c.Zone, c.Error)
		}
	}
	for _, c := range certificates(&st.cfg.Listen) {
		c.addTo(add, time.Now())
	}
	d.addSpace(ctx, add)
	d.addLeases(add)
	if n := len(d.damage); n > 0 {
		add("damage", finding.Warning, false, "%s of the state directory damaged or lost at the start; `ptrd recover ZONE` serves the rest of a zone", spelling.Number(n, "item"))
	}
	return list
}

// addCondition adds a Condition.
type addCondition func(name string, s finding.Severity, unready bool, format string, args ...any)

// addVital adds the conditions that may make the server unready, without waiting for a disk. An error
// that only some clients notice, such as one address of several that cannot be listened on, does not:
// without this server the others would get no answers either.
func (d *Daemon) addVital(add addCondition) {
	if d.state.Load() == nil {
		text := "zones are still being loaded"
		if l := d.loadingNow(); l != nil {
			text += ": " + l.String()
		}
		add("loading", finding.Warning, true, "%s", text)
	}
	if c := d.journal.Condition(); c != nil {
		add("journal", finding.Error, true, "no change can be written since %s: %v", history.Moment(c.Since), c.Err)
	}
	for _, part := range d.stuckParts() {
		add("stuck", finding.Error, part == partAnswers, "no progress of %s; the log says since when", part)
	}
	d.addListeners(add)
}

// addListeners adds addresses that cannot be listened on.
func (d *Daemon) addListeners(add addCondition) {
	absent := d.absentAddresses()
	if len(absent) == 0 {
		return
	}
	more := ""
	if n := len(absent) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	a := absent[0]
	add("listen", finding.Error, !d.listens(), "cannot listen on %s for %s yet, and tries again: %s%s", a.Address, a.Transport, a.Error, more)
}

// lowSpace is the free space below which the state directory is reported: the journal and the content
// of zones grow by a few megabytes at a time, so that there is time to make room.
const lowSpace = 64 << 20

// addSpace adds the state directory, if it is nearly full.
func (d *Daemon) addSpace(ctx context.Context, add addCondition) {
	if free, known := d.freeSpace(ctx); known && free < lowSpace {
		add("space", finding.Warning, false, "the file system of state_dir %s has %d KiB left; when it is full, no change can be written: make room", d.first.StateDir, free>>10)
	}
}

// certificate is one that clients of a listener verify.
type certificate struct {
	Path  string // key path of the listener
	File  string
	From  time.Time
	Until time.Time
}

// certificates returns the certificates of a configuration.
func certificates(l *config.Listen) (list []certificate) {
	add := func(t *config.ListenTLS) {
		if t == nil || t.Certificate == nil || t.Certificate.Leaf == nil {
			return
		}
		list = append(list, certificate{t.Path, t.Cert.Path, t.Certificate.Leaf.NotBefore, t.Certificate.Leaf.NotAfter})
	}
	add(l.TLS)
	for _, api := range []*config.ListenAPI{l.Route53, l.EC2} {
		if api != nil {
			add(api.TLS)
		}
	}
	return list
}

// renewTime is how long before its end a certificate is reported, if its lifetime is not much shorter:
// what renews certificates does so after two thirds of it.
const renewTime = 14 * 24 * time.Hour

// addTo adds the certificate, if it has expired or should have been renewed.
func (c *certificate) addTo(add addCondition, now time.Time) {
	until := history.Moment(c.Until)
	switch left := c.Until.Sub(now); {
	case left <= 0:
		add("certificate", finding.Error, false, "%s: the certificate %s expired at %s; clients that verify it do not connect: renew it", c.Path, c.File, until)
	case left < min(renewTime, c.Until.Sub(c.From)/4):
		add("certificate", finding.Warning, false, "%s: the certificate %s expires at %s; renew it", c.Path, c.File, until)
	}
}

// Readiness is whether the server is ready, as /readyz has it.
type Readiness struct {
	Ready bool   `json:"ready"`
	Why   string `json:"why,omitempty"` // it is not
}

// IsWrong reports whether the server is not ready.
func (r *Readiness) IsWrong() bool { return !r.Ready }

// Print writes it for a person.
func (r *Readiness) Print(out io.Writer) error {
	text := "ready"
	if !r.Ready {
		text = "not ready: " + r.Why
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// isReady reports whether no condition makes the server unready; why not otherwise.
func (d *Daemon) isReady() (ready bool, why string) {
	d.addVital(func(_ string, _ finding.Severity, unready bool, format string, args ...any) {
		if unready && why == "" {
			why = fmt.Sprintf(format, args...)
		}
	})
	return why == "", why
}
