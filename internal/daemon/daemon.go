package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/audit"
	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/ec2"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/lease"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/pace"
	"github.com/ptrd/ptrd/internal/privilege"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/internal/systemd"
	"github.com/ptrd/ptrd/internal/transfer"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/internal/watch"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/journal"
)

// journalName is the journal's name in the state directory.
const journalName = "journal.db"

// Options are what the process around gives to a Daemon.
type Options struct {
	Config  string              // path of the configuration file
	Version string              // of the program
	Log     io.Writer           // where the log goes
	Hangup  <-chan os.Signal    // each asks for a reload; nil: none
	Files   *infile.Files       // that files are read through; nil: of its own
	Env     systemd.Environment // nil: os.Getenv
}

// Daemon is the running server. Its fields are in groups by the goroutines that may use them.
type Daemon struct {
	o       Options
	started time.Time
	first   *config.Config // that the process started with
	secret  []byte         // for cookies
	damage  []Damage       // of the state directory; it does not change
	sockets *systemd.Sockets
	logs
	components
	current
	signals
	writing
}

// logs are the logs, for all goroutines.
type logs struct {
	events  *eventlog.Handler
	log     *slog.Logger // merges repeats
	each    *slog.Logger // merges nothing: for outcomes that are asked for, and what is bounded already
	level   *slog.LevelVar
	fileLog atomic.Pointer[slog.Logger] // nil until there is a log
}

// components are the parts that serve. Each has goroutines of its own, may be used by all, and
// does not change once it is set. There are more than 20: one for each part, in the order in
// which a query and then a change meets them.
type components struct {
	server    *server.Server
	transfers *transfer.Handler
	notifier  *notify.Notifier
	updater   *update.Updater
	follower  *secondary.Follower
	catalogs  *catalog.Follower
	zones     *commit.Writer
	journal   *journal.Journal
	keeper    *history.Keeper
	admin     *admin.Server
	front     front // of admin
	hosted    *hosted.Store
	api       front // of route53
	elastic   *ec2.Store
	auditor   *audit.Auditor
	deriver   *derive.Deriver
	leases    *lease.Sources
	missed    sync.Map // *lease.Source whose changes could not be made
	ec2API    front
	control   *control.Server
	manager   *systemd.Notifier
	watcher   *watch.Watcher
	files     *infile.Files
	clock     *clock.Clock
	pacer     *pace.Pacer
	contain   *supervise.Supervisor
	absences  absences
	guard     guard
	vitals    *vitals // nil until it serves
	stuck     atomic.Pointer[[]string]
}

// current is what queries, status and metrics see.
type current struct {
	views    answer.Views
	registry atomic.Pointer[registry.Zones] // that belongs to the view
	state    atomic.Pointer[state]
	progress assemble.Progress
	load     atomic.Pointer[load] // under way; nil: none

	queryLogs queryLogs

	apiListen atomic.Pointer[config.Listen] // set before an API gets another listener
	apiPolicy atomic.Pointer[awsapi.Policy]
	apiCounts awsapi.Counts
}

// signals wake the goroutine of Run.
type signals struct {
	beats    chan struct{}      // received by the writer, so that the watchdog sees it live
	came     chan int64         // octets of zones that were transferred; has room for some
	reloads  chan reloadRequest // from the control socket
	written  chan struct{}      // the journal can be written again; has room for one
	lost     chan struct{}      // what the journal holds is lost; has room for one
	answered chan struct{}      // a file that hung can be read again; has room for one
	ended    chan struct{}      // closed when no more reloads are received
}

// writing belongs to the goroutine of Run, which is the only one that reloads.
type writing struct {
	loader          config.Loader
	assembler       *assemble.Assembler
	producer        catalog.Producer
	findings        findingLog
	catalogFindings findingLog
	serving         atomic.Bool // queries are answered: long work gives way to them
	earlier         earlier
	watched         []string // sources of the last plan
	made            int64    // octets of zones made since the last release
	freed           freed
}

// reloadRequest asks for a reload.
type reloadRequest struct {
	confirmed *confirmation
	reply     chan *Outcome // has room for one
}

// state is what status and metrics show. It is immutable.
type state struct {
	cfg     *config.Config
	outcome *Outcome // of the last reload, without the list of changed zones
	summary string   // of the outcome
	good    time.Time

	findings []finding.Finding // about what is served: those of the last reload that was not refused
}

func newState(cfg *config.Config, o *Outcome, good time.Time) *state {
	kept := *o
	kept.Changed = nil // at the start there are as many as zones
	return &state{cfg: cfg, outcome: &kept, summary: o.Summary(), good: good, findings: o.Findings}
}

// Run serves until ctx ends, and returns after every goroutine that it started
// has ended. ready, if not nil, is called once when queries are answered.
func Run(ctx context.Context, o Options, ready func(*Daemon)) error {
	if o.Env == nil {
		o.Env = os.Getenv
	}
	d := &Daemon{o: o, started: time.Now(), signals: signals{
		beats: make(chan struct{}), came: make(chan int64, 16), reloads: make(chan reloadRequest),
		written: make(chan struct{}, 1), lost: make(chan struct{}, 1), answered: make(chan struct{}, 1), ended: make(chan struct{}),
	}}
	if d.files = o.Files; d.files == nil {
		d.files = new(infile.Files)
	}
	d.absences = absences{changed: make(chan struct{}, 1), pause: firstRetry, timer: time.NewTimer(lastRetry)}
	d.files.Hung, d.files.Answered = d.fileHung, d.fileAnswered
	d.loader.Path, d.loader.Open = o.Config, d.files
	cfg, err := d.loader.Load(ctx)
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if err != nil {
		return err
	}
	d.first = cfg
	d.events, d.level = newLogger(o.Log, &cfg.Log)
	defer d.events.Close()
	d.log = slog.New(d.events)
	d.each = eventlog.Every(d.log)
	d.contain = supervise.New(d.log)
	d.fileLog.Store(d.log)
	d.findings.log, d.catalogFindings.log = d.each, d.each
	if d.manager, err = systemd.NewNotifier(o.Env); err != nil {
		return err
	}
	defer d.manager.Close()
	if err := d.bind(cfg); err != nil {
		return err
	}
	return d.run(ctx, cfg, ready)
}

