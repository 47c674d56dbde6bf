// Package netlab runs a small internet on one machine: root, arpa, a registry, a provider, a
// customer with ptrd, a resolver and a client, each in a network namespace of its own, with
// addresses that look global. Tests and `make lab` use it; it is not part of ptrd.
//
// A Scenario is data: hosts with their software and their names, zones with their records. The
// lab generates the rest: master files, delegations with glue, addresses and PTR records of
// the hosts, and the configurations (see Start). Base is the scenario that others begin with;
// Faults lists zones with one fault each.
//
// Nothing leaves the lab: its namespaces are connected to each other only. They have no names
// and vanish with the first process in them, which is the process 1 of a process namespace:
// when it ends, the kernel ends all others, so that nothing remains after a crash.
//
// To add a kind of server, write its configuration from the scenario and add it to the table of
// programs.
//
// The scenario of mail has customers with at most one fault, and mail servers which judge their mail:
// postfix, exim and OpenSMTPD, that conflict as Debian packages, so that .ci/unpack unpacks them
// (see package peertest). They need root, because they change to users of their own.
//
//	namespace_linux.go  namespaces of the first process; Main, which runs tests in them
//	host_linux.go       hosts: a thread with namespaces, its link, its processes
//	lab_linux.go        Start and Close
//	scenario.go         what a scenario consists of
//	base.go             the scenario that others begin with
//	zones.go            master files from a scenario
//	software.go         the programs: a new one needs an entry in the table there
//	faulty.go           a server with faults of behaviour
//	faults.go           zones with a fault each
//	mailserver.go       configurations of mail servers
//	mailfaults.go       customers with a fault of mail each, and what mail servers reply
//	rejected.go         a customer whose mail is rejected
//	smtp_linux.go       a client that sends their mail
//	cmd                 the command behind `make lab`
package netlab
