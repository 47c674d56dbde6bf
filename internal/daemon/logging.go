package daemon

import (
	"context"
	"io"
	"log/slog"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/zone/finding"
)

// newLogger returns the handler of the log that is configured, and its level, which setLevel changes.
func newLogger(w io.Writer, cfg *config.Log) (*eventlog.Handler, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, cfg)
	// Durations have a unit (27ms), also in JSON, where the default is a number.
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
	// Package config has checked the word.
	_ = level.UnmarshalText([]byte(cfg.Level))
	v.Set(level)
}

// maxLoggedFindings is how many new findings of one code a reload logs. A thousand zones may have the
// same problem; `ptrd check` lists all.
const maxLoggedFindings = 10

// findingLog logs each finding once, not at every reload.
type findingLog struct {
	log     *slog.Logger    // that does not merge events
	last    map[string]bool // of the active configuration and its zones
	refusal map[string]bool // of the configuration that was refused since; nil: none
}

// logActive logs the findings of the new active configuration that are new, and how many earlier ones are
// resolved.
func (l *findingLog) logActive(list []finding.Finding) {
	now := l.logNew(list)
	resolved := 0
	for _, before := range []map[string]bool{l.last, l.refusal} {
		for s := range before {
			if !now[s] {
				resolved++
			}
		}
	}
	if resolved > 0 {
		l.log.Info("findings resolved", "count", resolved)
	}
	l.last, l.refusal = now, nil
}

// logRefused logs the new findings of a configuration that was refused. Its zones were not checked, so
// that earlier findings about them are not resolved.
func (l *findingLog) logRefused(list []finding.Finding) {
	l.refusal = l.logNew(list)
}

// logNew logs the new findings in list and returns the texts of all.
func (l *findingLog) logNew(list []finding.Finding) map[string]bool {
	now := make(map[string]bool, len(list))
	type kind struct {
		code  string
		level slog.Level
	}
	logged := map[kind]int{}
	var more []kind // in the order of their first finding
	for _, f := range list {
		s := f.Report()
		now[s] = true
		if l.last[s] || l.refusal[s] {
			continue
		}
		level := slog.LevelWarn
		if f.Severity == finding.Error {
			level = slog.LevelError
		}
		k := kind{f.Rule, level}
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
