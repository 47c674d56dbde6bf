// Compare sends the same requests to two binaries of ptrd that have the same configuration,
// zones, keys and history, and compares what they send, octet by octet:
//
//	go run ./bench/compare -this ./ptrd -other ../before/ptrd
//
// Each server runs on loopback with a directory of its own. The run is a sequence of
// scenes: each one serves other zones (those of internal/interop/testdata, and random ones,
// some of them signed), taken over by a reload, next to zones that stay all the time and are
// changed by files, by UPDATE and from a third ptrd, the primary of secondary zones
// and of a catalog. In the middle both servers are restarted, and later both are killed and
// started. With -upgrade, both sides run the other binary until the restart, which then opens
// its state directory with this one.
//
// Requests are made from a seed: the same seed makes the same requests. What differs between
// two runs of the same binary is masked where it is parsed (mask.go): server cookies, times
// and MACs of TSIG, texts of extended errors, and generated serials, which are replaced by
// the order in which they were first seen.
//
// To compare another kind of request, add it to queries.go, odd.go or updates.go; for other
// zones or another configuration see config.go and scenes.go.
package main
