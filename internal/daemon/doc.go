// Package daemon is the server as a process: it puts the configuration, the
// sources, the journal, the zones, the sockets and the admin address together,
// and keeps them so while they change.
//
// # Starting
//
//	read the config → bind sockets → give up root → control socket → journal
//	→ load all zones → serve → tell the service manager
//
// A config that is wrong, or an address that another program has, ends it there. An
// address that no interface has yet is tried again until it is there (absent.go). A
// zone that cannot be loaded does not, nor does damage of the state directory: it answers SERVFAIL until it is mended.
//
// # Changing
//
// One goroutine, the one that called Run, reloads when a
// watched file changed, at SIGHUP, and for `ptrd reload`, one after the other. The first
// reads no file that is still being written (package watch says which), and its zones
// stay as they are; the others read whatever there is:
//
//	read the config → make a plan → bind what is new → journal and swap
//	→ let go of what is no longer wanted
//
// Others that change zones (`ptrd rollback`) do it by publishMade, with the policy that there is; who
// was slower makes its change anew.
//
// Zones and policy come into force in one swap. Whatever goes wrong before it
// leaves everything as it was, and nothing after it can go wrong.
//
// A catalog that we follow (follow.go) changes which zones are served without a reload:
// when one came, the same goroutine reads what all of them list, decides who owns which
// zone, and publishes the secondary zones that come and go together with their policy.
// A reload keeps what they listed, and then looks at them once more.
//
// # Giving way
//
// While queries are answered a reload computes in slices and lets them go first in
// between, see package pace; what it cannot slice (the journal's flush) it does with a
// processor more, and giving memory back, which would take ten milliseconds at once,
// it leaves to the runtime, in pieces. Before there is anything to answer it does
// neither.
//
// # Logging
//
// Parts log to a logger that merges repeats (package eventlog), so that none needs a
// limit of its own. What was asked for, and what is bounded already, is written each
// time: the outcomes of reloads, start and stop, new findings, sampled queries.
//
// # Faults
//
// A panic is contained (package supervise): it costs the item in work, as one reload, one
// update or one check of a secondary zone, or starts the part again; a part that keeps
// failing ends the server with a reason. The watchdog (vital.go) probes the parts, and no
// longer reports to the service manager that the server lives where one does nothing.
//
// # Goroutines
//
//	goroutine        owner   ends when
//	Run              caller  ctx ends, or a part cannot go on; after all others
//	server.Serve     Run     ctx ends
//	control socket   Run     ctx ends
//	admin address    Run     ctx ends, or the address moves
//	file watcher     Run     ctx ends
//	watchdog         Run     ctx ends
//	notify.Run       Run     ctx ends
//	clock.Run        Run     ctx ends
//	address changes  Run     ctx ends
//	history.Keeper   Run     ctx ends
//	progress         apply   the load ends
//	reader of files  caller  it has read; in a call that does not return it is
//	                         abandoned and counted, see [infile.Files.Run]
package daemon
