package daemon

import (
	"context"
	"io"
	"log/slog"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/eventlog"
)

// newLogger returns the handler of the log that the config asks for, and its level,
// which follows the config.
func newLogger(w io.Writer, cfg *config.Log) (*eventlog.Handler, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, cfg)
	// A span of time has its unit (27ms), in JSON too, where a number would not.
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}
	if cfg.Format == "json" {
		return eventlog.New(slog.NewJSONHandler(w, o)), level
	}
	return eventlog.New(slog.NewTextHandler(w, o)), level
}

func setLevel(v *slog.LevelVar, cfg *config.Log) {
	level := slog.LevelInfo
	// The config has checked the word.
	_ = level.UnmarshalText([]byte(cfg.Level))
	v.Set(level)
}

// maxLoggedFindings is how many new findings of one code a reload logs. A thousand
// zones may have the same fault; `ptrd check` lists all.
const maxLoggedFindings = 10

// findingLog logs findings once, not at each reload again.
type findingLog struct {
	log     *slog.Logger    // that merges nothing
	last    map[string]bool // of the last config in force, and its zones
	refusal map[string]bool // of the config that was refused since; nil: none
}

// tell logs those findings that were not there the last time, and how many of
// the old ones are gone.
func (l *findingLog) tell(list []Finding) {
	now := l.report(list)
	mended := 0
	for _, before := range []map[string]bool{l.last, l.refusal} {
		for s := range before {
			if !now[s] {
				mended++
			}
		}
	}
	if mended > 0 {
		l.log.Info("findings resolved", "count", mended)
	}
	l.last, l.refusal = now, nil
}

// refused is tell for a config that was refused. Nobody looked at the zones, so
// what was wrong with them still is.
func (l *findingLog) refused(list []Finding) {
	l.refusal = l.report(list)
}

// report logs what is new in the list and returns all of it.
func (l *findingLog) report(list []Finding) map[string]bool {
	now := make(map[string]bool, len(list))
	type kind struct {
		code  string
		level slog.Level
	}
	logged := map[kind]int{}
	var more []kind // in the order in which they came
	for _, f := range list {
		s := f.String()
		now[s] = true
		if l.last[s] || l.refusal[s] {
			continue
		}
		level := slog.LevelWarn
		if f.isError() {
			level = slog.LevelError
		}
		k := kind{f.Code, level}
		switch logged[k]++; {
		case logged[k] <= maxLoggedFindings:
			l.log.Log(context.Background(), level, "finding", "text", s)
		case logged[k] == maxLoggedFindings+1:
			more = append(more, k)
		}
	}
	for _, k := range more {
		l.log.Log(context.Background(), k.level, "further findings of one kind; `ptrd check` and `ptrd status` list them", "code", k.code, "count", logged[k]-maxLoggedFindings)
	}
	return now
}
