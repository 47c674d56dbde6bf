package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/backup"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// The verbs of the control socket, and what their answers are.
const (
	VerbReload  = "reload"  // accept_shrink (a name each): waits for a reload; JSON of an Outcome
	VerbStatus  = "status"  // see [StatusQuery.Args]; JSON of a Status
	VerbExplain = "explain" // name, type, client, at (RFC 3339; empty: now): JSON of an explain.Explanation
	VerbDump    = "dump"    // see [DumpQuery.Args]: a master file

	// The history: what is a zone, an address, a prefix or a name in a zone.
	VerbLog      = "log"      // what, limit, since (RFC 3339): JSON of a history.Log
	VerbFollow   = "follow"   // what: an empty line, then JSON of a history.Line a line
	VerbDiff     = "diff"     // what, from, to (empty: what is served): JSON of a history.Diff
	VerbRollback = "rollback" // what, serial: JSON of an update.Rollback

	VerbRecover = "recover" // what: waits for a reload; JSON of an Outcome

	VerbBackup = "backup" // a tar archive of the state

	VerbImport = "import" // page (of a list of record sets): makes a hosted zone; JSON of an Imported

	VerbAudit  = "audit"  // what (empty: all zones), resolver, rate: JSON of an audit.Report
	VerbFCRDNS = "fcrdns" // what the background knows: JSON of an audit.Status

	VerbHealth = "health" // JSON of a Readiness

	VerbNotify = "notify" // what (empty: all zones), wait: waits for secondaries; JSON of Notified

	VerbQueryLog    = "querylog"     // client, about, for: an empty line, then JSON of a worker.Query a line
	VerbQueryLogOff = "querylog-off" // ends all of them; JSON of a list of QueryLog

	VerbPreview = "preview" // config (path of a configuration): JSON of a list of PlannedZone

	VerbRefresh = "refresh" // what, whole (true: by AXFR, whatever the serial): waits for a check; JSON of Refreshed
)

// errLoading is the answer before the zones are loaded.
var errLoading = errors.New("zones are still being loaded; `ptrd status` shows the progress")

// errStopping is the answer to a request for a change while the server stops.
var errStopping = errors.New("the server is stopping")

func (d *Daemon) verbs() map[string]control.Verb {
	return map[string]control.Verb{
		VerbReload: func(ctx context.Context, args url.Values, w io.Writer) error {
			o, err := d.Reload(ctx, args["accept_shrink"]...)
			if err != nil {
				return err
			}
			return json.NewEncoder(w).Encode(o)
		},
		VerbStatus: func(ctx context.Context, args url.Values, w io.Writer) error {
			q, err := parseStatusQuery(args)
			if err != nil {
				return err
			}
			s, err := d.status(ctx, q)
			if err != nil {
				return err
			}
			return json.NewEncoder(w).Encode(s)
		},
		VerbExplain: func(_ context.Context, args url.Values, w io.Writer) error {
			q, err := parseQuestion(args)
			if err != nil {
				return err
			}
			v := d.views.Load()
			if v == nil || d.state.Load() == nil {
				return errLoading
			}
			e, err := d.explain(v, q)
			if err != nil {
				return err
			}
			return json.NewEncoder(w).Encode(e)
		},
		VerbDump: func(_ context.Context, args url.Values, w io.Writer) error {
			q, err := parseDump(args)
			if err != nil {
				return err
			}
			return d.dump(q, w)
		},
		VerbLog:      d.answer(d.readLog),
		VerbDiff:     d.answer(d.diff),
		VerbRollback: d.answer(d.rollback),
		VerbImport:   d.answer(d.importZone),
		VerbBackup: func(_ context.Context, _ url.Values, w io.Writer) error {
			if d.state.Load() == nil {
				return errLoading
			}
			return backup.Stream(d.journal, d.first.StateDir, w)
		},
		VerbFollow:      d.followLog,
		VerbQueryLog:    d.showQueries,
		VerbQueryLogOff: d.endQueryLogs,
		VerbRecover:     d.answerIn(d.recover),
		VerbFCRDNS:      d.answer(func(url.Values) (any, error) { return d.auditor.Status(), nil }),
		VerbAudit:       d.answerIn(d.audit),
		VerbHealth: func(_ context.Context, _ url.Values, w io.Writer) error {
			ready, why := d.isReady()
			return json.NewEncoder(w).Encode(Readiness{ready, why})
		},
		VerbNotify:  d.answerIn(d.notifyNow),
		VerbPreview: d.answerIn(d.preview),
		VerbRefresh: d.answerIn(d.refresh),
	}
}

