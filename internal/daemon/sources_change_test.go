package daemon

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// This file changes the sources of zones, on the server and in its model.

// forwardName returns a name of a forward zone that may have addresses.
func (h *sourceHistory) forwardName(apex string) string {
	if h.rng.IntN(5) == 0 {
		z := h.someReverse()
		for p, r := range z.ranges {
			if a := h.someAddress(z); strings.HasSuffix(r.base, apex) && p.Contains(a) {
				return r.name(p, a)
			}
		}
	}
	return h.pick("a.", "b.", "c.", "www.a.", "x.sub.", "sub.", "y.z.", "_x.", "*.") + apex
}

// editAddresses changes the addresses of a name of a forward zone; it returns the RRset.
func (h *sourceHistory) editAddresses(z *sourceZone, r records, ttl uint32) (owner, typ string, set *recordSet) {
	a := h.someAddress(h.someReverse())
	owner, typ = h.forwardName(z.apex), typeOfAddress(a)
	set = newSet(ttl)
	if old := r[owner][typ]; old != nil {
		set.data = maps.Clone(old.data)
	}
	if set.data[a.String()] {
		delete(set.data, a.String())
	} else {
		set.data[a.String()] = true
	}
	return owner, typ, set
}

// changeFile changes what files have.
func (h *sourceHistory) changeFile() string {
	if h.rng.IntN(2) == 0 {
		z := h.zone(h.pick("file.example.", "file.example.", "sub.file.example."))
		if z.apex == "file.example." && h.rng.IntN(8) == 0 {
			owner := h.pick("sub.", "b.", "z.") + z.apex
			if z.records[owner] == nil {
				z.records.set(owner, "NS", newSet(60, "ns1.example.com."))
				return "a delegation of " + owner
			}
			delete(z.records, owner)
			return "no records at " + owner
		}
		owner, typ, set := h.editAddresses(z, z.records, z.ttl)
		if z.records[owner]["NS"] != nil {
			return "nothing"
		}
		z.records.set(owner, typ, set)
		return fmt.Sprintf("%s %s: %v in the file", owner, typ, set)
	}
	z := h.someReverse()
	owner := z.owner(h.someAddress(z))
	if z.records[owner] != nil {
		delete(z.records, owner)
		return "no static records at " + owner
	}
	switch h.rng.IntN(6) {
	case 0:
		z.records.set(owner, "CNAME", newSet(300, owner[:strings.IndexByte(owner, '.')]+".customer.example.com."))
	case 1:
		z.records.set(owner, "NS", newSet(300, "ns1.example.com."))
	case 2:
		z.records.set(owner, "TXT", newSet(300, `"static"`))
	case 3:
		z.records.set(owner, "TXT", newSet(300, `"static"`))
		fallthrough
	default:
		z.records.set(owner, "PTR", newSet(300, h.pick("static.example.com.", "a.file.example.")))
	}
	return fmt.Sprintf("static %v at %s", z.records[owner], owner)
}

// changeSettings changes the configuration.
func (h *sourceHistory) changeSettings() string {
	z := h.someReverse()
	switch h.rng.IntN(9) {
	case 0, 1, 2:
		return h.changeRange(z)
	case 3:
		z.derives = h.rng.IntN(4) > 0
		all := []string{"file.example", "dynamic.example", "hosted.example", "sec.example", "sub.file.example", fmt.Sprintf("%q", netip.PrefixFrom(z.first, z.first.BitLen()-h.rng.IntN(5)).Masked())}
		h.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		z.from = all[:1+h.rng.IntN(len(all))]
		return fmt.Sprintf("derive of %s from %v: %v", z.apex, z.from, z.derives)
	case 4:
		z.all, z.ptrTTL, z.prefer = h.rng.IntN(3) == 0, uint32(h.rng.IntN(2)*1234), nil
		if h.rng.IntN(2) == 0 {
			z.prefer = []string{h.pick("*.sec.example.", "b.dynamic.example."), h.pick("www.a.file.example.", "*.file.example.")}
		}
		return fmt.Sprintf("derive of %s: all %v, prefer %v, ttl %d", z.apex, z.all, z.prefer, z.ptrTTL)
	case 5:
		if h.rng.IntN(3) == 0 {
			z = h.zone("file.example.")
		}
		z.update = !z.update
		return fmt.Sprintf("updates of %s: %v", z.apex, z.update)
	case 6, 7:
		if h.rng.IntN(3) == 0 {
			z = h.zone(h.pick("file.example.", "sub.file.example."))
		}
		z.mode = h.pick("", "rule", "omit", "materialize", "materialize")
		return fmt.Sprintf("synth_transfer of %s: %s", z.apex, z.mode)
	}
	if h.l == nil || h.rng.IntN(2) == 0 {
		return "nothing"
	}
	z = h.zones[[]int{0, 1, 1, 4, 4, 5, 6, 7}[h.rng.IntN(8)]]
	z.isServed = !z.isServed
	return fmt.Sprintf("zone %s is served: %v", z.apex, z.isServed)
}

