package daemon

import (
	"fmt"
	"time"

	"github.com/ptrd/ptrd/internal/systemd"
)

// progressEvery is the pause between two words about a load, and how long one takes
// before there is any: a person waits a second without asking.
const progressEvery = time.Second

// Loading is how far a load is.
type Loading struct {
	Zones   int64 `json:"zones"` // that are done, those that did not change included
	Of      int64 `json:"of"`
	Records int64 `json:"records"` // read from sources
	Bytes   int64 `json:"bytes"`   // likewise
}

func (l Loading) String() string {
	return fmt.Sprintf("%d of %d zones, %d records, %d octets", l.Zones, l.Of, l.Records, l.Bytes)
}

// load is a load under way: what was read before it.
type load struct{ records, bytes int64 }

// loadingNow returns how far the load under way is; nil if there is none.
func (d *Daemon) loadingNow() *Loading {
	begin := d.load.Load()
	if begin == nil {
		return nil
	}
	var l Loading
	l.Zones, l.Of = d.progress.Zones()
	l.Records, l.Bytes = d.progress.Read()
	l.Records -= begin.records
	l.Bytes -= begin.bytes
	return &l
}

// tellProgress tells the log and the service manager once in a while how far the
// load is that begins now, until the function that it returns is called.
func (d *Daemon) tellProgress(every <-chan time.Time) (end func()) {
	var begin load
	begin.records, begin.bytes = d.progress.Read()
	d.load.Store(&begin)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-every:
				l := d.loadingNow()
				d.log.Info("loading", "zones", l.Zones, "of", l.Of, "records", l.Records, "bytes", l.Bytes)
				d.tell(systemd.Status("loading: " + l.String()))
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
		d.load.Store(nil)
	}
}