// answer returns the verb that answers with the JSON of what f returns, once there
// are zones.
func (d *Daemon) answer(f func(url.Values) (any, error)) control.Verb {
	return d.answerIn(func(_ context.Context, args url.Values) (any, error) { return f(args) })
}

// answerIn is answer for an f that waits, until its context ends.
func (d *Daemon) answerIn(f func(context.Context, url.Values) (any, error)) control.Verb {
	return func(ctx context.Context, args url.Values, w io.Writer) error {
		if d.views.Load() == nil || d.state.Load() == nil {
			return errLoading
		}
		v, err := f(ctx, args)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(v)
	}
}

// untilStop returns a context that also ends when the server stops.
func (d *Daemon) untilStop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-ctx.Done():
		case <-d.ended:
			cancel()
		}
	}()
	return ctx, cancel
}

// stream answers with an empty line at once, and then with JSON of what run shows, a line each, until the
// client goes or the server stops.
func stream[T any](ctx context.Context, d *Daemon, w io.Writer, run func(ctx context.Context, show func(T) error) error) error {
	ctx, cancel := d.untilStop(ctx)
	defer cancel()
	send := func(b []byte) error {
		_, err := w.Write(append(b, '\n'))
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		return err
	}
	if err := send(nil); err != nil {
		return err
	}
	return run(ctx, func(v T) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return send(b)
	})
}

// Reload asks for a reload that begins now or later, and waits for its outcome. What
// acceptShrink names may remove more than max_shrink: zones and catalogs by name or
// prefix, `configuration`, or `all`.
func (d *Daemon) Reload(ctx context.Context, acceptShrink ...string) (*Outcome, error) {
	var c *confirmation
	var failed []finding.Finding
	if len(acceptShrink) > 0 {
		if d.state.Load() == nil {
			return nil, errLoading
		}
		var err error
		if c, err = d.confirm(acceptShrink); err != nil {
			return nil, err
		}
		failed = d.transferConfirmed(ctx, c)
	}
	r := reloadRequest{c, make(chan *Outcome, 1)} // the writer never waits for us
	select {
	case d.reloads <- r:
	case <-ctx.Done():
		return nil, errStopping
	case <-d.ended:
		return nil, errStopping
	}
	o := <-r.reply
	if len(failed) > 0 {
		with := *o
		with.Findings = slices.Concat(failed, o.Findings)
		for key, h := range d.heldTransfers() {
			if c.has(key) {
				with.Held = append(slices.Clone(with.Held), h)
			}
		}
		o = &with
	}
	return o, nil
}

func parseQuestion(args url.Values) (q explain.Question, err error) {
	if q.Name, err = dname.Parse(args.Get("name")); err != nil {
		return q, fmt.Errorf("name %q: %w", args.Get("name"), err)
	}
	var ok bool
	if q.Type, ok = rr.ParseType(args.Get("type")); !ok {
		return q, fmt.Errorf("type %q is not known", args.Get("type"))
	}
	if c := args.Get("client"); c != "" {
		if q.Client, err = netip.ParseAddr(c); err != nil {
			return q, fmt.Errorf("client %q is not an address", c)
		}
	}
	if at := args.Get("at"); at != "" {
		if q.At, err = time.Parse(time.RFC3339, at); err != nil {
			return q, fmt.Errorf("at %q is not a time", at)
		}
	}
	return q, nil
}