func (h *sourceHistory) changeRange(z *sourceZone) string {
	bits := z.first.BitLen() - h.rng.IntN(5)
	p := netip.PrefixFrom(h.someAddress(z), bits).Masked()
	old := z.ranges[p]
	if old != nil && h.rng.IntN(3) == 0 {
		delete(z.ranges, p)
		return fmt.Sprintf("no range %v", p)
	}
	id := fmt.Sprintf("r%d-%d", p.Addr().AsSlice()[p.Addr().BitLen()/8-1], bits)
	r := &sourceRange{h.pick("{dashed}", "x-{dashed}", "{decimal}"), id + h.pick(".pool.", ".") + h.pick("file.example.", "sub.file.example.", "dynamic.example.", "hosted.example.", "sec.example.", "elsewhere.test."), uint32(100 + h.rng.IntN(3))}
	if z.first.Is6() {
		r.base = "six." + r.base
	} else if z.prefix.Bits() > 24 {
		r.base = "part." + r.base
	}
	if old != nil && h.rng.IntN(2) == 0 {
		r.base = old.base
	}
	z.ranges[p] = r
	return fmt.Sprintf("range %v %v", p, *r)
}

func (h *sourceHistory) reload() {
	h.t.Helper()
	for _, z := range h.zones {
		if !z.isServed {
			clear(z.layer)
			clear(z.past)
		}
	}
	path := filepath.Join(h.l.dir, "config.yaml")
	h.write(h.l.dir)
	if h.rng.IntN(8) == 0 { // a configuration with an error changes nothing
		replace(h.t, path, h.config()+"  - {name: file.example, file: none}\n  - {name: file.example, dynamic: }\n")
		before := h.l.zones.Set()
		if o := h.l.reload(h.t); o.InForce || h.l.zones.Set() != before {
			h.t.Fatalf("%+v", o)
		}
	}
	replace(h.t, path, h.config())
	if o := h.l.reload(h.t); !o.InForce || len(o.Broken) > 0 || len(o.Held) > 0 {
		h.t.Fatalf("%+v\n%s\n%s", o, h.config(), h.files())
	}
	h.refresh()
}

// send sends an update and returns the RCODE.
func (h *sourceHistory) send(apex, owner string, ttl uint32, typ, data string, what string) string {
	h.t.Helper()
	m := new(dns.Msg)
	m.SetUpdate(apex)
	r, err := dns.NewRR(fmt.Sprintf("%s %d %s %s", owner, ttl, typ, data))
	if err != nil {
		h.t.Fatal(err)
	}
	switch what {
	case "add":
		m.Insert([]dns.RR{r})
	case "remove":
		m.Remove([]dns.RR{r})
	default:
		m.RemoveRRset([]dns.RR{r})
	}
	answer, err := exchange(m, h.l.dns)
	if err != nil {
		h.t.Fatal(err)
	}
	return dns.RcodeToString[answer.Rcode]
}

