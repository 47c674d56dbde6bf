package assemble

import (
	"hash/maphash"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ranges"
)

// inputs are checksums over everything that the configuration says about one item, including
// what is generated for the zones below it. data covers what the zones are built from, places
// the positions that findings point to.
type inputs struct {
	data, places uint64
}

// add adds values to a checksum.
func add[T comparable](h *maphash.Hash, values ...T) {
	for _, v := range values {
		maphash.WriteComparable(h, v)
	}
}

// addOctets adds strings of octets to a checksum, each with its length.
func addOctets[T ~[]byte](h *maphash.Hash, list ...T) {
	for _, b := range list {
		add(h, len(b))
		h.Write(b)
	}
}

// sumInputs returns the checksums of an item. generated are the generated records of its zones.
func sumInputs(seed maphash.Seed, item *config.Zone, generated [][]generatedRecord, cfg *config.Config, all *ranges.Ranges) inputs {
	var data, places maphash.Hash
	data.SetSeed(seed)
	places.SetSeed(seed)
	add(&places, item.Path)
	add(&places, item.Pos)
	add(&data, item.Prefix)
	add(&data, item.Derive.Key())
	add(&data, item.Checks)
	add(&data, int64(cfg.Limits.GenerateSteps), cfg.Limits.ZoneMemory, int64(cfg.Limits.Materialize))
	addOctets(&data, item.Origin, item.HostsDomain, item.Contact, item.SOA.MName)
	add(&data, item.TTL, item.NSTTL, item.SOA.Refresh, item.SOA.Retry, item.SOA.Expire, item.SOA.Minimum)
	add(&data, item.Dynamic, takesUpdates(cfg, item), item.Explicit.NameServers, item.Explicit.Contact, item.Explicit.SOA, item.Explicit.TTL)
	add(&data, len(item.Files), len(item.Hosts), len(item.PTR), len(item.Records), len(item.NameServers))
	for _, f := range sourceFiles(item) {
		add(&data, f.Path)
		add(&places, f.Pos)
	}
	for i := range item.PTR {
		r := &item.PTR[i]
		add(&data, r.Addr)
		add(&data, r.TTL)
		add(&data, len(r.Targets))
		addOctets(&data, r.Targets...)
		add(&places, r.Pos)
	}
	for i := range item.Records {
		r := &item.Records[i]
		addOctets(&data, r.Owner)
		add(&data, r.Type, r.Data)
		add(&data, r.TTL)
		add(&places, r.Pos)
	}
	for _, ns := range item.NameServers {
		addOctets(&data, ns.Name)
		add(&places, ns.Pos)
	}
	add(&data, item.SynthTransfer)
	for _, apex := range item.Apexes {
		for _, one := range all.Of(apex) {
			addOctets(&data, one.Append(nil))
			add(&places, one.Pos)
		}
		lacks, _ := all.Lacks(apex, &cfg.Limits)
		add(&data, lacks)
	}
	for i, list := range generated {
		addOctets(&data, item.Apexes[i])
		add(&data, len(list))
		for j := range list {
			r := &list[j]
			add(&data, uint32(r.rule), uint32(r.Type), r.TTL)
			addOctets(&data, r.Owner, r.Data)
			add(&places, r.Tag)
		}
	}
	return inputs{data.Sum64(), places.Sum64()}
}
