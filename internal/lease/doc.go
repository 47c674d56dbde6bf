// Package lease reads the files in which neighbours of the server list addresses with their
// names: leases of Kea, of ISC dhcpd and of dnsmasq, hosts(5) files, and CSV files. They are
// sources of derived PTR records.
//
// What flows in: the files, read when they change. What flows out: for each file a [Source],
// which has the names of each address at the present moment, and notices of the addresses whose
// names changed ([Options].Changed), by a change of the file or because leases ended.
//
// # When a change counts
//
// Kea and dhcpd append to their files, and each complete record counts at once; only what was
// appended is read. A record that is not complete yet waits for its end. Every other change, to a
// file that is replaced, truncated or written anew in place, counts when the files have not changed
// for [DefaultQuiet], because nothing in them shows that they are complete; the longer they change without such a
// pause, the shorter is one that is enough. Until then, and while a file
// is missing, cannot be read or has no valid line, the names stay as they are. A file that is empty
// counts after [DefaultEmpty].
//
// Kea's leases are in up to three files, which it renames while its lease file cleanup runs. A file
// that was read is known by its inode, under any name.
//
// # Ends of leases
//
// A lease is there from now to its end by the system clock. It vanishes without a change of the
// file, and is back if the clock is set back while the file still has it.
//
//	source.go    Source: what is known of a file, and what changed
//	look.go      which files there are, which of them is read, and from where on
//	content.go   addresses, names and ends
//	sources.go   Sources: all files; watching them, and the next end
//	saved.go     names for the next start
//	record.go    the records of a file, one after the other
//	kea.go, dhcpd.go, dnsmasq.go, hosts.go, csv.go   one format each
//	name.go      names as clients give them, and as host names
//
// To read another format: a file as kea.go, a row in the table of formats (record.go), and its key
// in internal/config/neighbour.go.
package lease
