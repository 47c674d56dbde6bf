package worker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
)

func TestQueryLogReadsAnyMessage(t *testing.T) {
	for _, request := range [][]byte{nil, {1}, make([]byte, wire.HeaderLen), []byte("\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07examp"), bytes.Repeat([]byte{0xff}, 400)} {
		var log strings.Builder
		l := newQueryLog(slog.New(slog.NewTextHandler(&log, nil)))
		p := Sampler{Log: l, Every: 1, At: time.Unix(1, 0)}
		p.Take(&answer.Request{}, request, len(request))
		p.Send(nil, request, len(request), answer.Drop)
		s := <-l.Samples
		l.Write(&s)
		if !strings.Contains(log.String(), "verdict=dropped") {
			t.Errorf("%x: %s", request, log.String())
		}
	}
}
