package daemon

import (
	"fmt"
	"time"

	"github.com/ptrd/ptrd/internal/systemd"
)

// progressEvery is the interval between two reports about a load. The first one follows after such an
// interval: an operator waits a second without a report.
const progressEvery = time.Second

// Loading is the progress of a load.
type Loading struct {
	Zones   int64 `json:"zones"` // that are done, including those that did not change
	Of      int64 `json:"of"`
	Records int64 `json:"records"` // read from sources
	Bytes   int64 `json:"bytes"`   // read from sources
}

func (l Loading) String() string {
	return fmt.Sprintf("%d of %d zones, %d records, %d octets", l.Zones, l.Of, l.Records, l.Bytes)
}

// load is a running load: what was read before it.
type load struct{ records, bytes int64 }

// loadingNow returns the progress of the running load; nil if there is none.
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

// reportProgress reports the progress of the load that begins now to the log and the service manager, at
// each element of every, until end is called.
func (d *Daemon) reportProgress(every <-chan time.Time) (end func()) {
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
				d.log.Info("loading zones", "zones", l.Zones, "of", l.Of, "records", l.Records, "octets", l.Bytes)
				d.notifyManager(systemd.Status("loading: " + l.String()))
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
		d.load.Store(nil)
	}
}