// update sends an update to a zone with layers.
func (h *sourceHistory) update(z *sourceZone) string {
	h.t.Helper()
	typ, data, owner := "PTR", fmt.Sprintf("u%d.example.com.", h.rng.IntN(3)), ""
	if z.isReverse() {
		owner = z.owner(h.someAddress(z))
	} else {
		a := h.someAddress(h.someReverse())
		typ, data, owner = typeOfAddress(a), a.String(), h.forwardName(z.apex)
	}
	if h.rng.IntN(5) == 0 {
		typ, data = "TXT", fmt.Sprintf("%q", h.pick("x", "y"))
	}
	if !z.isServed || !z.update || h.zoneOf(owner) != z {
		return "nothing"
	}
	ttl, how := uint32(77+h.rng.IntN(2)), h.pick("add", "add", "remove", "drop")
	if t, made := h.made(z, owner); made != nil && h.rng.IntN(3) == 0 {
		typ, ttl = t, made.ttl
		data = slices.Collect(maps.Keys(made.data))[0]
	}
	want := "NOERROR"
	switch isHidden, set := z.hides(h, owner, typ), z.layer[owner][typ]; {
	case isHidden && z.records[owner]["CNAME"] == nil:
		above := z.stored(h, owner)[typ]
		if how == "drop" || above.data[data] == (how == "remove") || how == "add" && above.ttl != ttl {
			want = "REFUSED"
		}
	case isHidden: // an alias of a file
	case how == "add":
		next := newSet(ttl, data)
		if set != nil {
			maps.Copy(next.data, set.data)
		}
		z.layer.set(owner, typ, next)
	case how == "remove" && set != nil:
		delete(set.data, data)
		z.layer.set(owner, typ, set)
	case how == "drop":
		z.layer.set(owner, typ, nil)
	}
	what := fmt.Sprintf("UPDATE of %s: %s %d %s %s", owner, how, ttl, typ, data)
	if got := h.send(z.apex, owner, ttl, typ, data, how); got != want {
		h.t.Fatalf("%s: %s, want %s\n%s\n%s\n%s", what, got, want, strings.Join(h.did, "\n"), h.config(), h.files())
	}
	return what
}

func (h *sourceHistory) updateDynamic() string {
	z := h.zone("dynamic.example.")
	owner, typ, set := h.editAddresses(z, z.records, z.ttl)
	old := z.records[owner][typ]
	z.records.set(owner, typ, set)
	for d := range set.data {
		if old == nil || !old.data[d] {
			h.send(z.apex, owner, z.ttl, typ, d, "add")
			return fmt.Sprintf("UPDATE of %s: add %s", owner, d)
		}
	}
	for d := range old.data {
		if !set.data[d] {
			h.send(z.apex, owner, z.ttl, typ, d, "remove")
			return fmt.Sprintf("UPDATE of %s: remove %s", owner, d)
		}
	}
	return "nothing"
}

func (h *sourceHistory) changeHosted() string {
	h.t.Helper()
	z := h.zone("hosted.example.")
	switch id := h.l.hosted.Has(dname.MustParse(z.apex)); {
	case id == "":
		h.created++
		if _, _, err := h.l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse(z.apex), CallerReference: fmt.Sprint(h.created)}); err != nil {
			h.t.Fatal(err)
		}
		z.isServed = true
		return "a hosted zone"
	case len(z.records) == 0 && h.rng.IntN(2) == 0:
		if _, err := h.l.hosted.DeleteZone(id); err != nil {
			h.t.Fatal(err)
		}
		z.isServed = false
		clear(z.past)
		return "no hosted zone"
	default:
		var edits []hosted.Edit
		for range 1 + h.rng.IntN(3) {
			owner, typ, set := h.editAddresses(z, z.records, z.ttl)
			if strings.HasPrefix(owner, "*") || slices.ContainsFunc(edits, func(e hosted.Edit) bool { return e.Owner.Equal(dname.MustParse(owner)) }) {
				continue
			}
			e := hosted.Edit{Action: hosted.Upsert, Owner: dname.MustParse(owner), Type: rr.Type(dns.StringToType[typ]), TTL: z.ttl}
			from := set
			if len(set.data) == 0 {
				e.Action, from = hosted.Delete, z.records[owner][typ]
			}
			for d := range from.data {
				v, err := hosted.ParseValue(e.Type, d)
				if err != nil {
					h.t.Fatal(err)
				}
				e.Values = append(e.Values, v)
			}
			edits = append(edits, e)
			z.records.set(owner, typ, set)
		}
		if len(edits) == 0 {
			return "nothing"
		}
		if _, err := h.l.hosted.ChangeRecords(id, edits, "test", ""); err != nil {
			h.t.Fatal(err)
		}
		return fmt.Sprintf("hosted zone: %d edits", len(edits))
	}
}

