// Package interop has tests that compare ptrd with other servers (NSD, Knot DNS, BIND) and test
// it together with resolvers and tools. It has no other code.
//
// A zone set is a file of testdata: a description, lines that list its zones, and the master
// files.
//
//	zone APEX FILE                                served from FILE
//	sign APEX FILE nsec|nsec3|optout [ecdsa|rsa] [ITERATIONS SALT]
//	                                              FILE is unsigned/FILE, signed
//	ask NAME                                      a QNAME in addition to those from owner names
//
// Signed files are committed with signatures that are valid until the end of 2037, so that no
// test depends on the clock; `go test ./internal/interop -run TestSign -sign` generates them.
//
// TestAnswers starts the three servers on loopback with each set, queries them and ptrd for
// every name × type × DO × size, and compares the responses. If the three agree, ptrd must
// agree. Otherwise the difference must be in the table of differences_test.go, with the RFC that
// decides it, and ptrd must answer as described there. docs/differences.md is that table (`go
// test ./internal/interop -run TestDifferencesDoc -update` writes it). The table was made with
// the versions of Debian 12.
//
// testdata/rdata has records of every type, valid and not, each with the RFC that decides it.
// TestRDataLines compares ptrd's parser with it, TestRDataCheckers the zone checkers of the
// three servers: where those agree, the RFC must plainly say otherwise (rdata_decided.list).
//
// TestRandomRData makes random RDATA of every type and compares the octets that ptrd, BIND and
// Knot read and the text that they print (PTRD_RDATA_RECORDS=10000 for a release).
// TestTransferOfAllTypes transfers a record of each type from ptrd to the servers and back.
// TestUpdateOfAllTypes adds each type by UPDATE, whole and cut short; TestCaseOfRData changes only
// the case of names in RDATA; TestStateWithRefusedRecords opens a state directory of an earlier
// version with records that are refused today.
//
// TestUpdate sends the same UPDATE messages to ptrd and to BIND, and compares the responses and
// the zones. TestKea makes the DDNS server of Kea register leases.
//
// TestSecondaries transfers zones from ptrd to the three servers, with the right key, with a
// wrong one and without a key. TestCutTransfer cuts a transfer to Knot.
//
// TestTolerance transfers zones with one unusual record each to ptrd, which must serve what most
// of the three servers serve (testdata/tolerance.txt).
//
// TestSecondary and the tests in its file make ptrd a secondary of the three servers, with
// NOTIFY for each change. PTRD_TRANSFER_CHANGES and PTRD_TRANSFER_RECORDS make these and
// TestFleet longer and larger (200 and 1000000 for a release; -timeout 30m).
//
// TestFleet changes a zone at random, on ptrd by file or by UPDATE, or on one of the three servers
// of which ptrd is a secondary, and checks that all four have the same zone after each change.
//
// TestCrash kills a primary and a secondary, both ptrd, at random times while zones change and
// are transferred, and checks their data after the restart. TestPowerFailure also drops or tears
// writes since the last sync, and TestIOErrors makes the disk fail (`go test ./internal/interop
// -run 'TestCrash|TestPowerFailure|TestIOErrors' -faults 1000 -timeout 3h` for a long run).
// TestHostedCrash, TestHostedPowerFailure and TestHostedIOErrors do so, with a fifth of the faults,
// to hosted zones while batches of the Route 53 API, reloads and rollbacks go on; TestHostedHostile
// sends that API the most expensive requests while DNS is queried.
//
// TestScaling runs the servers of docs/scaling.md with the configurations there, and
// TestFollowPeers makes ptrd follow catalogs of BIND and Knot DNS.
//
// TestHostileSecondary runs hostile clients against ptrd while others are served.
//
// TestRoute53Clients runs unmodified clients of Route 53 (testdata/route53) against `ptrd lab`: each
// makes the zones of zones.txt, waits for the change, and pages through them; dig resolves what it
// lists; then it deletes that. The client with the SDK for Go is a module of its own;
// PTRD_NODE_MODULES names the directory with the SDK for JavaScript. TestRoute53Mail runs the script
// of docs/route53-mail.sh. TestRoute53ACME gets certificates from pebble, a test CA, with lego and
// certbot.
//
// TestSynth asks ptrd about random ranges of `synth`, and compares the responses with a model that was
// written from docs/synthesis.md and the RFCs (-zones 100 -queries 10000 -timeout 2h for a release).
// TestSynthSecondary does so to a primary and a secondary over changes of ranges, records and keys
// (-zones 60 -rounds 12 -queries 1000). TestSynthFleet adds NSD, Knot DNS and BIND as secondaries, and
// the ways to transfer ranges (-zones 16 -rounds 8 -queries 1000). TestSynthLayers adds and removes
// static, derived, dynamic and made names of the same addresses (-rounds 100).
//
// TestSPF compares results of package spf with spfquery; both ask ptrd.
//
// TestSynthPeers asks Knot DNS, PowerDNS, CoreDNS and dnsmasq, each configured to make the names of
// the same ranges (testdata/synthpeers), and holds the table of docs/synthesis-compared.md against
// it. TestSynthGenerate compares templates with $GENERATE of BIND, TestSynthKea
// with what Kea generates.
//
// TestSynthResolvers resolves addresses and names of random ranges with unbound, BIND and PowerDNS
// Recursor, which minimise the names that they ask for (-resolves 100 for a long run).
//
// TestUnbound, TestDelv and TestTools run resolvers and tools with the ptrd binary.
// TestEmitResolver, TestEmitSecondary and TestEmitUpdater run the programs that `ptrd emit` has
// configurations for. TestNamespace runs getent, Zonemaster and DNSViz in a network namespace with
// its own root zone. Nothing is ever sent beyond loopback.
package interop
