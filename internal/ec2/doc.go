// Package ec2 serves the part of the EC2 API 2016-11-15 by which clients of AWS give an Elastic
// IP address its reverse name: AllocateAddress, DescribeAddresses, DescribeAddressesAttribute,
// ModifyAddressAttribute, ResetAddressAttribute and ReleaseAddress.
//
//	form → signature, policy (package awsapi) → operation → Store → package update → XML
//
//	server.go    Server and its operations: a table of names, parameters and handlers
//	form.go      parameters of a request
//	errors.go    codes, their HTTP status, and the form of errors
//	store.go     Store: the addresses that are allocated, and their reverse names
//	names.go     where the PTR of an address belongs in the zones of a snapshot
//
// An allocation is a note of the journal, under a name that cannot be queried. A reverse name is
// in that note, and a PTR in the zone that has the address; package update writes both in one
// transaction, so that no crash leaves one of them alone. Whether the PTR is still what the note
// says is decided by looking at the zone: rollbacks, updates, the Route 53 API and the sources of
// the zone may all change it.
package ec2