// bind takes or makes the sockets, and gives up root.
func (d *Daemon) bind(cfg *config.Config) error {
	var err error
	if d.sockets, err = systemd.Activated(d.o.Env); err != nil {
		return err
	}
	listen := d.addresses(cfg)
	if len(listen.All()) == 0 {
		return fmt.Errorf("%s: listen.dns: there is no address to listen on, and no socket was handed over; give one", cfg.File)
	}
	d.clock = clock.New(clock.Options{Log: d.log})
	if d.server, err = server.New(server.Options{
		Views:     &d.views,
		Update:    late(func() deferred.Handler { return d.updater }),
		Notify:    late(func() deferred.Handler { return d.follower }),
		Limits:    d.limits(cfg),
		Listen:    listen,
		TLS:       tlsIdentity(cfg),
		Freebind:  cfg.Listen.Freebind,
		Inherited: d.sockets.Files,
		Transfer:  late(func() deferred.Handler { return d.transfers }),
		Logger:    d.log,
		QueryLog:  d.each,
	}); err != nil {
		return err
	}
	if err := d.bindFronts(cfg); err != nil {
		return err
	}
	return d.becomeUser(cfg)
}

// becomeUser gives up root where the config names a user, and makes the state
// directory that this user needs.
func (d *Daemon) becomeUser(cfg *config.Config) error {
	var owner *privilege.Account
	if cfg.User != "" && privilege.IsRoot() {
		a, err := privilege.Lookup(cfg.User)
		if err != nil {
			return fmt.Errorf("%s: user: %w", cfg.File, err)
		}
		owner = &a
	}
	if err := privilege.MakeDir(cfg.StateDir, owner); err != nil {
		return stateDirError(cfg, "cannot be made", err)
	}
	if owner == nil {
		return nil
	}
	kept, err := privilege.Drop(*owner)
	if err != nil {
		return fmt.Errorf("%s: user: %w", cfg.File, err)
	}
	if !kept {
		d.log.Warn("ports below 1024 cannot be bound after the change to another user, so a reload cannot add such a listener; build ptrd with CGO_ENABLED=0 on Linux")
	}
	d.each.Info("changed to the user of the configuration", "user", owner.Name, "uid", owner.UID)
	return nil
}

// checkReadable reads again, as the user that the process became, what root read before:
// otherwise the first reload would find out.
func (d *Daemon) checkReadable(ctx context.Context, cfg *config.Config) error {
	if cfg.User == "" || privilege.IsRoot() {
		return nil
	}
	loader := config.Loader{Path: d.o.Config, Open: d.files}
	_, err := loader.Load(ctx)
	if err == nil {
		var unreadable config.Errors
		if err = d.files.Run(ctx, func(t *infile.Task) { unreadable = cfg.Unreadable(t) }); err == nil && len(unreadable) > 0 {
			err = unreadable
		}
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: user: %q cannot read what a reload reads: %v; give this user the right, as with `chgrp GROUP FILE` and `chmod g+r FILE`", cfg.File, cfg.User, err) //nolint:errorlint // the errors of the configuration are not those of the command
	}
	return nil
}

// probe finds out whether the state directory can be written to, so that one
// message says so, whatever would be the first to fail.
func probe(cfg *config.Config) error {
	f, err := os.CreateTemp(cfg.StateDir, "probe-*")
	if err != nil {
		return stateDirError(cfg, "cannot be written to", err)
	}
	f.Close()
	return os.Remove(f.Name())
}

func stateDirError(cfg *config.Config, what string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: state_dir: %s %s by user %d: %w; give this user the directory, or name another one", cfg.File, cfg.StateDir, what, os.Geteuid(), err)
}

// fileHung reports a file whose read was given up. The finding that comes of it
// does not say since when.
func (d *Daemon) fileHung(path string) {
	if log := d.fileLog.Load(); log != nil { // else the start fails, which says so
		log.Error("a file cannot be read, because its file system does not respond", "file", path)
	}
}

// fileAnswered has what was given up read again.
func (d *Daemon) fileAnswered(path string) {
	if log := d.fileLog.Load(); log != nil {
		log.Info("the file system of a file responds again", "file", path)
	}
	select {
	case d.answered <- struct{}{}:
	default:
	}
}

// pause returns what a goroutine that computes calls often; nil before there are
// queries to give way to.
func (d *Daemon) pause() func() {
	if !d.serving.Load() {
		return nil
	}
	return d.pacer.Pause()
}

// late is a handler that is made after the sockets are bound, and before they are served.
type late func() deferred.Handler

// Handle implements [deferred.Handler].
func (h late) Handle(ctx context.Context, r *deferred.Request) { h().Handle(ctx, r) }

// notifyManager sends states to the service manager, which may be gone.
func (d *Daemon) notifyManager(states ...string) {
	if err := d.manager.Send(states...); err != nil {
		d.log.Warn("the service manager cannot be notified", "err", err)
	}
}
