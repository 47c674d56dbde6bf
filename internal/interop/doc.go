// Package interop holds the tests that compare ptrd with the servers it should
// agree with (NSD, Knot DNS, BIND) and that put the resolvers and tools in front of it
// that its users have. It has no code of its own.
//
// A zone set is a file of testdata: prose, lines that say which zones it has, and the
// master files.
//
//	zone APEX FILE                                served from FILE
//	sign APEX FILE nsec|nsec3|optout [ecdsa|rsa] [ITERATIONS SALT]
//	                                              FILE is unsigned/FILE, signed
//	ask NAME                                      a QNAME beside those made from the owners
//
// Signed files are committed with signatures that last until the end of 2037, so that no test
// depends on the clock; `go test ./internal/interop -run TestSign -sign` makes them anew.
//
// TestAnswers starts the three servers on loopback with each set, asks all of them
// and ptrd for every name × type × DO × size, and compares. Where the three agree, ptrd
// must agree as well. Where they do not, the difference must be of a kind that the
// table in differences_test.go lists with the RFC that decides it, and ptrd must do
// what is written there. docs/differences.md is that table
// (`go test ./internal/interop -run TestDifferencesDoc -update` writes it). What the
// table says of the three was seen in the versions of Debian 12; others may differ elsewhere.
//
// TestUpdate sends the same UPDATE messages to ptrd and to BIND, and compares their
// answers and the zones afterwards. TestKea has Kea's DDNS server register leases.
//
// TestSecondaries lets the three servers get zones from ptrd, with the right key, with
// a wrong one and without.
//
// TestTolerance has ptrd take zones with one odd record each from a primary that checks
// nothing, and serve what most of the three serve (testdata/tolerance.txt).
//
// TestSecondary and those beside it have ptrd follow zones of the three, told by NOTIFY
// of each change. PTRD_TRANSFER_CHANGES and PTRD_TRANSFER_RECORDS make these and TestFleet
// longer and larger (200 and 1000000 for a release; -timeout 30m).
//
// TestFleet changes a zone at random, at ptrd by file or by UPDATE, or at one of the three
// that ptrd is a secondary of, and holds that all four have the same after each change.
//
// TestCrash kills a primary and a secondary, both ptrd, at random moments while zones
// change and are transferred, and looks at what is there after the start.
// TestPowerFailure drops or tears writes since the last sync with each kill, and
// TestIOErrors has the disk fail (`go test ./internal/interop -run
// 'TestCrash|TestPowerFailure|TestIOErrors' -faults 1000 -timeout 3h` for long).
//
// TestScaling runs the servers that docs/scaling.md describes, with the configurations
// that stand there, and TestFollowPeers has ptrd follow catalogs of BIND and Knot.
//
// TestHostileSecondary lets clients loose on ptrd that mean harm, while others are served.
//
// TestUnbound, TestDelv and TestTools put resolvers and tools in front of the real
// program, TestEmitResolver, TestEmitSecondary and TestEmitUpdater put those in front of it and beside it that
// `ptrd emit` writes the configuration for, and TestNamespace runs getent, Zonemaster and DNSViz in a network namespace
// with a root of its own. Nothing is ever sent beyond loopback.
package interop