func (h *sourceHistory) changePrimary() string {
	z := h.zone("sec.example.")
	what := ""
	for range 1 + h.rng.IntN(3) {
		owner, typ, set := h.editAddresses(z, z.records, z.ttl)
		z.records.set(owner, typ, set)
		what += fmt.Sprintf("%s %s: %v ", owner, typ, set)
	}
	return what + "at the primary"
}

func (h *sourceHistory) writePrimary() {
	h.t.Helper()
	replace(h.t, filepath.Join(h.primary.dir, "sec.zone"), h.zone("sec.example.").masterFile())
	replace(h.t, filepath.Join(h.primary.dir, "config.yaml"), "listen: {dns: [\"127.0.0.1:0\"], admin: \"\"}\nstate_dir: state\nreload: {quiet: 1h}\ndefaults: {max_shrink: off}\nzones:\n  - {name: sec.example, file: sec.zone, nameservers: [ns1.example.com], transfer: {allow: 127.0.0.1}}\n")
	if o := h.primary.reload(h.t); !o.OK() {
		h.t.Fatalf("%+v", o)
	}
}

// refresh has the secondary zone be as at the primary.
func (h *sourceHistory) refresh() {
	h.t.Helper()
	if !h.zone("sec.example.").isServed {
		return
	}
	apex := dname.MustParse("sec.example.")
	await(h.t, func() bool {
		h.l.follower.Refresh(h.t.Context(), apex, false) //nolint:errcheck // it is asked again
		z := h.l.zones.Set().Get(apex)
		return z != nil && z.IsAvailable() && z.Serial() == h.primary.zones.Set().Get(apex).Serial()
	})
}

// rollback restores an earlier serial of a zone.
func (h *sourceHistory) rollback() string {
	h.t.Helper()
	z := h.zones[[]int{0, 2, 5, 6, 7}[h.rng.IntN(5)]]
	if !z.isServed || len(z.past) == 0 {
		return "nothing"
	}
	all := slices.Sorted(maps.Keys(z.past))
	to := all[h.rng.IntN(len(all))]
	next := z.past[to].clone()
	if z.apex != "dynamic.example." {
		if !z.update {
			next = z.layer.clone()
		}
		for _, list := range []records{z.layer, next.clone()} {
			for owner, sets := range list {
				for typ := range sets {
					if z.hides(h, owner, typ) {
						next.set(owner, typ, z.layer[owner][typ])
					}
				}
			}
		}
	}
	changed := next.masterFile() != z.changing().masterFile()
	what := fmt.Sprintf("rollback of %s from %d to %d, updates then:\n%snow:\n%s", z.apex, h.l.zones.Set().Get(dname.MustParse(z.apex)).Serial(), to, z.past[to].masterFile(), z.changing().masterFile())
	out, err := h.l.rollback(url.Values{"what": {z.apex}, "serial": {fmt.Sprint(to)}})
	if (err != nil) == changed {
		n := 0
		if err == nil {
			n = out.(*update.Rollback).Added + out.(*update.Rollback).Removed
		}
		if err != nil || n > 0 {
			h.t.Fatalf("%s: %v, %+v\n%s\n%s\n%s", what, err, out, strings.Join(h.did, "\n"), h.config(), h.files())
		}
	}
	if z.apex == "dynamic.example." {
		z.records = next
	} else {
		z.layer = next
	}
	return what
}

// restart restarts the server.
func (h *sourceHistory) restart() string {
	h.t.Helper()
	before := h.l.zones.Set()
	if err := h.l.stop(); err != nil {
		h.t.Fatal(err)
	}
	dir := h.l.dir
	h.l = start(h.t, dir, h.config())
	h.refresh()
	h.connect()
	h.same("a restart", before, h.l.zones.Set())
	return "a restart"
}
