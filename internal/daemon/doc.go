// Package daemon is the server process. It wires the configuration, the sources of changes, the
// journal, the zones, the listeners and the admin address, and keeps them up to date.
//
// # Start
//
//	read the configuration → bind sockets → give up root → control socket → journal
//	→ load all zones → serve → notify the service manager
//
// daemon.go has this up to the control socket, run.go what follows, with the parts of the server in
// the order in which they are made and started, and reload.go how zones are loaded, then and later.
//
// An invalid configuration, or an address that another program uses, ends the process. An
// address that no interface has yet is retried (absent.go). A zone that cannot be loaded, or
// whose stored data is damaged, is answered with SERVFAIL.
//
// # Changes
//
// The goroutine of Run reloads when a watched file changed, on SIGHUP, and for `ptrd reload`, one
// after the other. A reload because of a changed file does not read files that are still being
// written (package watch); the others read all files:
//
//	read the configuration → assemble a plan → bind new sockets → commit
//	→ close what is no longer used
//
// Zones and policy become active in one step. An error before it changes nothing. Other changes
// (`ptrd rollback`, updates, transfers) go through package commit with the current policy.
//
// A catalog of another server (package catalog) changes the served zones without a reload: the
// same goroutine reads what changed in the list, determines the owner of each zone, and commits
// the added and removed zones together with their policy (changeZones, for all such sources).
//
// # Logging
//
// Parts log to a logger that merges repeated events (package eventlog). Results of commands and
// events that are rare are always written: reloads, start and stop, new findings, sampled queries.
//
// # Panics
//
// A panic is contained (server/supervise): it affects one reload, one update or one check of a
// secondary zone, or restarts a part; a part that keeps failing ends the server with a reason.
// The watchdog (vital.go) probes the parts, and stops notifying the service manager if one makes
// no progress.
//
// # Where to make a change
//
// The settings that the server needs from the configuration are compiled in policy.go, a
// command of the control socket is in verbs.go. What `ptrd status` shows of the server and the list of
// zones is in status.go, of one zone in zonestatus.go, in words in statusprint.go; what is wrong with
// the server as a whole, and makes it not ready, is in condition.go.
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
//	reader of files  caller  the file was read; if a call does not return, it is
//	                         abandoned and counted, see [infile.Files.Run]
package daemon
