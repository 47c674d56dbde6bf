package daemon

import (
	"context"
	"io"
	"log/slog"

	"github.com/ptrd/ptrd/internal/config"
)

// newLogger returns the logger that the config asks for, and its level, which
// follows the config.
func newLogger(w io.Writer, cfg *config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, cfg)
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

func setLevel(v *slog.LevelVar, cfg *config.Log) {
	level := slog.LevelInfo
	// The config has checked the word.
	_ = level.UnmarshalText([]byte(cfg.Level))
	v.Set(level)
}

// findingLog logs findings once, not at each reload again.
type findingLog struct {
	log  *slog.Logger
	last map[string]bool
}

// tell logs those findings that were not there the last time, and how many of
// the old ones are gone.
func (l *findingLog) tell(list []Finding) {
	now := make(map[string]bool, len(list))
	for _, f := range list {
		s := f.String()
		now[s] = true
		if l.last[s] {
			continue
		}
		level := slog.LevelWarn
		if f.isError() {
			level = slog.LevelError
		}
		l.log.Log(context.Background(), level, "finding", "text", s)
	}
	mended := 0
	for s := range l.last {
		if !now[s] {
			mended++
		}
	}
	if mended > 0 {
		l.log.Info("findings mended", "count", mended)
	}
	l.last = now
}
