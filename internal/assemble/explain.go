package assemble

import (
	"context"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ranges"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Origin is where a record comes from.
type Origin struct {
	Record zone.Record
	Layer  Layer
	Rule   Rule             // of a generated record; else RuleNone
	Pos    finding.Position // the line of the file, or the place in the configuration
	Apex   dname.Name       // of the zone that it is in
}

// Explain reads the sources of the zone that owner lies in again and returns the origins of the
// records at exactly that owner name, in the order in which they are merged; none if no zone of the
// configuration has it. A generated serial is 0: it does not come from a source. set, which may be
// nil, has the zones as they are served; the NS of a delegation to one of them come from there. The
// sources may have changed since they were loaded, and errors in them are ignored here; Assemble
// reports them. The error is that of ctx.
func Explain(ctx context.Context, cfg *config.Config, set *zone.Set, owner dname.Name) (out []Origin, err error) {
	r := &round{a: New(Options{}), cfg: cfg, index: newIndex(cfg), done: map[string]*zone.Zone{}, ranges: ranges.New(cfg), memory: zoneMemory(cfg)}
	if set != nil {
		for z := range set.All() {
			r.done[z.Apex().Key()] = z
		}
	}
	at, ok := r.index.find(owner)
	if !ok {
		return nil, nil
	}
	for {
		out = append(out, r.origins(at, owner)...)
		// At an apex there are also the records of the zone cut in the parent zone.
		if !at.apex.Equal(owner) {
			return out, context.Cause(ctx)
		}
		if at, ok = r.index.above(at.apex); !ok || ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
	}
}

// origins returns the origins of the records at owner in one zone.
func (r *round) origins(at ref, owner dname.Name) (out []Origin) {
	generated, _ := r.generate(at.item)
	table := r.a.o.Table
	m := newMerge(at.item, generated, table, r.cfg.Limits.GenerateSteps, &worker{progress: r.a.o.Progress, seed: r.a.seed})
	for _, part := range m.parts {
		isHere := part.apex.Equal(at.apex)
		part.emit = func(rec zone.Record, layer Layer, rule Rule) {
			if !isHere || !rec.Owner.Equal(owner) {
				return
			}
			pos, _ := table.Position(rec.Tag)
			rec.Owner, rec.Data = rec.Owner.Clone(), append([]byte(nil), rec.Data...)
			out = append(out, Origin{Record: rec, Layer: layer, Rule: rule, Pos: pos, Apex: part.apex})
		}
	}
	m.readLayers()
	if rec, pos, ok := r.ranges.At(at.apex, owner, r.cfg.SynthKeys()); ok && r.ranges.IsMaterialized(at.apex) &&
		!slices.ContainsFunc(out, func(o Origin) bool { return o.Record.Type == rec.Type }) {
		out = append(out, Origin{Record: rec, Layer: LayerGenerated, Rule: RuleSynth, Pos: pos, Apex: at.apex})
	}
	return out
}
