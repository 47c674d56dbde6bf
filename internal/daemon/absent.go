package daemon

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/internal/platform"
	"github.com/ptrd/ptrd/server"
)

// Addresses that the host does not have yet, as at boot before its network is up, do not
// keep the server from serving the others. They are tried again when the system reports a
// change of addresses or interfaces, and otherwise with a growing pause.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second // also how late a re-created interface is noticed without a report
)

// absences are the addresses that wait, for the goroutine of Run.
type absences struct {
	known   map[string]string // their errors as logged
	pause   time.Duration
	timer   *time.Timer
	changed chan struct{} // the system reports a change; has room for one
}

// AbsentAddress is an address that the server is to listen on and cannot yet.
type AbsentAddress struct {
	Address   string `json:"address"`
	Transport string `json:"transport"` // dns, tls, admin, route53, ec2
	Error     string `json:"error"`
}

// absent returns the addresses of clients that wait, as configured.
func (d *Daemon) absent() server.Addrs {
	a := make(server.Addrs)
	for _, w := range d.server.Absent() {
		a[w.Service] = append(a[w.Service], w.Addr)
	}
	return a
}

// absentAddresses returns what waits. May be called by any goroutine.
func (d *Daemon) absentAddresses() (list []AbsentAddress) {
	for _, a := range d.server.Absent() {
		list = append(list, AbsentAddress{a.Addr.String(), string(a.Service), a.Err.Error()})
	}
	for _, f := range d.fronts() {
		if addr, err := f.absent(); err != nil {
			list = append(list, AbsentAddress{addr.String(), f.name, err.Error()})
		}
	}
	return list
}

// recheck tries the addresses that wait, looks for interfaces that were created again,
// logs what differs from before and sets the time of the next try.
func (d *Daemon) recheck() {
	d.server.Recheck()
	for _, f := range d.fronts() {
		f.recheck()
	}
	d.logAbsent()
}

// logAbsent logs what differs in the list of waiting addresses, and sets the timer.
func (d *Daemon) logAbsent() {
	a := &d.absences
	now := map[string]string{}
	for _, w := range d.absentAddresses() {
		key := w.Transport + " " + w.Address
		now[key] = w.Error
		if a.known[key] != w.Error {
			d.log.Warn("an address cannot be listened on yet; it is tried again", "transport", w.Transport, "address", w.Address, "err", w.Error)
		}
	}
	for key := range a.known {
		if _, still := now[key]; !still {
			d.each.Info("an address that was waited for is served or no longer configured", "address", key)
		}
	}
	a.known = now
	switch {
	case len(now) > 0:
		a.timer.Reset(a.pause)
		a.pause = min(2*a.pause, lastRetry)
	case hasZone(d.server.Addrs().All()):
		a.timer.Reset(lastRetry)
	default:
		a.timer.Stop()
	}
}

// retrySoon resets the pause before the next retry.
func (a *absences) retrySoon() { a.pause = firstRetry }

func hasZone(list []netip.AddrPort) bool {
	for _, a := range list {
		if a.Addr().Zone() != "" {
			return true
		}
	}
	return false
}

// watchAddresses reports changes of the host's addresses and interfaces until ctx ends.
// Where the system does not report them, the timer is all there is.
func (d *Daemon) watchAddresses(ctx context.Context) error {
	err := platform.AddressChanges(ctx, d.absences.changed)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && ctx.Err() == nil {
		d.each.Info("changes of addresses are not reported by the system; what is not there yet is tried again every so often", "err", err)
	}
	<-ctx.Done()
	return nil
}

// listens reports whether the server can be asked anything, or stops.
func (d *Daemon) listens() bool {
	return len(d.server.Addrs().All()) > 0 || len(d.server.Absent()) == 0
}
