package interop

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var synthRounds = flag.Int("rounds", 4, "number of changes of TestSynthSecondary and TestSynthFleet, half of those of TestSynthLayers")

// secondaryConfig writes the configuration of a secondary that has all zones from the primary.
func (l *synthLab) secondaryConfig(dir string, addr, primary netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nkeys: [{name: pool, secret: %s}]\nzones:\n", addr, l.secret)
	for _, apex := range l.apexes() {
		fmt.Fprintf(&b, "  - {name: %q, secondary: {primaries: %q}}\n", apex, primary)
	}
	return mustWrite(dir, "ptrd.yaml", b.String())
}

// newWideLab returns a configuration with many ranges.
func newWideLab(seed uint64, ranges int) *synthLab {
	l := &synthLab{rng: rand.New(rand.NewPCG(seed, 7)), secret: xfrSecret, hosts: 128}
	it := &labItem{prefix: netip.MustParsePrefix("2001:db8::/32"), apexes: []modelName{modelNameOf("8.b.d.0.1.0.0.2.ip6.arpa")}, ttl: 3600, soa: [2]uint32{3600, 300}}
	l.items = []*labItem{{name: "example.net", apexes: []modelName{modelNameOf("example.net")}, ttl: 600, soa: [2]uint32{600, 60}}, it}
	for i := range ranges {
		p := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", i/100, i%100*7))
		it.ranges = append(it.ranges, newMadeRange(p, l.pick("{dashed}.pool.example.net", "{dashed}.pool.example.net", "x{hex}.example.net"), "", uint32(i)))
		it.explicit = append(it.explicit, true)
	}
	for range 20 {
		l.addRecords()
	}
	return l
}

// change changes a range, a record, or the key, and returns what.
func (l *synthLab) change() string {
	defer func() {
		l.inheritTTLs()
		l.limitModes()
	}()
	var items []*labItem
	for _, it := range l.items {
		if len(it.ranges) > 0 {
			items = append(items, it)
		}
	}
	it := items[l.rng.IntN(len(items))]
	i := l.rng.IntN(len(it.ranges))
	r := it.ranges[i]
	remove := func() {
		it.ranges, it.explicit = slices.Delete(it.ranges, i, i+1), slices.Delete(it.explicit, i, i+1)
	}
	switch l.rng.IntN(9) {
	case 0, 1:
		remove()
		l.addRange(it, r.prefix)
		return "another template"
	case 2:
		if it.explicit[i] {
			r.ttl++
		}
		return "another TTL"
	case 3:
		if len(it.ranges) > 1 {
			remove()
		}
		return "one range less"
	case 4:
		l.addRelated(it)
		return "one range more"
	case 5:
		l.addRecords()
		return "another record"
	case 6:
		for _, it := range l.items {
			if len(it.records) > 0 {
				it.records = slices.Delete(it.records, 0, 1)
				it.serial++
				break
			}
		}
		return "one record less"
	case 7:
		if it = l.items[l.rng.IntN(len(l.items))]; it.mode == "" {
			it.mode = "materialize"
		} else if it.mode == "materialize" {
			it.mode = ""
		}
		return "another mode"
	}
	l.secret = strings.Replace(l.secret, "c2", "c3", 1)
	if l.secret == xfrSecret {
		l.secret = strings.Replace(l.secret, "c3", "c2", 1)
	}
	for _, r := range l.ranges() {
		clear(r.names)
		clear(r.addresses)
	}
	return "another key"
}

// TestSynthSecondary compares a primary and a secondary, both ptrd, and the model, over changes of
// ranges, records and keys, which the secondary has by IXFR, and restarts of both.
func TestSynthSecondary(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = 1
	}
	differences := 0
	for n := range (*synthZones + 1) / 2 {
		t.Run(fmt.Sprintf("seed=%d,%d", seed, n), func(t *testing.T) {
			l := newSynthLab(seed, 1000+n, 128)
			if n == 0 {
				l = newWideLab(seed, *synthQueries) // -queries 3000 for as many ranges
			}
			for _, it := range l.items {
				if it.mode == "omit" { // and a secondary has no rules
					it.mode = ""
				}
			}
			if len(l.apexes()) > 40 {
				t.Skip("more zones than a test of transfers needs")
			}
			dirs := []string{t.TempDir(), filepath.Join(t.TempDir(), "s")}
			if err := os.Mkdir(dirs[1], 0o755); err != nil {
				t.Fatal(err)
			}
			second := freePort(t)
			l.more = fmt.Sprintf("  transfer: {allow: 127.0.0.0/8, notify: [%q]}\n", second)
			first, primary := l.start(t, dirs[0])
			secondary := l.serve(t, dirs[1], second, l.secondaryConfig(dirs[1], second, first))
			logs := func() string { return "primary:\n" + primary.log() + "secondary:\n" + secondary.log() }
			what := "the start"
			for round := range *synthRounds {
				l.awaitSame(t, first, second, what, logs)
				a := newSynthAsker(t, l, first, second)
				a.what = what
				for range *synthQueries / 4 {
					a.askRandom()
				}
				a.close()
				if round == *synthRounds-1 {
					break
				}
				key := l.secret
				what = l.change()
				l.write(dirs[0], first)
				if l.rng.IntN(4) == 0 {
					what += ", the secondary restarts"
					secondary.stop()
				}
				if l.rng.IntN(4) == 0 {
					what += ", the primary restarts"
					primary.stop()
					primary = l.serve(t, dirs[0], first, filepath.Join(dirs[0], "ptrd.yaml"))
				} else {
					run(t, dirs[0], requireBinary(t), "reload", "--config", "ptrd.yaml")
				}
				config := l.secondaryConfig(dirs[1], second, first)
				select {
				case <-secondary.ended:
					secondary = l.serve(t, dirs[1], second, config)
				default:
					if key != l.secret {
						run(t, dirs[1], requireBinary(t), "reload", "--config", config)
					}
				}
			}
			differences += strings.Count(secondary.log(), "type=IXFR")
		})
	}
	// With another seed, a few changes can all come together with restarts.
	if differences == 0 && (*crashSeed == 0 && *synthRounds > 3 || *synthRounds > 8) {
		t.Error("no difference was transferred")
	}
}

// awaitSame waits until a secondary has the serials of the primary.
func (l *synthLab) awaitSame(t *testing.T, primary, secondary netip.AddrPort, what string, logs func() string) {
	t.Helper()
	for _, apex := range l.apexes() {
		deadline := time.Now().Add(startWait)
		for serialAt(primary, apex) != serialAt(secondary, apex) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s has serial %d, and %d at the secondary\n%s", what, apex, serialAt(primary, apex), serialAt(secondary, apex), logs())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
