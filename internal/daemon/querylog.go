package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/zone/dname"
)

// MaxQueryLog bounds how long queries are shown, so that this is not forgotten.
const MaxQueryLog = 24 * time.Hour

// QueryLog is a `ptrd querylog` that runs.
type QueryLog struct {
	Client string    `json:"client,omitempty"` // prefix of the clients; empty: all
	About  string    `json:"about,omitempty"`  // address, prefix or name; empty: all
	Until  time.Time `json:"until"`

	end func()
}

// String returns which queries are shown, and until when.
func (l *QueryLog) String() string {
	of := "all clients"
	if l.Client != "" {
		of = "clients in " + l.Client
	}
	if l.About != "" {
		of += " about " + l.About
	}
	return fmt.Sprintf("%s, until %s", of, history.Moment(l.Until))
}

// queryLogs are those that run.
type queryLogs struct {
	mu   sync.Mutex
	list []*QueryLog
}

func (q *queryLogs) add(l *QueryLog) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, l)
}

func (q *queryLogs) remove(l *QueryLog) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = slices.DeleteFunc(q.list, func(o *QueryLog) bool { return o == l })
}

// all returns those that run; nil: none.
func (q *queryLogs) all() []*QueryLog {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.list)
}

// endQueryLogs ends all that run, and writes them.
func (d *Daemon) endQueryLogs(_ context.Context, _ url.Values, w io.Writer) error {
	list := append([]*QueryLog{}, d.queryLogs.all()...) // not nil
	for _, l := range list {
		l.end()
	}
	return json.NewEncoder(w).Encode(list)
}

// showQueries writes queries, one a line, until the client goes or the time is over. An empty line
// comes first, when it has begun.
func (d *Daemon) showQueries(ctx context.Context, args url.Values, w io.Writer) error {
	if d.views.Load() == nil || d.state.Load() == nil {
		return errLoading
	}
	watch, l, err := parseQueryLog(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, l.Until)
	if !d.server.Watch(watch) {
		cancel()
		return fmt.Errorf("%d commands show queries already; `ptrd querylog off` ends them", worker.MaxWatches)
	}
	l.end = sync.OnceFunc(func() {
		cancel()
		d.server.EndWatch(watch)
		d.queryLogs.remove(l)
		d.log.Info("queries are no longer shown", "which", l.String())
	})
	defer l.end()
	context.AfterFunc(ctx, l.end) // also while a client that reads no more keeps Run
	d.queryLogs.add(l)
	d.log.Info("queries are shown to a `ptrd querylog`", "which", l.String())
	return stream(ctx, d, w, watch.Run)
}

func parseQueryLog(args url.Values) (*worker.Watch, *QueryLog, error) {
	w, l := &worker.Watch{}, &QueryLog{}
	d, err := time.ParseDuration(args.Get("for"))
	if err != nil || d <= 0 || d > MaxQueryLog {
		return nil, nil, fmt.Errorf("%q is not a duration up to %v", args.Get("for"), MaxQueryLog)
	}
	l.Until = time.Now().Add(d).Truncate(time.Second)
	if s := args.Get("client"); s != "" {
		if w.Client, err = parsePrefix(s); err != nil {
			return nil, nil, err
		}
		l.Client = w.Client.String()
	}
	if l.About = args.Get("about"); l.About != "" {
		if w.About, err = namesOf(l.About); err != nil {
			return nil, nil, err
		}
	}
	return w, l, nil
}

// parsePrefix reads a prefix, or an address as a prefix.
func parsePrefix(s string) (netip.Prefix, error) {
	a, err := naming.ParseArgument(s)
	switch {
	case a.Address.IsValid():
		return netip.PrefixFrom(a.Address, a.Address.BitLen()), nil
	case err == nil && a.Name != nil:
		err = fmt.Errorf("%q is neither an address nor a prefix", s)
	}
	return a.Prefix, err
}

// namesOf returns which names are meant by an address or a prefix (its reverse names) or by a name
// (it and those below it).
func namesOf(what string) (func(dname.Name) bool, error) {
	if p, err := parsePrefix(what); err == nil {
		return new(registry.Zones).In(nil, p), nil
	}
	a, err := naming.ParseArgument(what)
	return func(qname dname.Name) bool { return qname.IsAtOrBelow(a.Name) }, err
}
